"""`audiobatchctl models list`, `fetch`, `add` and `verify`, as they are run."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audiobatchd.cli.commands import models
from audiobatchd.cli.terminal.text import cells
from audiobatchd.errors import ModelError
from audiobatchd.models.manifest import BY_NAME, DEFAULT, LICENCE
from support.model_server import METADATA, Server, graph, sending, serving
from support.service import PROGRAMS, configuration, run
from support.terminal import on_a_terminal

BODY = graph(5000)
HEADS = [name for name in DEFAULT if BY_NAME[name].needs]
UNKNOWN_DIGEST = "mood_sad-msd-musicnn-1", "danceability-musicnn-mtt-2"


class Command:
    """`audiobatchctl models`, with a configuration that names one directory, and none of the user's own places."""

    def __init__(self, root: Path) -> None:
        self.models = root / "models"
        self.config = configuration(root / "c.toml", model_directory=str(self.models), analyzers=["classifiers"])
        self.env = {
            "HOME": str(root / "home"),
            "XDG_DATA_HOME": "",
            "XDG_STATE_HOME": "",
            "STATE_DIRECTORY": str(root / "state"),
            "ESSENTIA_MODELS_DIR": "",
        }

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        return run("audiobatchctl", "models", *arguments, "--config", self.config, env=self.env)

    def json(self, *arguments: object) -> dict[str, Any]:
        _, out, _ = self(*arguments, "--json")
        return dict(json.loads(out))

    def put(self, name: str, body: bytes = BODY) -> None:
        self.models.mkdir(exist_ok=True)
        (self.models / f"{name}.pb").write_bytes(body)
        (self.models / f"{name}.json").write_bytes(METADATA)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture
def server() -> Iterator[Server]:
    """It has every model that we know, and the same graph for all."""
    with serving(
        sending({f"{name}{end}": body for name in BY_NAME for end, body in ((".pb", BODY), (".json", METADATA))})
    ) as it:
        yield it


def rows(out: str) -> dict[str, list[str]]:
    """The lines of the table by the model's name: size, state, and what it serves."""
    return {line.split()[0]: re.split("  +", line.strip())[1:] for line in out.splitlines() if line.startswith("  ")}


def test_list_knows_every_model_and_the_user_s_own(command: Command) -> None:
    command.put("mine-1")
    command.put("msd-musicnn-1")
    code, out, _ = command("list")
    assert code == 0
    table = rows(out)
    assert set(BY_NAME) <= table.keys()
    assert table["NAME"] == ["SIZE", "STATE", "SERVES"]
    assert table["tonal_atonal-msd-musicnn-1"] == ["80 kB", "missing", "atonality"]
    assert table["tonal_atonal-vggish-audioset-1"] == ["288 MB", "missing", "atonality"]
    assert table["mine-1"] == ["5 kB", "here", "yours"]
    assert table["msd-musicnn-1"] == ["5 kB", "damaged", "its heads"]
    assert "instead of the published cdea0722" in " ".join(out.split())
    assert f"\n  {command.env['STATE_DIRECTORY']}/models (not there)\n" in out
    found = {each["name"]: each for each in command.json("list")["models"]}
    assert (found["mine-1"]["known"], found["mine-1"]["state"], found["mine-1"]["size"]) == (
        False,
        "unpinned",
        len(BODY),
    )
    assert found["mine-1"]["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert found["msd-musicnn-1"]["state"] == "WRONG"
    assert (found[HEADS[0]]["state"], found[HEADS[0]]["needs"]) == ("not found", "msd-musicnn-1")
    assert [name for name, each in found.items() if each["wanted"]] == [*DEFAULT]


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ("analyzers = ['default']", list(DEFAULT)),
        ("analyzers = ['loudness']", []),
        (
            "[analyzer.classifiers]\nheads = ['genre_discogs400', 'tonal_atonal']\nfamilies = ['discogs-effnet-1']",
            ["discogs-effnet-bs64-1", "genre_discogs400-discogs-effnet-1", "tonal_atonal-discogs-effnet-1"],
        ),
    ],
)
def test_list_begins_with_what_analyzers_that_are_on_need(command: Command, settings: str, first: list[str]) -> None:
    command.config.write_text(settings)
    _, out, _ = command("list")
    part = out.partition("\n\n")[0]
    assert part.startswith("Models for the analyzers that are on:") is bool(first)
    assert part.endswith("fetch what is missing: audiobatchctl models fetch") is bool(first)
    assert not first or [name for name in rows(part) if name in BY_NAME] == first


@pytest.mark.parametrize("columns", [80, 60])
def test_list_fits_the_terminal(command: Command, columns: int) -> None:
    command.put("a-model-of-mine-with-a-name-that-is-longer-than-any-other-1")
    command.put("msd-musicnn-1")
    command.env["COLUMNS"] = str(columns)
    _, out, _ = command("list")
    table = [line for line in out.partition("\nLooked for")[0].splitlines() if not line.startswith("    ")]
    assert max(map(cells, table)) <= columns
    assert columns < 80 or any(line.endswith("essentia_instrument") for line in table), "nothing need be cut off"


def test_list_tells_what_keeps_a_model_from_use(command: Command) -> None:
    command.put(HEADS[0])
    (command.models / f"{HEADS[1]}.pb").write_bytes(BODY)
    out = " ".join(command("list")[1].split())
    assert "needs msd-musicnn-1, which is not found" in out
    assert f"{HEADS[1]}.pb is of no use without {HEADS[1]}.json beside it" in out


def test_fetch_tells_the_licence_the_digest_and_what_follows(command: Command, server: Server) -> None:
    name = UNKNOWN_DIGEST[1]
    code, out, err = command("fetch", name, "--from", server.base)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert f"{LICENCE}, for non-commercial use only" in lines[0]
    assert f"Fetching {server.base}/{BY_NAME[name].path}.pb" in lines
    assert f"{name}: fetched, pinned, in {command.models}" in lines
    assert f"  SHA-256 {hashlib.sha256(BODY).hexdigest()}" in lines
    assert "systemctl restart audiobatchd" in lines[-1]
    code, out, _ = command("fetch", name, "--from", server.base)
    assert f"{name}: already there, pinned, in {command.models}" in out
    assert "restart" not in out
    assert len(server.paths) == 2


def test_a_head_comes_with_its_backbone_whose_digest_is_known(command: Command, server: Server) -> None:
    code, out, err = command("fetch", UNKNOWN_DIGEST[0], "--from", server.base)
    assert code == 1
    assert f"Fetching {server.base}/{BY_NAME['msd-musicnn-1'].path}.pb" in out
    assert f"instead of {BY_NAME['msd-musicnn-1'].sha256}; what came was removed" in err
    assert not any(UNKNOWN_DIGEST[0] in path for path in server.paths)


def test_without_a_name_the_analyzers_models_come(command: Command, server: Server) -> None:
    command("fetch", "--from", server.base)
    assert server.paths == [f"/{BY_NAME[DEFAULT[0]].path}{end}" for end in (".json", ".pb")]


def test_fetch_as_json_says_nothing_else(command: Command, server: Server) -> None:
    told = command.json("fetch", UNKNOWN_DIGEST[1], "--from", server.base)
    assert told["licence"] == LICENCE
    assert [(each["name"], each["done"], each["state"]) for each in told["models"]] == [
        (UNKNOWN_DIGEST[1], "fetched", "pinned")
    ]


def test_fetch_to_another_directory_says_that_nobody_looks_there(
    command: Command, server: Server, tmp_path: Path
) -> None:
    command.put(UNKNOWN_DIGEST[1])
    code, out, _ = command("fetch", UNKNOWN_DIGEST[1], "--from", server.base, "--to", tmp_path / "elsewhere")
    assert code == 0
    assert f"fetched, pinned, in {tmp_path / 'elsewhere'}" in out
    assert "set model_directory" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fetch", "nobody-1"], 'cannot find the model "nobody-1": there are: danceability-discogs-effnet-1, '),
        (["fetch", "msd-musicn-1"], 'cannot find the model "msd-musicn-1": did you mean "msd-musicnn-1"'),
        (["fetch", "--from", "/srv/mirror"], "cannot fetch from '/srv/mirror'"),
        (["add", "model"], "expected NAME.pb"),
        (["add", ""], "expected NAME.pb"),
        (["list", "--config", "/absent.toml"], "cannot read /absent.toml"),
    ],
)
def test_wrong_usage(command: Command, arguments: list[str], said: str) -> None:
    code, out, err = run("audiobatchctl", "models", *arguments, env=command.env)
    assert (code, out) == (2, "")
    assert said in err


def test_what_cannot_be_fetched_is_told_with_its_address(command: Command) -> None:
    with serving(sending({})) as server:
        code, _, err = command("fetch", "--from", server.base)
    address = f"{server.base}/feature-extractors/musicnn/msd-musicnn-1.json"
    assert (code, err) == (1, f"audiobatchctl: cannot fetch {address}: the server answers 404 Not Found\n")


def ways(lacking: str, names: str) -> list[str]:
    """The commands that are told where models cannot be fetched."""
    fetch = f"audiobatchctl models fetch{{}}{names}"
    told = [fetch.format(" --from http://ITS_NAME/models"), fetch.format(" --to models")]
    return [*told, *(f"audiobatchctl models add models/{name}.pb" for name in lacking.split())]


@pytest.mark.parametrize(
    ("names", "lacking"),
    [("", " ".join(DEFAULT)), (" mood_sad-msd-musicnn-1", "msd-musicnn-1 mood_sad-msd-musicnn-1")],
)
@pytest.mark.parametrize(
    ("base", "environ", "why"),
    [
        ("http://127.0.0.1:9/x", {}, "Connection refused"),
        ("http://nowhere.invalid/x", {}, "its host cannot be found: "),
        ("http://nowhere.invalid/x", {"http_proxy": "http://me:secret@127.0.0.1:9"}, "(through the proxy 127.0.0.1:9)"),
        ("https://nowhere.invalid/x", {"https_proxy": "127.0.0.1:9"}, "refused (through the proxy 127.0.0.1:9)"),
    ],
    ids=["refused", "no name", "proxy", "proxy of https"],
)
def test_fetch_offline_names_the_other_ways(
    command: Command, names: str, lacking: str, base: str, environ: dict[str, str], why: str
) -> None:
    command.env |= {"no_proxy": "127.0.0.1"} | environ
    code, _, err = command("fetch", *names.split(), "--from", base)
    assert code == 1
    assert why in err.splitlines()[0]
    assert "secret" not in err
    told = f" {lacking}" if names else ""
    assert [line.strip() for line in err.splitlines() if line.startswith("  ")] == ways(lacking, told)


def test_progress_is_drawn_on_a_terminal_and_wiped(command: Command, server: Server) -> None:
    arguments = ["models", "fetch", UNKNOWN_DIGEST[1], "--from", server.base, "--config", str(command.config)]
    fetch = ["sh", "-c", 'exec "$@" >/dev/null', "sh", PROGRAMS / "audiobatchctl", *arguments]
    with on_a_terminal(fetch, environ=command.env) as terminal:
        assert terminal.end() == 0
        drawn = terminal.seen
    lines = [f"  {UNKNOWN_DIGEST[1]}{file}" for file in (".json    0 % of 83 B", ".pb    0 % of 5 kB")]
    assert drawn.split("\r\x1b[K") == ["", lines[0], "", lines[1], ""]
    assert "\n" not in drawn


def test_add_then_verify(command: Command, tmp_path: Path) -> None:
    mine = tmp_path / "mine-1.pb"
    mine.write_bytes(BODY)
    mine.with_suffix(".json").write_bytes(METADATA)
    code, out, _ = command("add", mine)
    assert code == 0
    assert f"mine-1: added, pinned, in {command.models}" in out
    assert command.json("add", mine, mine.with_suffix(".json"))["state"] == "pinned"
    assert command("verify") == (0, f"  [  pinned] {command.models}/mine-1.pb\n", "")
    (command.models / "mine-1.pb").write_bytes(graph(5000, filling=1))
    code, out, _ = command("verify")
    assert code == 1
    assert out.startswith(f"  [   WRONG] {command.models}/mine-1.pb\n")
    assert "instead of the pinned" in out
    assert command.json("verify")["models"][0]["state"] == "WRONG"


def test_the_environment_names_a_directory(command: Command, tmp_path: Path) -> None:
    command.put("mine-1")
    command.config = configuration(tmp_path / "none.toml")
    command.env["ESSENTIA_MODELS_DIR"] = str(command.models)
    assert f"mine-1: added, pinned, in {command.models}" in command("add", command.models / "mine-1.pb")[1]
    assert command("verify")[1] == f"  [  pinned] {command.models}/mine-1.pb\n"


def test_nothing_to_verify_is_no_error(command: Command) -> None:
    code, out, _ = command("verify")
    assert (code, out.startswith("No models are found in ")) == (0, True)


@pytest.mark.parametrize(
    ("uid", "to", "installed", "told"),
    [
        (0, "/var/lib/audiobatchd/models", True, ["again: systemctl restart audiobatchd"]),
        (1000, "/var/lib/audiobatchd/models", True, ["again: sudo systemctl restart audiobatchd"]),
        (1000, "/home/mia/own/audiobatchd/models", False, ["again: systemctl --user restart audiobatchd"]),
        (
            1000,
            "/home/mia/own/audiobatchd/models",
            True,
            [
                "again: systemctl --user restart audiobatchd",
                "The machine's service does not look there: sudo audiobatchctl models fetch a 'b c' gives it them too",
            ],
        ),
    ],
)
def test_a_model_for_oneself_is_told_from_the_machine_s(
    monkeypatch: pytest.MonkeyPatch, uid: int, to: str, installed: bool, told: list[str]
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(models, "service_is_installed", lambda: installed)
    monkeypatch.setenv("XDG_DATA_HOME", "/home/mia/own")
    said: list[str] = []
    models._tell_of_what_follows(argparse.Namespace(name=["a", "b c"]), Path(to), (Path(to),), said.append)
    assert len(said) == len(told)
    assert all(line.endswith(end) for line, end in zip(said, told, strict=True)), said


@pytest.mark.parametrize(
    ("uid", "cause", "cure"),
    [
        (1000, PermissionError(), "; as root: sudo audiobatchctl models add '/tmp/my own.pb'"),
        (1000, FileNotFoundError(), ""),
        (0, PermissionError(), ""),
    ],
)
def test_a_place_of_root_s_is_refused_with_the_command(
    monkeypatch: pytest.MonkeyPatch, uid: int, cause: OSError, cure: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(ModelError) as caught, models._cure_told(argparse.Namespace(file=Path("/tmp/my own.pb"))):  # noqa: S108  # named, not used
        raise ModelError("cannot write it") from cause
    assert str(caught.value) == f"cannot write it{cure}"

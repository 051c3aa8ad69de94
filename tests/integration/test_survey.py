"""The service's knowledge of all folders, beside what their records tell: the same, for any question."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.audio_files import make_track
from support.plugins import install_analyzer
from support.service import Service, configuration, eventually, run, service


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short track with a stem."""
    return make_track(tmp_path_factory.mktemp("music") / "Track", seconds=4.0, stems=("drums",))


def asked(daemon: Service, config: Path, command: str, root: Path, *features: str) -> tuple[Any, Any]:
    """The answer of the service, and that of the disk."""
    wanted = ("--features", *features) if features else ()
    known = run("audiobatchctl", "--socket", daemon.socket, command, root, "--json", *wanted)
    read = run("audiobatchctl", "--socket", daemon.socket, command, root, "--json", "--config", config, *wanted)
    assert known[0] == read[0]
    return json.loads(known[1]), json.loads(read[1])


QUESTIONS = ((), ("lufs", "lra_drums"), ("bpm",), ("mood", "lufs"), ("loudness",))
"""Features that are asked for; none: what the analyzers would measure."""
STATES = {"complete": 4, "failed": 1, "blocked": 1}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, track: Path) -> Iterator[tuple[Service, Path, Path]]:
    """A service that has read six folders of all kinds, its configuration, and the dataset."""
    place = tmp_path_factory.mktemp("known")
    root = place / "dataset"
    for name in ("Done", "Deep/er/Done", "Damaged", "Spoilt", "Foreign", "Edited"):
        shutil.copytree(track, root / name)
    (root / "Damaged" / "drums.flac").write_bytes(b"no audio")
    (root / "Spoilt" / "Spoilt.INFO").write_text("{")
    (root / "Foreign" / "Foreign.INFO").write_text('{"bpm": 120, "mood": "calm"}')
    config = configuration(place / "c.toml", root, settle=0.0)
    with service(place / "d", config) as daemon:
        daemon.becomes(**STATES)
        yield daemon, config, root


@pytest.fixture(scope="module")
def restarted(known: tuple[Service, Path, Path]) -> Iterator[tuple[Service, Path, Path]]:
    """The same, started again: no record is read by it."""
    before, config, root = known
    assert before.stop() == 0
    with service(config.parent / "d", config) as daemon:
        daemon.becomes(**STATES)
        yield daemon, config, root
        assert daemon.stop() == 0


def agreed(at: tuple[Service, Path, Path], command: str, features: tuple[str, ...]) -> bool:
    """Whether service and disk give one answer; a walk may be under way, so they are asked until they do."""
    daemon, config, root = at

    def agree() -> bool:
        told, read = asked(daemon, config, command, root, *features)
        return bool(told == read)

    return eventually(agree)


@pytest.mark.parametrize("command", ["progress", "missing", "check"])
@pytest.mark.parametrize("features", QUESTIONS)
def test_the_answers_are_those_of_the_disk(
    known: tuple[Service, Path, Path], features: tuple[str, ...], command: str
) -> None:
    assert agreed(known, command, features)


@pytest.mark.parametrize("ways", [(), ("--disk",)])
def test_an_unknown_feature_is_refused(known: tuple[Service, Path, Path], ways: tuple[str, ...]) -> None:
    daemon, _, root = known
    code, _, err = run("audiobatchctl", "--socket", daemon.socket, "progress", root, "--features", "lufz", *ways)
    assert (code, "did you mean 'lufs'" in err) == (2, True), err


@pytest.mark.parametrize("features", QUESTIONS)
def test_answers_after_a_restart_are_those_of_the_disk(
    restarted: tuple[Service, Path, Path], features: tuple[str, ...]
) -> None:
    daemon, config, root = restarted
    told, read = asked(daemon, config, "missing", root, *features)
    assert told == read


def write_near_misses(root: Path) -> None:
    """A library of which nothing, as it is, can be measured."""
    for name in (
        "loose 1.flac", "loose 2.wv", "A/full_mix.mka", "B/full_mix.WMA", "B/drums.wav", "C/C.flac",
        "Caf\u00e9/cafe\u0301.Mp3", "Artist/Album/01.flac",
        "Artist/Album/02.ape", "Stems/bass.wav", "._ignored.flac", "Nothing/cover.jpg",
    ):  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no audio")
    (root / "link").symlink_to(root.parent)


FOUND = {
    "loose": (2, "loose 1.flac"),
    "unread-format": (2, "A/full_mix.mka"),
    "named-like-folder": (2, "C/C.flac"),
    "other-names": (2, "Artist/Album/01.flac"),
    "stems-alone": (1, "Stems"),
    "linked": (1, "link"),
}


def kinds(told: list[dict[str, object]]) -> dict[object, tuple[object, object]]:
    return {each["kind"]: (each["count"], each["example"]) for each in told}


def test_empty_dataset_does_not_look_like_success(tmp_path: Path) -> None:
    root, empty = tmp_path / "dataset", tmp_path / "empty"
    write_near_misses(root)
    empty.mkdir()
    for place, misses in ((root, FOUND), (empty, {})):
        config = configuration(tmp_path / f"{place.name}.toml", place, settle=0.0)
        with service(tmp_path / f"of {place.name}", config) as daemon:
            daemon.says("dataset-active")
            for command in ("progress", "check", "missing"):
                answers = asked(daemon, config, command, place)
                assert answers[0] == answers[1]
                assert kinds(answers[0]["near_misses"]) == misses
                for way in ((), ("--disk",)):
                    code, out, err = run("audiobatchctl", "--socket", daemon.socket, command, place, *way)
                    assert code == 1, err
                    assert f"No track folder was found in {place}" in out
                    assert "Nothing is missing" not in out
                    assert "100.0%" not in out
                    assert all(f"(such as {example})" in out for _, example in misses.values())
            status = json.loads(run("audiobatchctl", "--socket", daemon.socket, "status", "--json")[1])
            assert kinds(status["datasets"][0]["near_misses"]) == misses
            out = run("audiobatchctl", "--socket", daemon.socket, "status")[1]
            assert "no track folder found" in out
            assert "audiobatchctl import" in out
            assert ("C/C.flac" in out) is bool(misses)
            told = [run("audiobatchctl", *socket, "doctor", "--config", config)
                    for socket in (("--socket", daemon.socket), ("--socket", tmp_path / "none"))]  # fmt: skip
            for code, out, _ in told:
                assert code == 1
                assert f"no track folder was found in {place}" in out
                assert "audiobatchctl import" in out
                assert all(example in out for _, example in misses.values())
            assert daemon.stop() == 0


def test_folders_passed_over_are_counted_as_they_come_and_go(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(track, root / "Song")
    config = configuration(tmp_path / "c.toml", root, settle=0.0, rescan=1.0)

    def misses() -> dict[object, tuple[object, object]]:
        return kinds(
            json.loads(run("audiobatchctl", "--socket", daemon.socket, "status", "--json")[1])["datasets"][0][
                "near_misses"
            ]
        )

    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)
        assert misses() == {}
        shutil.copytree(track, root / "Other")
        (root / "Other" / "full_mix.flac").rename(root / "Other" / "full_mix.wv")
        eventually(lambda: misses() == {"unread-format": (1, "Other/full_mix.wv")})
        shutil.copytree(root / "Other", root / "Further")
        eventually(lambda: misses() == {"unread-format": (2, "Further/full_mix.wv")})
        (root / "Further" / "full_mix.wv").rename(root / "Further" / "full_mix.flac")
        eventually(lambda: misses() == {"unread-format": (1, "Other/full_mix.wv")})
        shutil.rmtree(root / "Other")
        eventually(lambda: misses() == {})
        daemon.becomes(complete=2)
        assert daemon.stop() == 0


def test_folder_that_was_asked_for_goes_first(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    for number in range(12):
        shutil.copytree(track, root / f"{number:02d}")
    env = install_analyzer(tmp_path / "plugin", "slow", "import time; time.sleep(0.5); return self.answer(audio)")
    config = configuration(tmp_path / "c.toml", root, settle=0.0, workers=1, plugins=["slow"])
    with service(tmp_path / "d", config, env=env) as daemon:
        eventually(lambda: daemon.states().get("queued", 0) > 4)
        code, out, err = run("audiobatchctl", "--socket", daemon.socket, "bump", root / "11")
        assert (code, out) == (0, "It is next.\n"), err
        daemon.becomes(complete=12)
        done = [line.partition(" folder=")[2][:2] for line in daemon.log().splitlines() if "folder-done" in line]
        assert done.index("11") < 10
        assert [each for each in done if each != "11"] == [f"{number:02d}" for number in range(11)], "otherwise by path"
        assert run("audiobatchctl", "--socket", daemon.socket, "bump", root / "11")[0] == 1
        assert daemon.stop() == 0


def test_a_marker_tells_that_a_folder_has_arrived(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(track, root / "A")
    config = configuration(tmp_path / "c.toml", root, settle=0.0)
    config.write_text(config.read_text() + 'ready_marker = "DONE"\n')
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(settling=1)
        (root / "A" / "DONE").touch()
        daemon.becomes(complete=1)
        assert daemon.stop() == 0


def test_a_walk_on_demand_and_a_dataset_that_is_only_walked(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    root.mkdir()
    config = configuration(tmp_path / "c.toml", root, settle=0.0)
    config.write_text(config.read_text() + 'mode = "walk"\n')
    with service(tmp_path / "d", config) as daemon:
        daemon.says("dataset-active")
        shutil.copytree(track, root / "A")
        assert run("audiobatchctl", "--socket", daemon.socket, "rescan", root)[:2] == (0, "The walk begins.\n")
        daemon.becomes(complete=1)
        status = daemon.status()
        assert status is not None
        assert status.datasets[0].watch == "mode = walk"
        assert daemon.stop() == 0

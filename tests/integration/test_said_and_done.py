"""Answers of the service to those who change something, held against what it then does."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from support.audio_files import make_track
from support.plugins import install_gate
from support.service import Service, configuration, eventually, record_of, run, service


def made(root: Path) -> Path:
    """A dataset with a whole track, and a damaged one."""
    make_track(root / "Whole", seconds=1, stems=())
    (root / "Damaged").mkdir()
    (root / "Damaged" / "full_mix.flac").write_bytes(b"no audio")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made(tmp_path / "dataset")


@pytest.fixture
def daemon(tmp_path: Path, root: Path) -> Iterator[Service]:
    """A service that has done all that there is to do."""
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.0)) as daemon:
        daemon.becomes(complete=1, failed=1)
        yield daemon


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path]]:
    """The same for questions that change nothing: a service, and its dataset."""
    place = tmp_path_factory.mktemp("asked")
    root = made(place / "dataset")
    with service(place / "d", configuration(place / "c.toml", root, settle=0.0)) as daemon:
        daemon.becomes(complete=1, failed=1)
        yield daemon, root


def ctl(daemon: Service, *arguments: object) -> tuple[int, str, str]:
    """Ask it: exit code, standard output, standard error."""
    return run("audiobatchctl", "--socket", daemon.socket, *arguments)


def get(daemon: Service, resource: str) -> tuple[int, bytes]:
    """Ask for a resource as curl does: status, body."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(daemon.socket))
    connection.request("GET", resource)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def standing(daemon: Service) -> str:
    """The state of its dataset."""
    status = daemon.status()
    return status.datasets[0].state.value if status else ""


def tries(daemon: Service) -> int:
    """Count how often the damaged folder was tried in vain."""
    return len(json.loads(ctl(daemon, "explain", "Damaged", "--json")[1])["attempts"])


# Folders that cannot be


IMPOSSIBLE = [
    *("x" * 5000, "x" * 256, "W" * 255, "/".join("x" * 200 for _ in range(30))),
    *(r"a\x00b", "a\x00b", "a\nb", "\x1b[31m", r"\x0a"),
    *("", ".", "..", "../dataset/Whole", "Whole/..", "/etc", "Whole/", "./Whole", "Whole/full_mix.flac"),
]


@pytest.mark.parametrize("folder", IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
def test_a_folder_that_cannot_be_is_not_there(asked: tuple[Service, Path], folder: str) -> None:
    daemon, root = asked
    query = urlencode({"dataset": str(root), "folder": folder})
    status, body = get(daemon, f"/v1/folder?{query}")
    assert (status, list(json.loads(body))) == (404, ["error"]), body
    body = json.dumps({"dataset": str(root), "folder": folder}).encode()
    for resource, change in (("bump", body), ("retry", b'{"folders": [%s]}' % body)):
        assert post(daemon, resource, change) == 404
    assert "request-failed" not in daemon.log()


def post(daemon: Service, resource: str, body: bytes) -> int:
    """Ask for a change: the status."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(daemon.socket))
    connection.request("POST", f"/v1/{resource}", body)
    status = connection.getresponse().status
    connection.close()
    return status


def test_refusals_are_sentences(asked: tuple[Service, Path]) -> None:
    daemon, _ = asked
    refused = [
        ("explain", "x" * 5000),
        ("explain", "Nothing"),
        ("retry", "Nothing"),
        ("bump", "Whole"),
        ("wait", "Nothing"),
    ]
    for command, name in refused:
        code, _, err = ctl(daemon, command, name)
        assert code == 1
        assert err.startswith("audiobatchctl: cannot ")
        assert "/v1/" not in err
        assert "Errno" not in err


# Retry


def test_a_retry_says_what_becomes_of_each_folder(daemon: Service, root: Path) -> None:
    assert ctl(daemon, "retry", root / "Damaged")[:2] == (0, "1 folder will be tried again.\n")
    eventually(lambda: tries(daemon) == 2)
    complete = (
        "0 folders will be tried again.\nWhole is complete: nothing is to be measured, unless files have changed.\n"
    )
    assert ctl(daemon, "retry", root / "Whole")[:2] == (0, complete)
    both = "1 folder will be tried again.\nWhole is complete: nothing is to be measured, unless files have changed.\n"
    assert ctl(daemon, "retry", root / "Whole", root / "Damaged")[:2] == (0, both)
    eventually(lambda: tries(daemon) == 3)
    daemon.becomes(complete=1, failed=1)
    assert daemon.log().count("folder-done") == 1
    assert json.loads(ctl(daemon, "retry", "--all", "--json")[1]) == {"folders": 1}


def test_a_running_folder_is_not_tried_again(tmp_path: Path, root: Path) -> None:
    gate = tmp_path / "gate"
    shutil.rmtree(root / "Damaged")
    for name in ("Second", "Third"):
        shutil.copytree(root / "Whole", root / name)
    config = configuration(tmp_path / "c.toml", root, plugins=["gate"], settle=0.0, workers=1)
    with service(tmp_path / "d", config, env=install_gate(gate)) as daemon:
        daemon.becomes(running=1, queued=2)
        states = {
            name: json.loads(ctl(daemon, "explain", name, "--json")[1])["state"]
            for name in ("Whole", "Second", "Third")
        }
        (running,) = [name for name, state in states.items() if state == "running"]
        first, second = [name for name, state in states.items() if state == "queued"]
        still = f"{running} is being measured at this moment; earlier charges no longer count."
        said = f"0 folders will be tried again.\n{still}\n"
        assert ctl(daemon, "retry", running)[:2] == (0, said)
        code, _, err = ctl(daemon, "bump", running)
        assert (code, "does not wait for its turn: it is running" in err) == (1, True), err
        assert ctl(daemon, "bump", second)[:2] == (0, "It is next.\n")
        said = "It is put before all others.\n1 folder was put before all others earlier.\n"
        assert ctl(daemon, "bump", first)[:2] == (0, said)
        (gate / "go").touch()
        daemon.becomes(complete=3)
        done = [line.split("folder=")[1].split()[0] for line in daemon.log().splitlines() if "folder-done" in line]
        assert done == [running, second, first]


# Pause and resume


def test_a_pause_and_its_end_are_told_as_they_are(daemon: Service, root: Path) -> None:
    assert ctl(daemon, "resume")[:2] == (0, "No pause was set.\n")
    assert ctl(daemon, "pause")[:2] == (0, "1 dataset paused; what runs comes to its end.\n")
    eventually(lambda: standing(daemon) == "paused")
    assert ctl(daemon, "pause")[:2] == (0, "Paused already; what runs comes to its end.\n")
    code, said, _ = ctl(daemon, "retry", "--all")
    held = f"{root} is paused: paused by an operator; audiobatchctl resume {root} ends that.\n"
    assert (code, said) == (0, f"1 folder will be tried again.\n{held}")
    assert tries(daemon) == 1
    assert ctl(daemon, "pause", "--for", "1h")[:2] == (0, "1 dataset paused for 1 h; what runs comes to its end.\n")
    assert ctl(daemon, "resume")[:2] == (0, "1 dataset will be worked on again.\n")
    eventually(lambda: standing(daemon) == "active")
    eventually(lambda: tries(daemon) == 2)


def test_resume_of_an_emptied_dataset_names_what_helps(tmp_path: Path, daemon: Service, root: Path) -> None:
    away = tmp_path / "away"
    root.rename(away)
    root.mkdir()
    ctl(daemon, "rescan", root)
    eventually(lambda: standing(daemon) == "paused")
    cure = f"If it is right as it is: audiobatchctl rescan {root} --accept"
    code, said, _ = ctl(daemon, "resume", root)
    assert (code, said.startswith("No pause was set.\n"), cure in said) == (0, True, True), said
    ctl(daemon, "pause")
    code, said, _ = ctl(daemon, "resume")
    assert (code, said.startswith("The pause of 1 dataset is over.\n"), cure in said) == (0, True, True), said
    code, said, _ = ctl(daemon, "rescan", root)
    assert (code, cure in said) == (0, True), said
    assert standing(daemon) == "paused"
    assert ctl(daemon, "rescan", root, "--accept")[:2] == (0, "The walk begins.\n")
    eventually(lambda: standing(daemon) == "active")
    eventually(lambda: daemon.states() == {})


@pytest.mark.parametrize("is_empty", [True, False])
def test_folder_of_a_lost_root_is_explained_as_known(
    tmp_path: Path, daemon: Service, root: Path, is_empty: bool
) -> None:
    """It says neither that the folder is measured soon, nor that it is known where it never was."""
    root.rename(tmp_path / "away")
    if is_empty:
        root.mkdir()
    ctl(daemon, "rescan", root)
    eventually(lambda: standing(daemon) == ("paused" if is_empty else "missing"))
    hindrance = f"{root} is paused: empty, where 2 folders were known" if is_empty else f"{root} is missing"
    for name, state in (("Whole", "complete"), ("Damaged", "failed")):
        code, said, _ = ctl(daemon, "explain", root / name)
        assert (code, f"State:   {state}\n" in said) == (0, True), said
        assert f"Next:    nothing: it stays known as it is. {hindrance}" in said
    assert ctl(daemon, "explain", root / "Other")[0] == 1


def test_resume_of_a_missing_dataset_says_so(tmp_path: Path, daemon: Service, root: Path) -> None:
    root.rename(tmp_path / "away")
    ctl(daemon, "rescan", root)
    eventually(lambda: standing(daemon) == "missing")
    ctl(daemon, "pause")
    code, said, _ = ctl(daemon, "resume")
    assert (code, f"{root} is missing: " in said) == (0, True), said
    assert "will be worked on" not in said


def test_an_endless_number_pauses_for_as_long(daemon: Service) -> None:
    assert post(daemon, "pause", b'{"seconds": 1e308}') == 200
    eventually(lambda: standing(daemon) == "paused")
    assert post(daemon, "resume", b"{}") == 200
    eventually(lambda: standing(daemon) == "active")
    assert record_of(Path(daemon.status().datasets[0].path) / "Whole")  # type: ignore[union-attr]  # it has just answered
    assert "Traceback" not in daemon.log()


def test_the_socket_of_a_running_service_is_made_again(daemon: Service) -> None:
    daemon.socket.unlink()
    daemon.says("socket-made-again")
    assert daemon.states() == {"complete": 1, "failed": 1}
    assert daemon.log().count("socket-made-again") == 1

"""`audiobatchctl locks`: by the service where one works on the dataset, else here."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.control import main
from audiobatchd.control.requests import CleanLocks
from audiobatchd.control.status import Status
from audiobatchd.locks.trial import on_one_machine
from audiobatchd.locks.trial.on_one_machine import Finding
from support.control_rig import ToldService, serving
from support.lock_leftovers import OURS, make_track
from support.lock_rig import fails, held_elsewhere, lock_path


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three tracks: one with a dead holder's lock, one with an empty one, one without."""
    monkeypatch.setattr("audiobatchd.config.file.find_config", lambda _: None)
    root = tmp_path / "music"
    for name in ("Dead", "Free", "None"):
        make_track(root / name)
    lock_path(root / "Dead").write_bytes(OURS)
    lock_path(root / "Free").touch()
    os.utime(lock_path(root / "Free"), (1, 1))  # nor is a process just making it
    return root


def ctl(socket: Path, *arguments: object) -> int:
    return main(["--socket", str(socket), "locks", *map(str, arguments)])


def over(status: Status, root: Path, **overdue: str) -> Status:
    """A status of a service that works on this dataset."""
    (dataset,) = status.datasets
    return msgspec.structs.replace(
        status, datasets=[msgspec.structs.replace(dataset, path=str(root), overdue=dict(overdue))]
    )


def test_each_lock_is_listed_with_its_state(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with held_elsewhere(dataset / "None"):
        assert ctl(dataset / "no socket", "list", dataset, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["dataset"] == str(dataset)
    states = {each["lock"]: each["state"] for each in told["locks"]}
    assert states == {"Dead.lock": "dead", "Free.lock": "free", "None.lock": "active"}
    assert ctl(dataset / "no socket", "list", dataset) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "Found 3 lock files:"
    assert [line.split(" (")[0] for line in lines] == ["  [DEAD] Dead.lock", "  [FREE] Free.lock", "  [DEAD] None.lock"]


def test_holder_that_cannot_be_read_is_told(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails(monkeypatch, os, "pread", errno.EACCES)
    assert ctl(dataset / "no socket", "list", dataset) == 0
    assert "[ACTIVE] Dead.lock (age: " in (out := capsys.readouterr().out)
    assert "a process that the file server does not tell of)" in out
    assert ctl(dataset / "no socket", "list", dataset, "--json") == 0
    assert json.loads(capsys.readouterr().out)["locks"][0]["holder"] == {"unreadable": True}


def test_service_knows_which_lock_is_overdue(
    dataset: Path, tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]
) -> None:
    told = over(idle, dataset, **{"None.lock": "PID 7", "Dead.lock": "PID 8"})
    with serving(tmp_path / "c.sock", lambda: told), held_elsewhere(dataset / "None"):
        assert ctl(tmp_path / "c.sock", "list", dataset) == 0
    out = capsys.readouterr().out
    assert "[OVERDUE] None.lock" in out
    assert "[DEAD] Dead.lock" in out, "what is not held is not overdue"


def test_clean_up_is_done_here_where_no_service_is(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(dataset / "no socket", "cleanup", dataset, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "Would remove dead lock: Dead.lock" in out
    assert out.endswith("Would remove 2 dead lock files\n")
    assert lock_path(dataset / "Dead").exists()
    assert ctl(dataset / "no socket", "cleanup", dataset) == 0
    assert capsys.readouterr().out.endswith("Removed 2 dead lock files\n")
    assert not list(dataset.glob("*.lock"))


def test_clean_up_is_asked_of_the_service_that_works_there(
    dataset: Path, tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ToldService(lambda: over(idle, dataset))
    with serving(tmp_path / "c.sock", told.status, told):
        assert ctl(tmp_path / "c.sock", "cleanup", dataset, "--timeout", "60", "--free", "--json") == 0
    assert told.asked == [CleanLocks(str(dataset), 60.0, dry_run=False, free=True)]
    assert json.loads(capsys.readouterr().out)["removed"][0]["lock"] == "Song.lock"
    assert lock_path(dataset / "Dead").exists(), "the service of this test only says so"


def test_service_of_other_datasets_is_not_asked(dataset: Path, tmp_path: Path, idle: Status) -> None:
    told = ToldService(lambda: idle)
    with serving(tmp_path / "c.sock", told.status, told):
        assert ctl(tmp_path / "c.sock", "cleanup", dataset) == 0
    assert told.asked == []
    assert not lock_path(dataset / "Dead").exists()


def test_finding_that_is_bad_is_no_success(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [Finding("flock", True, "holds"), Finding("two machines", None, "not tried")]
    monkeypatch.setattr(on_one_machine, "try_locks", lambda *_, **__: findings)
    assert ctl(dataset / "no socket", "test", dataset) == 0
    assert capsys.readouterr().out.splitlines() == ["  [ ok] flock: holds", "  [ --] two machines: not tried"]
    findings.append(Finding("fcntl", False, "is lost"))
    assert ctl(dataset / "no socket", "test", dataset, "--json") == 1
    assert [each["ok"] for each in json.loads(capsys.readouterr().out)["findings"]] == [True, None, False]

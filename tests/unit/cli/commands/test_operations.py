"""`audiobatchctl wait`, `workers`, `pause`, `resume` and `drain`, over a daemon that tells what it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.commands import operations
from audiobatchd.cli.commands.operations import Deadline, is_idle, workers_table
from audiobatchd.cli.control import main
from audiobatchd.control.requests import FolderName, Pause, Resume
from audiobatchd.control.status import FolderReport, Status
from audiobatchd.errors import UnknownFolderError
from audiobatchd.vocabulary.states import DatasetState, FolderState
from support.control_rig import ToldService, report, serving


class Service(ToldService):
    """One whose folders go through these states, a step each time that somebody looks."""

    def __init__(self, *statuses: Status, states: dict[str, list[FolderState | None]] | None = None) -> None:
        super().__init__(self._next)
        self.statuses = list(statuses)
        self.states = states or {}

    def _next(self) -> Status:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    async def explain(self, name: FolderName) -> FolderReport:
        states = self.states[name.folder]
        state = states.pop(0) if len(states) > 1 else states[0]
        if state is None:
            raise UnknownFolderError("there is no such track folder")
        return msgspec.structs.replace(report(name), state=state, reason="cut off")


Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command against a service; a second of waiting takes none."""
    clock = [0.0]
    make = operations.Deadline

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(operations, "Deadline", lambda seconds: make(seconds, lambda: clock[0], sleep))

    def ctl(service: Service, *arguments: str) -> int:
        path = tmp_path / "c.sock"
        with serving(path, service.status, service):
            return main([*arguments, "--socket", str(path)])

    return ctl


def counts(status: Status, **folders: int) -> Status:
    """The same with so many folders in each state."""
    dataset = msgspec.structs.replace(
        status.datasets[0],
        folders=dict.fromkeys(FolderState, 0) | {FolderState(name): n for name, n in folders.items()},
    )
    return msgspec.structs.replace(status, datasets=[dataset])


def standing(status: Status, state: DatasetState) -> Status:
    return msgspec.structs.replace(
        status, datasets=[msgspec.structs.replace(each, state=state, remark="why") for each in status.datasets]
    )


# Waiting


@pytest.mark.parametrize(
    ("change", "idle_then"),
    [
        ({"complete": 3}, True),
        ({"complete": 3, "locked": 1, "failed": 1}, True),
        ({"settling": 1}, False),
        ({"queued": 1}, False),
        ({"running": 1}, False),
        ({"backoff": 1}, False),
    ],
)
def test_when_nothing_is_left_to_do(idle: Status, change: dict[str, int], idle_then: bool) -> None:
    assert is_idle(counts(idle, **change)) is idle_then


def test_a_walk_and_a_start_are_work(idle: Status) -> None:
    assert not is_idle(standing(idle, DatasetState.WALKING))
    assert not is_idle(msgspec.structs.replace(idle, state="starting"))


@pytest.mark.parametrize(
    ("last", "code"), [({"complete": 3}, 0), ({"complete": 2, "failed": 1}, 1), ({"blocked": 1}, 1)]
)
def test_the_end_is_waited_for(
    run: Run, idle: Status, capsys: pytest.CaptureFixture[str], last: dict[str, int], code: int
) -> None:
    # Idle for a moment is not idle: the third one has work again.
    seen = [counts(idle, queued=1), counts(idle, complete=3), counts(idle, running=1), counts(idle, **last)]
    assert run(Service(*seen), "wait") == code
    assert "complete" in capsys.readouterr().out or code


def test_the_time_is_over(run: Run, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    still = standing(counts(idle, queued=4), DatasetState.PAUSED)
    assert run(Service(still), "wait", "--timeout", "90 s") == 1
    out = capsys.readouterr().out
    assert out.count("! /srv/music is paused: why") == 1
    assert out.endswith("4 queued\nStill at work after 1 min 30 s.\n")
    assert run(Service(still), "wait", "--timeout", "5", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ended"] is False
    assert told["folders"]["queued"] == 4


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([FolderState.SETTLING, FolderState.RUNNING, FolderState.COMPLETE], 0),
        ([FolderState.LOCKED, FolderState.FAILED], 1),
        ([FolderState.BLOCKED], 1),
        ([FolderState.BACKOFF], 1),
    ],
)
def test_named_folders(
    run: Run, idle: Status, capsys: pytest.CaptureFixture[str], states: list[FolderState], code: int
) -> None:
    service = Service(idle, states={"A": list(states), "B": [FolderState.COMPLETE]})
    assert run(service, "wait", "A", "B", "--timeout", "1 min", "--json") == code
    told = json.loads(capsys.readouterr().out)
    assert told["ended"] == (states[-1] is not FolderState.BACKOFF)
    assert [(each["folder"], each["state"]) for each in told["folders"]] == [("A", states[-1].value), ("B", "complete")]
    service = Service(idle, states={"A": list(states)})
    assert run(service, "wait", "A", "--timeout", "1 min") == code
    assert f"A  {states[-1].value}" in capsys.readouterr().out


def test_a_folder_that_is_only_just_coming(tmp_path: Path, run: Run, idle: Status) -> None:
    (tmp_path / "music" / "A").mkdir(parents=True)
    root = str(tmp_path / "music")
    here = msgspec.structs.replace(idle, datasets=[msgspec.structs.replace(idle.datasets[0], path=root)])
    coming: list[FolderState | None] = [None, None, FolderState.COMPLETE]
    assert run(Service(here, states={"A": coming}), "wait", f"{root}/A") == 0
    assert run(Service(here, states={"A": [None]}), "wait", f"{root}/A") == 1
    assert run(Service(here, states={"B": [None]}), "wait", f"{root}/B") == 1
    assert run(Service(here), "wait", "/nowhere/A") == 2


# Workers


def test_workers_as_a_table(run: Run, busy: Status, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Service(busy), "workers") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == workers_table(busy.workers)
    assert len(lines) == 1 + len(busy.workers)
    assert lines[0].split() == ["SLOT", "STATE", "PID", "MEMORY", "JOBS", "FOR", "DOING"]
    assert lines[2].split()[:6] == ["1", "busy", "101", "400", "MiB", "3"]
    assert all(line.isprintable() for line in lines)
    assert run(Service(busy), "workers", "--json") == 0
    assert msgspec.json.decode(capsys.readouterr().out, type=list[object])


# Pausing


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["pause"], Pause()),
        (["pause", "--for", "2h"], Pause("", 7200.0)),
        (["pause", "/srv/music", "--for", "1.5 min"], Pause("/srv/music", 90.0)),
        (["resume"], Resume()),
        (["resume", "/srv/music", "--json"], Resume("/srv/music")),
        (["resume", "--now"], Resume(override=True)),
        (["resume", "--now", "--for", "2h", "/srv/music"], Resume("/srv/music", override=True, seconds=7200.0)),
        (["pause", "--json"], Pause()),
    ],
)
def test_what_is_asked_for(run: Run, idle: Status, arguments: list[str], asked: object) -> None:
    service = Service(idle)
    assert run(service, *arguments) == 0
    assert service.asked == [asked]


def test_length_of_no_override_is_refused(run: Run, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Service(idle), "resume", "--for", "2h") == 2
    assert "--for goes with --now" in capsys.readouterr().err


def test_a_dataset_that_is_none(run: Run, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    service = Service(idle)
    assert run(service, "pause", "/srv/nowhere") == 2
    assert service.asked == []
    assert "no dataset of the daemon's: /srv/nowhere" in capsys.readouterr().err


def test_a_drain_waits_for_what_runs_and_for_the_pause(
    run: Run, busy: Status, idle: Status, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service(standing(busy, DatasetState.PAUSED), idle, standing(idle, DatasetState.PAUSED))
    assert run(service, "drain") == 0
    assert service.asked == [Pause()]
    assert len(service.statuses) == 1
    assert capsys.readouterr().out.endswith("Nothing runs.\nIt goes on with: audiobatchctl resume\n")


def test_a_drain_that_takes_too_long(run: Run, busy: Status, capsys: pytest.CaptureFixture[str]) -> None:
    service = Service(standing(busy, DatasetState.PAUSED))
    assert run(service, "drain", "--timeout", "3s") == 1
    assert "still running: " in capsys.readouterr().out
    assert run(service, "drain", "--timeout", "3s", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert len(told["running"]) == 8


def test_without_a_daemon(tmp_path: Path) -> None:
    for command in ("wait", "workers", "pause", "resume", "drain", "follow", "top"):
        assert main([command, "--socket", str(tmp_path / "none.sock")]) == 3


def test_patience_waits_no_longer_than_it_may() -> None:
    slept: list[float] = []
    deadline = Deadline(2.5, lambda: sum(slept), slept.append)
    while deadline.go_on():
        pass
    assert slept == [1.0, 1.0, 0.5]

"""The kernel's count of what it killed for want of memory: each kill explains one end of a process, for a while."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from audiobatchd.locks import oom


def count(path: Path, number: int) -> None:
    """Write what the kernel has in memory.events by now."""
    path.write_text(f"low 0\nhigh 3\nmax 70\noom 9\noom_kill {number}\noom_group_kill 5\n")


@pytest.fixture
def events(tmp_path: Path) -> Path:
    count(tmp_path / "memory.events", 4)
    return tmp_path / "memory.events"


def test_kills_before_the_start_explain_nothing(events: Path) -> None:
    assert not oom.Kills(events).explains_one()


def test_each_kill_explains_one_end(events: Path) -> None:
    kills = oom.Kills(events)
    count(events, 6)
    assert [kills.explains_one() for _ in range(3)] == [True, True, False]
    count(events, 7)
    assert [kills.explains_one() for _ in range(2)] == [True, False]


def test_kill_that_was_seen_before_the_end_explains_it(events: Path) -> None:
    kills = oom.Kills(events)
    count(events, 5)
    kills.notice()
    assert kills.explains_one()


def test_kill_of_another_process_is_forgotten(events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kills = oom.Kills(events)
    count(events, 5)
    kills.notice()
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert not kills.explains_one()


def test_count_that_cannot_be_read_explains_nothing(events: Path) -> None:
    kills = oom.Kills(events)
    events.unlink()
    assert not kills.explains_one()
    count(events, 4)
    assert not kills.explains_one()


def test_machine_tells_its_kills_and_a_limit() -> None:
    assert oom.on_this_machine() >= 0
    assert 0 < oom.limit() < 1 << 50

"""A job's signs of life: what the service hears of them, and what the folder's lock announces."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from audiobatchd.core.assessment import Policy
from audiobatchd.core.messages import Job
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.worker.process import signs
from audiobatchd.worker.process.signs import Signs


class Rig:
    """Signs of a job that may be silent for 16 s, and half the length of its audio more; they are 2 s apart."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.told: list[tuple[str, float | None]] = []
        self.announced: list[float] = []
        monkeypatch.setattr(signs, "time", SimpleNamespace(monotonic=lambda: self.now))
        job = Job(1, b"/music", b"Track", "", Policy(), {}, 16.0, factor=0.5)
        lock = cast("FolderLock", SimpleNamespace(announce=self.announced.append))
        self.signs = Signs(job, lock, lambda doing, seconds: self.told.append((doing, seconds)))


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def test_longer_budget_is_announced_at_once_and_taken_back(rig: Rig) -> None:
    rig.signs.stage("decoding song.wav", 8.0)
    rig.signs.stage("reading other.wav", 0.0)
    assert rig.announced == [20.0, 16.0]
    assert rig.told == [("decoding song.wav", 8.0), ("reading other.wav", 0.0)]


def test_same_budget_is_announced_again_only_after_a_pace(rig: Rig) -> None:
    rig.signs.stage("reading song.wav", 0.0)
    rig.now += 2.0
    rig.signs.stage("reading other.wav", 0.0)
    rig.signs.stage("writing the record", 0.0)
    assert (rig.announced, len(rig.told)) == ([16.0], 3)


def test_stage_without_audio_announces_nothing(rig: Rig) -> None:
    rig.now += 60.0
    rig.signs.stage("probe of song.wav", None)
    assert (rig.announced, rig.told) == ([], [("probe of song.wav", None)])


def test_progress_repeats_the_stage_once_a_pace_has_passed(rig: Rig) -> None:
    rig.signs.stage("reading song.wav", 0.0)
    rig.now += 1.9
    rig.signs.progress()
    assert len(rig.told) == 1
    rig.now += 0.1
    rig.signs.progress()
    rig.signs.progress()
    assert rig.told[1:] == [("reading song.wav", 0.0)]

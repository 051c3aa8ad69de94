"""Sums of a folder while they grow: what they hold at a time, and who is left out where that does not fit."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from audiobatchd.plugin_api import View
from audiobatchd.vocabulary.files import Fingerprint
from audiobatchd.worker.process import sums
from audiobatchd.worker.process.readers import SPARE
from audiobatchd.worker.process.sums import FolderSum
from support.phase_rig import RATE, Chord, PhaseRoom

MIB = 1 << 20
FULL = View(44100, mono=True)
SECONDS = 10
VIEW = SECONDS * FULL.rate * 4 if FULL.rate else 0
BLOCK = np.full((RATE, 1), 0.25, np.float32)


class Hungry(Chord):
    """A reader of a sum that takes memory beside it, or cannot say how much."""

    memory: int | None = 0

    def working_memory(self, _stream: object, _seconds: float) -> int:
        if self.memory is None:
            raise ZeroDivisionError
        return self.memory


def hungry(name: str, memory: int | None, *views: View) -> Hungry:
    made = Hungry(name=name, wanted=views or (View(RATE, mono=True),))
    made.memory = memory
    return made


def fed(whole: FolderSum, *lengths: float, promised: float | None = None) -> FolderSum:
    """A sum of files of so many seconds."""
    for number, seconds in enumerate(lengths):
        whole.begin(RATE, ("FC",), promised)
        for _ in range(round(seconds)):
            whole.feed(BLOCK)
        whole.end(whole.members[number], Fingerprint(f"{whole.members[number]}.wav", 1, 1, "d"))
    return whole


@pytest.fixture(autouse=True)
def _resident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "resident", lambda: 100 * MIB)


def test_memory_does_not_grow_with_the_number_of_stems(tmp_path: Path) -> None:
    peaks = []
    for number, stems in enumerate([("drums", "bass"), ("drums", "bass", "other", "vocals")]):
        room = PhaseRoom(tmp_path / str(number), [Chord(sum_of=stems, wanted=(FULL,))])
        for role in ("full_mix", *stems):
            room.fill(role, seconds=SECONDS, rate=22050)
        room.part("chord").seen.append(("", BLOCK))
        room.run()  # loads what is loaded at first use
        (room.song / "Song.INFO").unlink()
        tracemalloc.start()
        room.run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert abs(peaks[1] - peaks[0]) < VIEW / 4
    assert peaks[0] > VIEW


def test_largest_is_left_out_until_the_others_fit() -> None:
    small, large = hungry("small", MIB), hungry("large", 500 * MIB)
    whole = fed(FolderSum(("bass", "other"), [(small, "full_mix"), (large, "full_mix")], 200 * MIB), 2, 3)
    assert whole.needs.keys() == {("large", "full_mix")}
    assert whole.needs["large", "full_mix"] > 600 * MIB
    audio = whole.audio("full_mix", is_last=True)
    audio.turn(small.wanted, ())
    assert audio.view(small.wanted[0])[:: 2 * RATE].tolist() == [0.5, 0.25]


def test_nothing_is_held_where_all_are_left_out() -> None:
    whole = fed(FolderSum(("bass",), [(hungry("large", 500 * MIB), "full_mix")], 200 * MIB), 2)
    assert (whole.is_whole, whole.growth(1e6)) == (True, 0)


def test_spoilt_sum_is_freed() -> None:
    whole = FolderSum(("bass", "other"), [(hungry("one", 0), "full_mix")], None)
    fed(whole, 2)
    assert whole.growth(1e6) > 0
    whole.spoil()
    assert (whole.is_whole, whole.growth(1e6)) == (False, 0)


def test_file_without_a_promise_is_reckoned_as_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_STEP", 1.0)
    limit = int(100 * MIB * SPARE) + 4 * RATE * 4
    whole = FolderSum(("bass",), [(hungry("one", 0), "full_mix")], limit)
    fed(whole, 2)
    assert whole.needs == {}
    fed(whole, 9)
    assert whole.needs.keys() == {("one", "full_mix")}


def test_who_cannot_say_is_at_fault_alone() -> None:
    whole = fed(FolderSum(("bass",), [(hungry("mute", None), "full_mix"), (hungry("one", 0), "bass")], 200 * MIB), 1)
    assert whole.faults == {("mute", "full_mix"): "analyzer mute failed: ZeroDivisionError: "}
    assert whole.audio("bass", is_last=True).duration == 1.0


def test_sum_serves_several_roles_and_is_gone_behind_the_last() -> None:
    one, other = hungry("one", 0), hungry("other", 0)
    whole = fed(FolderSum(("bass",), [(one, "full_mix"), (other, "bass")], None), 1)
    for role, is_last in (("full_mix", False), ("bass", True)):
        audio = whole.audio(role, is_last=is_last)
        audio.turn(one.wanted, ())
        assert (audio.role, len(audio.view(one.wanted[0]))) == (role, RATE)
    assert whole.growth(1e6) == 0

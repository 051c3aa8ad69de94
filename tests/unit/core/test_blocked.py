"""When blocked folders are looked at: each now and then, all together in bounded number."""

from __future__ import annotations

import pytest

from audiobatchd.core.blocked import EVERY, PORTION, Blocked
from audiobatchd.core.events import PauseAsked, WalkRead
from audiobatchd.core.readings import Finding
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import FolderState, Outcome
from support.core_rig import DATASET, Rig, jobs, key, reading, reads, reports


def blocked(count: int, now: float = 0.0) -> Blocked:
    """So many blocked folders that have just come."""
    made = Blocked()
    for number in range(count):
        made.add(key(f"{number:06}"))
    assert made.due(now) == []
    return made


def looks(made: Blocked, start: float, end: float) -> list[tuple[float, FolderKey]]:
    """All looks in this time, asked for whenever one is announced."""
    found = []
    now = start
    while (then := made.next_look()) is not None and then <= end:
        now = max(now, then)
        found += [(now, each) for each in made.due(now)]
    return found


def test_few_are_looked_at_every_10_s() -> None:
    made = blocked(3)
    found = looks(made, 0.0, 60.0)
    assert [moment for moment, each in found if each == key("000001")] == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    assert len(found) == 18


def test_100000_take_no_more_than_the_portion_a_second() -> None:
    made = blocked(100_000)
    found = looks(made, 0.0, EVERY + 99.5)
    assert len(found) == 100 * PORTION
    assert len({each for _, each in found}) == len(found), "nothing twice before all had their turn"


def test_portion_grows_while_most_turn_out_to_be_free() -> None:
    made = blocked(3000)
    sizes = []
    for turn in range(8):
        found = made.due(EVERY + turn)
        sizes.append(len(found))
        for each in found:
            made.discard(each)
    assert sizes == [20, 40, 80, 160, 320, 640, 1280, 460]


def test_portion_falls_back_when_few_are_free() -> None:
    made = blocked(3000)
    for each in made.due(EVERY):
        made.discard(each)
    found = made.due(EVERY + 1)
    assert len(found) == 2 * PORTION
    made.discard(found[0])
    assert len(made.due(EVERY + 2)) == PORTION


def test_folder_that_is_free_is_forgotten() -> None:
    made = blocked(2)
    for each in ("000000", "000001", "000001"):
        made.discard(key(each))
    assert (len(made), made.next_look(), made.due(1000.0), made.inside(key(""))) == (0, None, [], set())


def test_folders_are_known_by_the_directory_that_they_are_in() -> None:
    made = Blocked()
    for path in ("P/X", "P/Y", "Q/Z", ""):
        made.add(key(path))
    assert made.inside(key("P")) == {key("P/X"), key("P/Y")}
    assert made.inside(key("")) == {key("")}


def test_blocked_folder_is_queued_when_a_look_sees_other_access() -> None:
    rig = Rig()
    rig.start(reading(access="shut"))
    rig.tick(5.0)
    rig.read(reading(access="shut"))
    rig.end(outcome=Outcome.BLOCKED, reasons={"": "read-only"}, access="shut")
    assert reads(rig.tick(9.0)) == []
    assert reads(rig.tick(1.0)) == [key()]
    assert jobs(rig.read(reading(access="shut"))) == [], "what blocks it is as it was"
    assert reads(rig.tick(10.0)) == [key()]
    assert len(jobs(rig.read(reading(access="open")))) == 1


def test_dataset_that_does_not_work_has_no_timed_looks() -> None:
    rig = Rig()
    rig.start(reading(finding=Finding.BLOCKED, reasons={"": "a directory"}))
    rig.tell(PauseAsked(DATASET))
    assert reads(rig.tick(10.0)) == []


# A record that is being written


@pytest.mark.parametrize("walk", [False, True])
def test_unclear_record_settles_before_it_blocks(walk: bool) -> None:
    rig = Rig()
    unclear = reading(finding=Finding.BLOCKED, reasons={"": "not JSON"})
    rig.start(reading(finding=Finding.COMPLETE))
    told: list[str] = []

    def seen(stamp: str) -> None:
        each = type(unclear)(
            **{**{name: getattr(unclear, name) for name in unclear.__struct_fields__}, "unclear": stamp}
        )
        told.extend(reports(rig.tell(WalkRead((each,), each.key.dataset)) if walk else rig.read(each)))
        if walk:
            told.extend(reports(rig.read(each)))

    for size in range(6):
        seen(f"1 {size} 7")
        assert rig.core.ledger.active[key()].state is FolderState.SETTLING
        assert rig.core.next_wakeup() is not None
        rig.tick(0.5)
    assert told == []
    assert reads(rig.tick(4.5)) == [key()]
    seen("1 5 7")
    assert (rig.core.ledger.active[key()].state, told) == (FolderState.BLOCKED, ["folder-blocked"])
    seen("1 5 7")
    assert told == ["folder-blocked"]


def test_job_that_meets_an_unclear_record_blocks_nothing_yet() -> None:
    rig = Rig()
    rig.start(reading())
    rig.tick(5.0)
    rig.read(reading())
    actions = rig.end(outcome=Outcome.BLOCKED, reasons={"": "not JSON"}, unclear=True)
    assert (reports(actions), reads(actions)) == (["folder-changed"], [key()])
    assert rig.core.ledger.active[key()].state is FolderState.SETTLING

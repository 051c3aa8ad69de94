"""The looks at folders that are to come."""

from __future__ import annotations

from audiobatchd.core.agenda import Agenda
from support.core_rig import DATASET, key

SONG = key()
OTHER = "/other"


def reading(*keys: str) -> Agenda:
    """An agenda whose looks at these folders are under way since 0 s."""
    agenda = Agenda()
    for path in keys:
        agenda.add(key(path), 0.0)
    assert agenda.take(0.0) == [key(path) for path in keys]
    return agenda


def test_looks_come_in_the_order_of_their_moments() -> None:
    agenda = Agenda()
    for path, when in (("B", 2.0), ("C", 3.0), ("A", 1.0)):
        agenda.add(key(path), when)
    assert agenda.next_look() == 1.0
    assert agenda.take(0.5) == []
    assert agenda.take(2.0) == [key("A"), key("B")]
    assert agenda.next_look() == 3.0


def test_look_during_a_reading_waits_for_its_end() -> None:
    agenda = reading("Song")
    for _ in range(3):
        agenda.add(SONG, 1.0)
    assert agenda.take(1.0) == []
    assert agenda.was_read(SONG, 2.0)
    assert agenda.take(2.0) == [SONG], "once, however often it was asked for"
    assert agenda.was_read(SONG, 3.0)
    assert agenda.next_look() is None


def test_job_that_ends_during_a_reading_makes_it_outdated() -> None:
    agenda = reading("Song")
    agenda.job_ended(SONG)
    assert agenda.is_outdated(SONG)
    assert not agenda.was_read(SONG, 1.0)
    assert not agenda.is_outdated(SONG)
    assert agenda.take(1.0) == [SONG]
    assert agenda.was_read(SONG, 2.0)


def test_job_that_ends_without_a_reading_changes_nothing() -> None:
    agenda = Agenda()
    agenda.job_ended(SONG)
    assert not agenda.is_outdated(SONG)
    assert agenda.was_read(SONG, 1.0)
    assert agenda.next_look() is None


def test_look_in_a_silent_dataset_is_put_off_until_it_answers() -> None:
    agenda = Agenda()
    for dataset in (DATASET, OTHER):
        agenda.add(key("Song", dataset), 0.0)
    assert agenda.take(0.0, without={DATASET}) == [key("Song", OTHER)]
    assert (agenda.put_off(), agenda.being_read()) == ([DATASET], {OTHER})
    assert agenda.next_look() is None
    agenda.go_on(DATASET, 5.0)
    assert agenda.put_off() == []
    assert agenda.take(5.0) == [SONG]


def test_folder_of_a_lost_worker_is_not_looked_at() -> None:
    agenda = Agenda()
    agenda.add(SONG, 0.0)
    agenda.lost[SONG] = 7
    agenda.add(SONG, 0.0)
    assert agenda.take(1.0) == []
    del agenda.lost[SONG]
    agenda.add(SONG, 2.0)
    assert agenda.take(2.0) == [SONG]


def test_dropped_dataset_is_looked_at_no_more() -> None:
    agenda = reading("Song")
    agenda.add(SONG, 0.0)
    assert agenda.take(0.0) == []
    for path in ("A", "B"):
        agenda.add(key(path), 1.0)
    agenda.add(key("A", OTHER), 2.0)
    assert agenda.take(1.0, without={DATASET}) == []
    agenda.add(key("B"), 1.0)
    agenda.drop(DATASET)
    assert (agenda.put_off(), agenda.next_look(), agenda.reading) == ([], 2.0, {SONG})
    agenda.forget_reading(SONG)
    assert agenda.reading == set()
    assert agenda.take(9.0) == [key("A", OTHER)]

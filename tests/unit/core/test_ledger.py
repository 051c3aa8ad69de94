"""The books of states, counts and places in the queue."""

from __future__ import annotations

from collections import Counter

import pytest

from audiobatchd.core.ledger import Ledger
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import FolderState
from support.core_rig import DATASET, key

SONG = key()


def queued(*paths: str, walk: bool = True) -> Ledger:
    """The books with these folders in the queue."""
    ledger = Ledger()
    for path in paths:
        ledger.enter(key(path), ledger.entry(key(path), walk=walk), FolderState.QUEUED)
    return ledger


def taken(ledger: Ledger, *, suspect: bool = False) -> FolderKey | None:
    found = ledger.take(suspect=suspect)
    return None if found is None else found[0]


def test_known_are_the_folders_of_one_dataset() -> None:
    ledger = queued("1")
    ledger.completed(key("2"), 0)
    ledger.completed(key("1", "/b"), 3)
    assert ledger.known(DATASET) == {key("1"), key("2")}
    ledger.leave(key("2"))
    assert ledger.known(DATASET) == {key("1")}
    assert (+ledger.counts[DATASET], +ledger.counts["/b"]) == (
        Counter({FolderState.QUEUED: 1}),
        Counter({FolderState.COMPLETE: 1}),
    )


@pytest.mark.parametrize("state", [each for each in FolderState if each is not FolderState.COMPLETE])
def test_folder_is_in_one_state_at_a_time(state: FolderState) -> None:
    ledger = queued("Song")
    ledger.enter(SONG, ledger.active[SONG], state)
    assert ledger.state_of(SONG) is state
    assert +ledger.counts[DATASET] == Counter({state: 1})
    assert (SONG in ledger.troubled) == (state in (FolderState.FAILED, FolderState.BLOCKED))
    assert len(ledger.blocked) == (state is FolderState.BLOCKED)
    ledger.completed(SONG, 1)
    assert (ledger.state_of(SONG), ledger.count(DATASET)) == (FolderState.COMPLETE, 1)
    assert not ledger.troubled
    assert len(ledger.blocked) == 0
    ledger.leave(SONG)
    assert (ledger.state_of(SONG), ledger.count(DATASET)) == (None, 0)


def test_complete_folder_that_is_seen_again_counts_once() -> None:
    ledger = Ledger()
    for unavailable in (2, 1):
        ledger.add_complete(SONG, unavailable)
    assert (ledger.count(DATASET), ledger.complete.unavailable) == (1, {DATASET: 1})


def test_folder_has_one_place_in_the_queue() -> None:
    ledger = queued("Song", "Other")
    folder = ledger.active[SONG]
    ledger.enter(SONG, folder, FolderState.SETTLING)
    ledger.enter(SONG, folder, FolderState.QUEUED)
    assert [taken(ledger) for _ in range(3)] == [SONG, key("Other"), None]


def test_folder_that_comes_back_has_its_place_again() -> None:
    ledger = queued("Song", "Other")
    ledger.leave(SONG)
    ledger.enter(SONG, ledger.entry(SONG, walk=True), FolderState.QUEUED)
    assert [taken(ledger) for _ in range(3)] == [SONG, key("Other"), None]


def test_folder_that_goes_alone_is_no_ordinary_one() -> None:
    ledger = queued("Song", "Other")
    ledger.active[SONG].is_suspect = True
    ledger.take_place(SONG, ledger.active[SONG])
    assert [taken(ledger), taken(ledger)] == [key("Other"), None]
    assert taken(ledger, suspect=True) == SONG


def test_bumped_folders_are_counted_and_come_first() -> None:
    ledger = queued("Song", "Other")
    ledger.active[key("Other")].is_bumped = True
    ledger.take_place(key("Other"), ledger.active[key("Other")])
    assert ledger.bumped() == 1
    assert taken(ledger) == key("Other")
    assert ledger.bumped() == 0


def test_first_in_line_is_the_one_that_is_taken_next() -> None:
    ledger = queued("Song", "Other")
    ledger.active[SONG].settling.since = 7.0
    assert ledger.first_in_line(DATASET) == 7.0
    ledger.enter(SONG, ledger.active[SONG], FolderState.SETTLING)
    ledger.active[key("Other")].settling.since = 9.0
    assert ledger.first_in_line(DATASET) == 9.0
    assert ledger.first_in_line("/other") is None


def test_folders_that_no_walk_came_by_are_told() -> None:
    ledger = queued("1", "2")
    for path in "34":
        ledger.completed(key(path), 0)
    ledger.begin_round(DATASET)
    ledger.active[key("1")].round = ledger.round(DATASET)
    ledger.add_complete(key("3"), 0)
    assert sorted(ledger.not_seen(DATASET)) == [key("2"), key("4")]


def test_dropped_dataset_keeps_what_runs_and_no_place() -> None:
    ledger = queued("Running", "Waiting")
    assert taken(ledger) == key("Running")
    ledger.completed(key("Done"), 5)
    ledger.drop(DATASET)
    assert taken(ledger) is None
    assert ledger.known(DATASET) == {key("Running"), key("Waiting")}
    assert ledger.complete.unavailable == {}
    for path in ("Running", "Waiting"):
        ledger.leave(key(path))
    assert (ledger.count(DATASET), ledger.to_do()) == (0, False)
    ledger.enter(key("Waiting"), ledger.entry(key("Waiting"), walk=True), FolderState.QUEUED)
    assert taken(ledger) == key("Waiting")

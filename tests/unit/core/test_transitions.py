"""Every state of a folder, and every way from one to another."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from audiobatchd.core import actions as do
from audiobatchd.core.backoff import Backoff
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.folder import Folder
from audiobatchd.core.messages import Result
from audiobatchd.core.plan import Limits
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.transitions import Transitions
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import FolderState, Outcome
from support.core_rig import DATASET, key, reading, stamp

SETTLE = 5.0
SONG = key()
BACKOFF_JITTER = 1.25


class Book:
    """The books with a clock in one's hand."""

    def __init__(self, *, once: bool = False, settle: float = SETTLE, max_deaths: int = 3) -> None:
        limits = Limits({DATASET: settle}, max_deaths=max_deaths, backoff=Backoff(5.0, 300.0), once=once)
        self.ways = Transitions(limits)
        self.ledger = self.ways.ledger
        self.now = 100.0

    def looks(self, after: float = 0.0) -> list[FolderKey]:
        self.now += after
        return self.ways.agenda.take(self.now)

    def heard(self, each: Reading, *, walk: bool = False) -> Folder | None:
        return self.ways.heard(each, self.now, walk=walk)

    def queued(self, signature: str = "v1", *, walk: bool = False, access: str = "") -> None:
        """Bring the folder to rest and into the queue."""
        self.heard(reading(signature=signature, access=access), walk=walk)
        self.now += self.ways.limits.settle[DATASET]
        self.looks()
        self.heard(reading(signature=signature, access=access))
        assert self.state() is FolderState.QUEUED

    def running(self, signature: str = "v1", access: str = "") -> Folder:
        self.queued(signature, access=access)
        taken = self.ledger.take()
        assert taken is not None
        return taken[1]

    def finished(self, outcome: Outcome, *, charge: bool = False, access: str = "", unavailable: int = 0) -> Folder:
        result = Result(1, outcome, reasons={"": "why"}, charge=charge, access=access, unavailable=unavailable)
        return self.ways.finished(SONG, result, self.now)

    def next_look(self) -> float | None:
        when = self.ways.agenda.next_look()
        return None if when is None else when - self.now

    def state(self, folder: FolderKey = SONG) -> FolderState | None:
        """The folder's state; the counts have to agree with it."""
        state = FolderState.COMPLETE if folder in self.ledger.complete else None
        if folder in self.ledger.active:
            state = self.ledger.active[folder].state
        states = Counter(each.state for each in self.ledger.active.values())
        states[FolderState.COMPLETE] += len(self.ledger.complete)
        assert +self.ledger.counts[DATASET] == +states
        bad = {
            key for key, each in self.ledger.active.items() if each.state in (FolderState.FAILED, FolderState.BLOCKED)
        }
        assert set(self.ledger.troubled) == bad
        return state


# From a hint to the queue


def test_from_a_hint_to_complete() -> None:
    book = Book()
    book.ways.hint(SONG, book.now)
    assert book.looks() == [SONG]
    book.heard(reading())
    assert (book.state(), book.next_look()) == (FolderState.SETTLING, SETTLE)
    assert book.looks(4.9) == []
    assert book.looks(0.1) == [SONG]
    book.heard(reading())
    assert (book.state(), book.next_look()) == (FolderState.QUEUED, None)
    taken = book.ledger.take()
    assert taken is not None
    assert (taken[0], book.state()) == (SONG, FolderState.RUNNING)
    assert book.ledger.take() is None
    assert book.finished(Outcome.DONE, unavailable=2).state is FolderState.COMPLETE
    assert (book.state(), book.ledger.complete.unavailable) == (FolderState.COMPLETE, {DATASET: 2})
    assert not book.ways.busy()


@pytest.mark.parametrize(
    ("finding", "state"),
    [
        (Finding.COMPLETE, FolderState.COMPLETE),
        (Finding.FAILED, FolderState.FAILED),
        (Finding.BLOCKED, FolderState.BLOCKED),
        (Finding.DUE, FolderState.SETTLING),
        (Finding.GONE, None),
    ],
)
@pytest.mark.parametrize("walk", [False, True])
def test_what_a_first_reading_makes_of_a_folder(finding: Finding, state: FolderState | None, walk: bool) -> None:
    book = Book()
    book.heard(reading(finding=finding, reasons={"drums.wav": "damaged"}), walk=walk)
    assert book.state() is state


def test_change_while_it_settles_starts_settling_again() -> None:
    book = Book()
    book.heard(reading(signature="v1"))
    book.looks(4.0)
    book.heard(reading(signature="v2"))
    assert (book.state(), book.next_look()) == (FolderState.SETTLING, 1.0)
    book.looks(1.0)
    book.heard(reading(signature="v2"))
    assert (book.state(), book.next_look()) == (FolderState.SETTLING, 4.0)
    book.looks(4.0)
    book.heard(reading(signature="v2"))
    assert book.state() is FolderState.QUEUED


def test_file_on_its_way_keeps_the_folder_from_the_queue() -> None:
    book = Book()
    waits = []
    for _ in range(200):
        book.heard(reading(on_their_way=True))
        assert book.state() is FolderState.SETTLING
        wait = book.next_look()
        assert wait is not None
        waits.append(wait)
        assert book.looks(wait) == [SONG]
    assert (waits[:5], waits[-5:]) == ([SETTLE] * 5, [60.0] * 5), "it may be on its way for days"
    book.heard(reading(signature="v2"))
    book.looks(SETTLE)
    book.heard(reading(signature="v2"))
    assert book.state() is FolderState.QUEUED


def test_a_change_takes_it_out_of_the_queue_again() -> None:
    book = Book()
    book.queued("v1")
    book.ways.hint(SONG, book.now)
    book.looks()
    book.heard(reading(signature="v2"))
    assert book.state() is FolderState.SETTLING
    assert book.ledger.take() is None


def test_without_settling_one_reading_is_enough() -> None:
    book = Book(settle=0.0)
    book.heard(reading())
    assert book.state() is FolderState.QUEUED


def test_it_is_given_out_once_though_it_was_queued_twice() -> None:
    book = Book()
    book.queued("v1")
    book.heard(reading(signature="v2"))
    book.looks(SETTLE)
    book.heard(reading(signature="v2"))
    assert book.ledger.take() is not None
    assert book.ledger.take() is None


@pytest.mark.parametrize("finding", [Finding.COMPLETE, Finding.FAILED, Finding.BLOCKED, Finding.GONE])
def test_one_that_left_the_queue_otherwise_is_not_given_out(finding: Finding) -> None:
    book = Book()
    book.queued()
    book.heard(reading(finding=finding))
    assert book.ledger.take() is None


def test_hinted_folder_goes_before_what_a_walk_found() -> None:
    book = Book(settle=0.0)
    book.heard(reading("Old 1"), walk=True)
    book.heard(reading("Old 2"), walk=True)
    book.heard(reading("New"))
    order = [taken[0].path for taken in iter(book.ledger.take, None)]
    assert order == ["New", "Old 1", "Old 2"]


def test_a_folder_that_a_walk_found_is_fresh_from_a_hint_on() -> None:
    book = Book()
    for path in ("Old", "Song"):
        book.heard(reading(path), walk=True)
    book.ways.hint(SONG, book.now)
    book.looks(SETTLE)
    for path in ("Old", "Song"):
        book.heard(reading(path))
    taken = book.ledger.take()
    assert taken is not None
    assert taken[0] == SONG


# Readings


def test_one_reading_of_a_folder_is_under_way_at_most() -> None:
    book = Book()
    for _ in range(100):
        book.ways.hint(SONG, book.now)
    assert book.looks() == [SONG]
    book.ways.hint(SONG, book.now)
    assert book.looks() == []
    assert book.ways.busy()
    book.heard(reading(finding=Finding.COMPLETE))
    assert book.looks() == [SONG], "what happened during the reading is looked at after it"
    book.heard(reading(finding=Finding.COMPLETE))
    assert book.looks() == []


def test_walk_does_not_answer_the_reading_under_way() -> None:
    book = Book()
    book.ways.hint(SONG, book.now)
    assert book.looks() == [SONG]
    book.heard(reading(finding=Finding.COMPLETE), walk=True)
    book.ways.hint(SONG, book.now)
    assert book.looks() == []
    assert book.ways.busy()
    book.heard(reading(finding=Finding.COMPLETE))
    assert book.looks() == [SONG]


def test_storm_of_hints_costs_one_reading_a_second() -> None:
    book = Book()
    book.heard(reading("Song", signature="0"))
    count = 0
    for event in range(1000):
        book.now += 0.01
        book.ways.hint(SONG, book.now)
        for _ in book.looks():
            count += 1
            book.heard(reading(signature=str(event)))
    assert 8 <= count <= 12
    assert book.state() is FolderState.SETTLING


@pytest.mark.parametrize("finding", [Finding.COMPLETE, Finding.GONE, Finding.FAILED, Finding.BLOCKED])
@pytest.mark.parametrize("state", [FolderState.SETTLING, FolderState.QUEUED])
def test_walk_that_contradicts_only_has_the_folder_looked_at(finding: Finding, state: FolderState) -> None:
    """A walk's readings wait in batches: this one was made before the folder changed."""
    book = Book()
    if state is FolderState.QUEUED:
        book.queued("v2")
    else:
        book.heard(reading(signature="v2"))
    book.heard(reading(finding=finding, signature="v1"), walk=True)
    assert book.state() is state
    assert book.looks() == [SONG]
    book.heard(reading(finding=finding, signature="v1"))
    assert book.state() is {Finding.GONE: None}.get(
        finding, None if finding is Finding.GONE else FolderState(finding.value)
    )


@pytest.mark.parametrize("finding", [Finding.GONE, Finding.FAILED, Finding.BLOCKED])
def test_walk_undoes_no_complete_folder_without_another_look(finding: Finding) -> None:
    book = Book()
    book.heard(reading(finding=Finding.COMPLETE))
    book.heard(reading(finding=finding), walk=True)
    assert book.state() is FolderState.COMPLETE
    assert book.looks() == [SONG]


# While it runs


def test_hints_while_it_runs_are_looked_at_when_it_has_ended() -> None:
    book = Book()
    book.running()
    book.ways.hint(SONG, book.now)
    assert book.looks() == []
    book.finished(Outcome.DONE)
    assert book.looks() == [SONG]


@pytest.mark.parametrize("finding", list(Finding))
def test_reading_while_a_job_runs_is_acted_on_after_it(finding: Finding) -> None:
    book = Book()
    book.running("v1")
    book.heard(reading(finding=finding, signature="v2"), walk=True)
    assert book.state() is FolderState.RUNNING
    book.finished(Outcome.DONE)
    assert book.looks() == [SONG]


def test_a_reading_that_saw_what_the_job_sees_is_no_news() -> None:
    book = Book()
    book.running("v1")
    book.heard(reading(signature="v1"), walk=True)
    book.finished(Outcome.DONE)
    assert book.looks() == []


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.FAILED, Outcome.BLOCKED, Outcome.LOCKED])
def test_a_hint_while_it_runs_is_looked_at_after_every_end(outcome: Outcome) -> None:
    book = Book()
    book.running()
    book.ways.hint(SONG, book.now)
    book.finished(outcome)
    assert book.looks() == [SONG]


# How a job ends


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.DONE, FolderState.COMPLETE),
        (Outcome.FAILED, FolderState.FAILED),
        (Outcome.BLOCKED, FolderState.BLOCKED),
        (Outcome.LOCKED, FolderState.LOCKED),
        (Outcome.CHANGED, FolderState.SETTLING),
        (Outcome.GONE, FolderState.SETTLING),
        (Outcome.ERROR, FolderState.BACKOFF),
    ],
)
def test_outcomes(outcome: Outcome, state: FolderState) -> None:
    book = Book()
    book.running()
    folder = book.finished(outcome)
    assert (folder.state, book.state(), folder.ended) == (state, state, book.now)


@pytest.mark.parametrize("outcome", [Outcome.CHANGED, Outcome.GONE])
def test_folder_that_changed_under_a_job_settles_again(outcome: Outcome) -> None:
    """Also where the daemon sees no change: attributes cached by NFS would have it tried again without a pause."""
    book = Book()
    book.running("v1")
    book.finished(outcome)
    assert book.looks() == [SONG]
    book.heard(reading(signature="v1"))
    assert (book.state(), book.next_look()) == (FolderState.SETTLING, SETTLE)


def test_gone_for_good() -> None:
    book = Book()
    book.running()
    book.finished(Outcome.GONE)
    book.looks()
    assert book.heard(reading(finding=Finding.GONE)) is None
    assert (book.state(), book.ways.busy()) == (None, False)


def test_interrupted_job_is_not_charged() -> None:
    book = Book()
    folder = book.running()
    book.ways.interrupted(SONG)
    assert (book.state(), folder.charges, folder.attempts) == (FolderState.SETTLING, 0, 0)


def test_backoff_grows_with_a_jitter_and_ends() -> None:
    book = Book()
    for plain in (5, 10, 20, 40, 80, 160, 300, 300, 300):
        book.now += 1000
        book.heard(reading())
        book.looks(SETTLE)
        book.heard(reading())
        assert book.ledger.take() is not None
        book.ways.finished(SONG, Result(1, Outcome.ERROR, reasons={"": "EIO"}), book.now)
        wait = book.next_look() or 0.0
        assert plain <= wait <= plain * BACKOFF_JITTER
        book.looks(wait)


def test_folders_that_fail_together_are_spread_whatever_their_names() -> None:
    waits = []
    for names in ("abc", "xyz"):
        book = Book()
        for path in names:
            book.heard(reading(path))
        book.looks(SETTLE)
        for path in names:
            book.heard(reading(path))
            assert book.ledger.take() is not None
            book.ways.finished(key(path), Result(1, Outcome.ERROR, reasons={"": "EIO"}), book.now)
        waits.append([book.ledger.active[key(path)].retry_at - book.now for path in names])
    assert waits[0] == waits[1]
    assert len(set(waits[0])) == len(waits[0])


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.LOCKED])
def test_trying_again_for_days_is_no_overflow(outcome: Outcome) -> None:
    book = Book()
    book.running()
    for _ in range(2000):
        book.finished(outcome)
        book.looks(book.next_look() or 0.0)
        book.heard(reading())
        assert book.ledger.take() is not None


@pytest.mark.parametrize(("outcome", "waits"), [(Outcome.LOCKED, 5.0), (Outcome.ERROR, 5.0)])
def test_no_hint_shortens_the_wait(outcome: Outcome, waits: float) -> None:
    book = Book()
    book.running()
    state = book.finished(outcome).state
    for _ in range(4):
        book.now += 1.0
        book.ways.hint(SONG, book.now)
        assert book.looks() == [SONG]
        book.heard(reading())
        assert book.state() is state
    assert book.looks(waits * BACKOFF_JITTER) == [SONG]
    book.heard(reading())
    assert book.state() is FolderState.QUEUED


def test_a_changed_file_ends_the_wait_and_clears_the_charges() -> None:
    book = Book()
    book.running("v1")
    folder = book.finished(Outcome.ERROR, charge=True)
    assert folder.charges == 1
    book.heard(reading(signature="v2"))
    book.looks(SETTLE)
    book.heard(reading(signature="v2"))
    assert (book.state(), folder.charges, folder.attempts) == (FolderState.QUEUED, 0, 0)


def test_walk_that_was_there_before_the_end_gives_no_second_job() -> None:
    book = Book(settle=0.0)
    book.ways.walk_begins(DATASET)
    book.heard(reading())
    assert book.ledger.take() is not None
    book.finished(Outcome.DONE)
    book.ways.heard(reading(), book.now, walk=True)
    assert (book.state(), book.looks()) == (FolderState.COMPLETE, [SONG])
    book.heard(reading(finding=Finding.COMPLETE))
    book.ways.walk_begins(DATASET)
    book.ways.heard(reading(), book.now, walk=True)
    assert book.state() is FolderState.QUEUED, "the next one knows"


def test_max_deaths_make_it_failed_with_the_evidence() -> None:
    book = Book(max_deaths=3)
    book.running()
    for _ in range(2):
        assert book.finished(Outcome.ERROR, charge=True).state is FolderState.BACKOFF
        book.looks(book.next_look() or 0.0)
        book.heard(reading())
        book.ledger.take()
    folder = book.finished(Outcome.ERROR, charge=True)
    assert (folder.state, folder.reason) == (FolderState.FAILED, "why (gave up after 3 attempts)")
    assert book.next_look() is None


@pytest.mark.parametrize(("once", "state"), [(False, FolderState.BACKOFF), (True, FolderState.FAILED)])
def test_error_without_fault_is_charged_in_one_pass_alone(once: bool, state: FolderState) -> None:
    book = Book(once=once, max_deaths=1)
    book.running()
    assert book.finished(Outcome.ERROR).state is state


# Failed and blocked


@pytest.mark.parametrize("same", [True, False])
def test_failed_ends_when_it_is_due_again(same: bool) -> None:
    """By another file, or (with the same signature) because an analyzer's version changed."""
    book = Book()
    book.running("v1")
    book.finished(Outcome.FAILED)
    signature = "v1" if same else "v2"
    book.heard(reading(signature=signature), walk=True)
    book.looks(SETTLE)
    book.heard(reading(signature=signature))
    assert book.state() is FolderState.QUEUED


def test_blocked_is_not_taken_again_because_of_its_own_attempt() -> None:
    book = Book()
    book.running(access="0555")
    book.finished(Outcome.BLOCKED, access="0555")
    for happened in (book.ways.hint, book.ways.touched):
        happened(SONG, book.now)
        assert book.looks() == [SONG]
        book.heard(reading(access="0555"))
        assert (book.state(), book.next_look()) == (FolderState.BLOCKED, None)


def test_blocked_is_taken_again_after_a_change_of_permissions() -> None:
    book = Book()
    book.running(access="0555")
    book.finished(Outcome.BLOCKED, access="0555")
    book.ways.touched(SONG, book.now)
    book.looks()
    book.heard(reading(access="0755"))
    assert book.state() is FolderState.QUEUED


def test_blocked_is_taken_again_on_every_walk() -> None:
    book = Book()
    book.running(access="0755")
    for _ in range(3):
        book.finished(Outcome.BLOCKED, access="0755")
        book.heard(reading(access="0755"), walk=True)
        assert book.state() is FolderState.QUEUED
        assert book.ledger.take() is not None


def test_blocked_is_taken_again_when_its_files_change() -> None:
    book = Book()
    book.running("v1", access="a")
    book.finished(Outcome.BLOCKED, access="a")
    book.heard(reading(signature="v2", access="a"))
    book.looks(SETTLE)
    book.heard(reading(signature="v2", access="a"))
    assert book.state() is FolderState.QUEUED


def test_a_reading_that_was_blocked_counts_from_its_own_access() -> None:
    """An unreadable record: found by the reading, mended, and complete or due without a walk."""
    book = Book()
    book.heard(reading(finding=Finding.BLOCKED, access="a", reasons={"": "it is a directory"}))
    book.now += 60
    book.heard(reading(access="b"))
    assert book.state() is FolderState.QUEUED


@pytest.mark.parametrize("state", [None, FolderState.COMPLETE, FolderState.FAILED, FolderState.QUEUED])
def test_a_touched_directory_matters_to_a_blocked_folder_alone(state: FolderState | None) -> None:
    book = Book()
    if state is FolderState.QUEUED:
        book.queued()
    elif state is not None:
        book.heard(reading(finding=Finding(state.value)))
    book.ways.touched(SONG, book.now)
    assert book.looks() == []


def test_what_ended_when_is_kept_while_readings_say_the_same() -> None:
    book = Book()
    first = book.heard(reading(finding=Finding.FAILED))
    assert first is not None
    ended = book.now
    book.now += 60
    book.heard(reading(finding=Finding.FAILED), walk=True)
    assert first.ended == ended


# One pass, warnings, memory


def test_one_pass_does_not_wait_for_what_may_never_come_to_rest() -> None:
    book = Book(once=True)
    for change in range(100):
        book.heard(reading(signature=str(change)))
        if book.state() is not FolderState.SETTLING:
            break
        book.looks(SETTLE)
    assert (book.state(), book.ledger.active[SONG].reason) == (FolderState.BLOCKED, "its files keep changing")
    assert not book.ways.busy()


def test_one_pass_does_not_wait_for_a_copy_left_half_done() -> None:
    book = Book(once=True)
    for _ in range(100):
        book.heard(reading(on_their_way=True))
        if book.state() is not FolderState.SETTLING:
            break
        book.looks(SETTLE)
    assert (book.state(), book.ledger.active[SONG].reason) == (
        FolderState.BLOCKED,
        "bass.flac.part is still on its way",
    )


def test_what_holds_a_folder_for_long_is_named() -> None:
    book = Book()
    for _ in range(100):
        book.heard(reading(on_their_way=True, warnings=("two mixes",)))
        book.looks(SETTLE)
    assert book.state() is FolderState.SETTLING
    assert book.ledger.warnings.by_folder[DATASET][SONG] == ("two mixes", "bass.flac.part is still on its way")
    book.looks(SETTLE)
    book.heard(reading())
    assert (book.state(), SONG in book.ledger.warnings.by_folder[DATASET]) == (FolderState.QUEUED, False)


def test_one_pass_does_not_wait_for_what_changes_under_each_job() -> None:
    book = Book(once=True)
    for _ in range(100):
        book.heard(reading(signature="v1"))
        if book.state() is FolderState.BLOCKED:
            break
        book.looks(SETTLE)
        book.heard(reading(signature="v1"))
        if book.ledger.take() is not None:
            book.finished(Outcome.CHANGED)
            book.looks()
    assert book.state() is FolderState.BLOCKED


def test_warnings_come_and_go_with_readings() -> None:
    book = Book()
    book.heard(reading(finding=Finding.GONE, warnings=("it has stems but no full mix",)))
    assert (book.state(), book.ledger.warnings.by_folder[DATASET]) == (None, {SONG: ("it has stems but no full mix",)})
    book.heard(reading(finding=Finding.COMPLETE, warnings=("two",)))
    assert book.ledger.warnings.by_folder[DATASET] == {SONG: ("two",)}
    book.heard(reading(finding=Finding.COMPLETE))
    assert book.ledger.warnings.by_folder[DATASET] == {}


def test_what_was_remembered_goes_with_the_job() -> None:
    book = Book()
    memory = {"drums": FileMemory(stamp("drums.wav"), adopted=("loudness",))}
    book.heard(reading(memory=memory))
    book.looks(SETTLE)
    book.heard(reading(memory=memory))
    taken = book.ledger.take()
    assert taken is not None
    assert taken[1].memory == memory


def test_a_record_that_is_removed_waits_a_moment_and_no_settling() -> None:
    """Were it measured at once, `rm -r`, which takes it first, would find a new record in its way, and fail."""
    book = Book()
    book.heard(msgspec.structs.replace(reading(), at_rest=True))
    assert (book.state(), book.next_look()) == (FolderState.SETTLING, 1.0)
    book.looks(1.0)
    book.heard(msgspec.structs.replace(reading(), at_rest=True))
    assert book.state() is FolderState.QUEUED


# What is not to be taken over


DISOWNED = {"full_mix": ("lufs",)}


def test_disowning_a_complete_folder_waits_for_the_catalog() -> None:
    book = Book()
    book.running()
    book.finished(Outcome.DONE)
    assert book.ways.disown(SONG, DISOWNED, book.now) == [do.Disown(SONG, DISOWNED)]
    assert book.next_look() is None
    assert book.ways.disowned == {SONG}
    book.ways.drop(DATASET)
    assert book.ways.disowned == set()


def test_disowning_a_queued_folder_is_for_its_next_job() -> None:
    book = Book()
    book.queued()
    assert book.ways.disown(SONG, DISOWNED, book.now) == [do.Disown(SONG, DISOWNED)]
    assert book.ledger.active[SONG].disowned == DISOWNED
    book.ways.disown(SONG, {"full_mix": ("lra",), "bass": ("lufs_bass",)}, book.now)
    assert book.ledger.active[SONG].disowned == {"full_mix": ("lufs", "lra"), "bass": ("lufs_bass",)}


def test_disowning_a_running_folder_counts_from_its_end() -> None:
    book = Book()
    folder = book.running()
    told = book.ways.disown(SONG, DISOWNED, book.now)
    assert told == [do.Disown(SONG, DISOWNED)], "should the service be killed before the job ends"
    assert (folder.disowned, folder.memory, folder.hinted) == (DISOWNED, {}, True)

"""The counts by which one folder is tried again, runs alone, or is given up."""

from __future__ import annotations

import pytest

from audiobatchd.core.folder import Folder
from audiobatchd.core.messages import Result
from audiobatchd.core.plan import Limits
from audiobatchd.vocabulary.states import Cause, FolderState, Outcome
from support.core_rig import DATASET, key

LIMITS = Limits({DATASET: 0.0}, max_deaths=3, max_suspect=2)
ONCE = Limits({DATASET: 0.0}, max_deaths=3, max_suspect=2, once=True)


def error(*, charge: bool = True, cause: Cause = Cause.NONE) -> Result:
    """A job that ended by an error of this cause."""
    return Result(1, Outcome.ERROR, reasons={"": "its worker died"}, charge=charge, cause=cause)


def test_charges_give_it_up_with_their_number() -> None:
    folder = Folder(reasons={"": "its worker died"})
    states = [folder.erred(error(), LIMITS, alone=False) for _ in range(3)]
    assert states == [FolderState.BACKOFF, FolderState.BACKOFF, FolderState.FAILED]
    assert folder.reason == "its worker died (gave up after 3 attempts)"


@pytest.mark.parametrize(
    ("limits", "cause", "charges"), [(LIMITS, Cause.NONE, 0), (ONCE, Cause.NONE, 1), (ONCE, Cause.HANG, 0)]
)
def test_error_of_no_fault_is_charged_in_a_pass(limits: Limits, cause: Cause, charges: int) -> None:
    folder = Folder()
    folder.erred(error(charge=False, cause=cause), limits, alone=False)
    assert folder.charges == charges


def test_starved_folder_runs_alone_and_then_waits_for_limits() -> None:
    folder, starved = Folder(), error(charge=False, cause=Cause.MEMORY)
    folder.reasons = starved.reasons
    assert folder.erred(starved, LIMITS, alone=False) is FolderState.BACKOFF
    assert folder.goes_alone
    assert folder.erred(starved, LIMITS, alone=True) is FolderState.BACKOFF
    assert folder.erred(starved, LIMITS, alone=True) is FolderState.BLOCKED
    assert folder.charges == 0
    assert "3 times, with nothing beside it at last" in folder.reason


@pytest.mark.parametrize(("counts", "given_up"), [(True, [False, True]), (False, [False, False])])
def test_deaths_in_a_row_count_where_it_may_be_their_cause(counts: bool, given_up: list[bool]) -> None:
    folder = Folder()
    assert [folder.suspected(LIMITS, counts=counts) for _ in range(2)] == given_up
    assert (folder.is_suspect, folder.suspicions) == (True, 2 if counts else 1)


@pytest.mark.parametrize(
    ("outcome", "survived"),
    [(Outcome.DONE, True), (Outcome.ERROR, True), (Outcome.LOCKED, False), (Outcome.GONE, False)],
)
def test_job_that_reached_the_files_ends_suspicion(outcome: Outcome, survived: bool) -> None:
    folder = Folder(suspicions=1, is_suspect=True)
    folder.take_in(Result(1, outcome, reasons={}), now=7.0)
    assert (folder.ended, folder.is_suspect, folder.suspicions) == (7.0, not survived, 0 if survived else 1)


@pytest.mark.parametrize(("state", "pardoned"), [(FolderState.RUNNING, True), (FolderState.BACKOFF, False)])
def test_forgiven_folder_counts_from_zero(state: FolderState, pardoned: bool) -> None:
    folder = Folder(state, attempts=4, charges=2, suspicions=1, starved=1, is_suspect=True)
    folder.forgive()
    assert (folder.attempts, folder.charges, folder.suspicions, folder.starved) == (0, 0, 0, 0)
    assert (folder.is_pardoned, folder.goes_alone) == (pardoned, False)


def test_counts_of_a_complete_folder_are_not_kept() -> None:
    folder = Folder(FolderState.BACKOFF, charges=2, suspicions=1)
    kept = folder.kept(key(), {}, "")
    assert (kept.charges, kept.suspicions) == (2, 1)
    folder.state = FolderState.COMPLETE
    kept = folder.kept(key(), {}, "")
    assert (kept.charges, kept.suspicions) == (0, 0)


def test_only_a_failed_folder_outgrew_its_worker() -> None:
    folder = Folder(FolderState.BACKOFF, reasons={"": "too much memory"}, cause=Cause.MEMORY)
    assert (folder.gave_up, folder.outgrew) == ("", False)
    folder.state = FolderState.FAILED
    assert (folder.gave_up, folder.outgrew) == ("too much memory", True)

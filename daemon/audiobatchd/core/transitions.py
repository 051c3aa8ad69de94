"""Transitions of folders from one state to another: what hints, readings, jobs and operators make of them.

The states themselves, and the queue, are kept in the `ledger`; when a folder is read, in the `agenda`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from audiobatchd.core import actions as do
from audiobatchd.core.agenda import Agenda
from audiobatchd.core.backoff import Backoff
from audiobatchd.core.folder import Folder
from audiobatchd.core.ledger import Ledger
from audiobatchd.core.messages import Result
from audiobatchd.core.plan import Limits
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.settle import Settling
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import TO_DO, Cause, FolderState, Outcome

_LOCKED_RETRY = Backoff(5.0, 60.0)
_RESTLESS_READINGS = 30
"""Number of restless readings after which people are told what keeps a folder from rest."""
_BETWEEN_HINTS = 1.0
"""Seconds between two readings of a folder that sends event after event."""
_STRIDE = 157
"""Step between the shares of two waits in a row, of 256: far apart, and odd, so that every share comes by."""
_MOMENT = 1.0
"""Seconds until a folder is measured again of which only the record went: `rm -r` may be on its way to its files."""


class Transitions:
    """The rules by which folders change their states. Each method is something that happened, at the moment `now`."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.ledger = Ledger()
        self.agenda = Agenda()
        self.disowned: set[FolderKey] = set()
        """Folders of which something was disowned, until they are read by themselves: a walk may know less."""
        self._just_done: set[FolderKey] = set()
        """The folders that were completed since a walk began, which that walk may contradict."""
        self._accepted_as_gone: set[FolderKey] = set()
        """The folders whose job was under way when an accepted walk met nothing, until a reading finds them."""
        self._waits = 0
        """Number of waits so far, by which they are spread."""

    # Hints

    def hint(self, key: FolderKey, now: float) -> None:
        """Look at a folder that may have changed, or may be new."""
        folder = self.ledger.active.get(key)
        if folder is None:
            self.agenda.add(key, now)
            return
        folder.fresh = True
        match folder.state:
            case FolderState.RUNNING:
                folder.hinted = True
            case FolderState.SETTLING:
                self._look_soon(key, folder, now)
            case _:
                self.agenda.add(key, now)

    def touched(self, key: FolderKey, now: float) -> None:
        """Look at the blocked folders whose permissions may have been mended: a directory itself changed.

        Those are its own, or those of the directory that it is in, where its lock lies.
        """
        for each in {key, *self.ledger.blocked.inside(key)}:
            self.look_at_blocked(each, now)

    def look_at_blocked(self, key: FolderKey, now: float) -> None:
        """Look at a folder where it is blocked: what blocks it may be over."""
        if self.ledger.state_of(key) is FolderState.BLOCKED:
            self.agenda.add(key, now)

    # Readings

    def heard(self, reading: Reading, now: float, *, walk: bool) -> Folder | None:
        """Take in a reading, made by a `walk` or after a hint; the entry, or None where it needs no attention."""
        key = reading.key
        folder = self.ledger.active.get(key)
        if not walk and not self.agenda.was_read(key, now):
            return folder
        if folder is not None and reading.finding not in (Finding.GONE, Finding.LOST):
            folder.round = self.ledger.round(key.dataset)
            self._accepted_as_gone.discard(key)
        if folder is not None and folder.state is FolderState.RUNNING:
            folder.hinted |= reading.signature != folder.settling.signature
            return folder
        if reading.finding is Finding.LOST or key in self.agenda.lost:
            return folder  # the dataset is not there, or a lost worker is: that says nothing of the folder
        if walk and self._doubts(reading):
            self.agenda.add(key, now)
            return folder
        if reading.finding is Finding.GONE:
            self.forget(key)
        self.ledger.warn(key, reading.warnings)
        if reading.finding is Finding.GONE:
            return None
        if reading.unclear and self._waits_for_record(reading, now, walk=walk):
            return self.ledger.active[key]
        if reading.finding is Finding.COMPLETE:
            self._accepted_as_gone.discard(key)
            self.ledger.completed(key, reading.unavailable)
            return None
        folder = self._entry(key, walk=walk)
        if reading.finding is Finding.DUE:
            self._is_due(key, folder, reading, now, walk=walk)
        else:
            state = FolderState(reading.finding.value)
            if folder.state is not state:
                folder.ended = now
            self.ledger.enter(key, folder, state)
            folder.settling = Settling(reading.signature, now)
            folder.reasons = reading.reasons
            folder.access = reading.access
        return folder

    def unchanged(self, key: FolderKey, unavailable: int, now: float) -> None:
        """Take note that a walk came by a complete folder that is as it was."""
        folder = self.ledger.active.get(key)
        self._accepted_as_gone.discard(key)
        if folder is None:
            self.ledger.add_complete(key, unavailable)
            return
        folder.round = self.ledger.round(key.dataset)
        if folder.state is not FolderState.RUNNING:
            self.agenda.add(key, now)  # what is known says otherwise, and one of the two is older

    def walk_begins(self, dataset: str) -> None:
        """Believe the walk that begins in what was done before it."""
        self._just_done = {key for key in self._just_done if key.dataset != dataset}

    # Jobs

    def finished(self, key: FolderKey, result: Result, now: float, *, alone: bool = False) -> Folder:
        """Take in how a job ended, which ran `alone` or not; the folder's entry as it stands now."""
        folder = self.ledger.active[key]
        self.agenda.job_ended(key)
        folder.take_in(result, now)
        match result.outcome:
            case Outcome.DONE:
                self.ledger.completed(key, result.unavailable)
                self._just_done.add(key)
                folder.state = FolderState.COMPLETE
            case Outcome.FAILED:
                self.ledger.enter(key, folder, FolderState.FAILED)
            case Outcome.BLOCKED if result.unclear:
                # When the job was given out it was clear: it is being written, or was damaged since.
                self.ledger.enter(key, folder, FolderState.SETTLING)
                self.agenda.add(key, now)
            case Outcome.BLOCKED:
                self.ledger.enter(key, folder, FolderState.BLOCKED)
            case Outcome.LOCKED:
                self._wait(key, folder, FolderState.LOCKED, now)
            case Outcome.CHANGED | Outcome.GONE:
                folder.settling.disturbed(now)
                self.ledger.enter(key, folder, FolderState.SETTLING)
                self.agenda.add(key, now)
            case Outcome.ERROR:
                state = folder.erred(result, self.limits, alone=alone)
                if state is FolderState.BACKOFF:
                    self._wait(key, folder, state, now)
                else:
                    self.ledger.enter(key, folder, state)
            case Outcome.SUSPECT:
                self._suspected(key, folder, counts=result.charge)
        if (folder.hinted and folder.state not in TO_DO) or key in self._accepted_as_gone:
            self.agenda.add(key, now)
        return folder

    def left(self, key: FolderKey, now: float, *, counts: bool) -> Folder | None:
        """Suspect a folder whose lock was left by the dead; its entry, None where that means nothing.

        `counts`: the folder may have brought the death about.
        """
        folder = self.ledger.active.get(key)
        if folder is None or folder.state not in (*TO_DO, FolderState.LOCKED):
            return None
        if folder.state is FolderState.RUNNING:
            folder.died(counts=counts)  # a worker was quicker: this job is the next try
        else:
            folder.ended = now
            self._suspected(key, folder, counts=counts)
        return folder

    def interrupted(self, key: FolderKey, again: float | None = None) -> None:
        """Charge nothing for a job that the service ended itself. The folder is looked at `again` at that moment."""
        self.ledger.enter(key, self.ledger.active[key], FolderState.SETTLING)
        if again is not None:
            self.agenda.add(key, again)

    def lose(self, key: FolderKey, pid: int) -> Folder:
        """Lock a folder until the worker at it, which cannot be killed, has ended; the folder's entry."""
        folder = self.ledger.active[key]
        folder.retry_at, folder.cause = 0.0, Cause.NONE
        folder.reasons = {"": f"its worker, PID {pid}, was killed and does not end: it waits for the disk"}
        self.agenda.lost[key] = pid
        self.ledger.enter(key, folder, FolderState.LOCKED)
        return folder

    def found(self, key: FolderKey, now: float) -> None:
        """Look at a folder again whose lost worker has ended, as if nothing had happened to it."""
        self.agenda.lost.pop(key, None)
        if key in self.ledger.active:
            self._start_over(key, self.ledger.active[key])
        self.agenda.add(key, now)

    # Operators, and what hindered folders

    def bump(self, key: FolderKey) -> bool:
        """Have a folder measured before all others; whether it waits, so that this makes sense."""
        folder = self.ledger.active.get(key)
        if folder is None or folder.state not in (FolderState.QUEUED, FolderState.SETTLING):
            return False
        folder.is_bumped = True
        if folder.state is FolderState.QUEUED:
            self.ledger.take_place(key, folder)
        return True

    def retry(self, key: FolderKey, now: float) -> None:
        """Try the folder again now, as if nothing had happened to it; one that is running or unknown is only read."""
        folder = self.ledger.active.get(key)
        if folder is not None and key not in self.agenda.lost:
            was_alone = folder.goes_alone
            folder.forgive()
            self._start_over(key, folder)
            if was_alone and folder.state is FolderState.QUEUED:
                self.ledger.take_place(key, folder)  # among the others from now on
        self.hint(key, now)

    def disown(self, key: FolderKey, disowned: Mapping[str, tuple[str, ...]], now: float) -> list[do.Action]:
        """Have these features, by role, measured although the record has them from other tools.

        A job that waits is told; for one that runs it counts from its end, or from the next start of a service that is
        killed before. A complete folder is looked at when the catalog has it: a reading that comes before would know
        nothing of it.
        """
        folder = self.ledger.active.get(key)
        if folder is not None:
            self.retry(key, now)
            before = folder.disowned
            folder.disowned = {
                role: tuple(dict.fromkeys((*before.get(role, ()), *disowned.get(role, ()))))
                for role in {**before, **disowned}
            }
        self.agenda.job_ended(key)  # as with a job's end, a reading under way knows less
        self.disowned.add(key)
        return [do.Disown(key, disowned)]

    def resume(self, dataset: str, cause: Cause, now: float) -> None:
        """Look at the folders of a dataset that were hindered by what is over now."""
        for key, folder in self.ledger.active.items():
            # What the disk does to one folder alone is waited out.
            if key.dataset == dataset and folder.cause is cause and cause is not Cause.IO:
                folder.attempts = 0
                if cause is Cause.MEMORY and folder.state not in (FolderState.QUEUED, FolderState.RUNNING):
                    folder.charges = folder.starved = 0
                self._start_over(key, folder)
                self.agenda.add(key, now)

    def give_up(self, dataset: str, reason: str, now: float) -> list[FolderKey]:
        """Block what is on its way in a dataset, apart from what is running; the folders that this was done to."""
        waiting = {FolderState.LOCKED, *TO_DO} - {FolderState.RUNNING}
        keys = [key for key, each in self.ledger.active.items() if key.dataset == dataset and each.state in waiting]
        for key in keys:
            self._block(key, self.ledger.active[key], reason, now)
        return keys

    # Ends

    def forget(self, key: FolderKey) -> None:
        """Strike out a track folder that is not there, as an accepted walk found; one that runs goes after its job."""
        if self.ledger.state_of(key) is FolderState.RUNNING:
            self._accepted_as_gone.add(key)
        else:
            self.ended(key)

    def is_gone_for_good(self, key: FolderKey) -> bool:
        """Tell whether the folder needs no second word to be forgotten where its dataset looks lost."""
        return key in self._accepted_as_gone and self.ledger.state_of(key) is not FolderState.RUNNING

    def ended(self, key: FolderKey) -> None:
        """Strike out a folder, whatever its state is."""
        self._accepted_as_gone.discard(key)
        self.ledger.leave(key)
        self.ledger.warn(key, ())

    def drop(self, dataset: str) -> None:
        """Forget a dataset; what runs in it is forgotten when it ends, what is being read when that is there."""
        self.agenda.drop(dataset)
        self.ledger.drop(dataset)
        self._accepted_as_gone = {key for key in self._accepted_as_gone if key.dataset != dataset}
        self.disowned = {key for key in self.disowned if key.dataset != dataset}
        for key in [key for key in self.ledger.active if key.dataset == dataset]:
            if self.ledger.active[key].state is not FolderState.RUNNING:
                self.ended(key)
            else:
                self.ledger.active[key].hinted = True  # the dataset may be back by the end of its job, on other terms

    def busy(self, without: Container[str] = ()) -> bool:
        """Tell whether any folder is still on its way to an end, or about to be read; in datasets not in `without`."""
        read = (*self.agenda.being_read(), *self.agenda.put_off())
        return any(path not in without for path in read) or self.ledger.to_do(without)

    # How

    def _entry(self, key: FolderKey, *, walk: bool) -> Folder:
        self._accepted_as_gone.discard(key)
        return self.ledger.entry(key, walk=walk)

    def _doubts(self, reading: Reading) -> bool:
        """Tell whether a walk contradicts what is known: its readings come in batches and may be older than that."""
        if reading.finding is Finding.DUE:
            return reading.key in self._just_done
        known = self.ledger.state_of(reading.key)
        return known is not None and reading.finding.value != known.value

    def _is_due(self, key: FolderKey, folder: Folder, reading: Reading, now: float, *, walk: bool) -> None:
        was_alone, is_changed = folder.goes_alone, reading.signature != folder.settling.signature
        if is_changed or folder.state is FolderState.FAILED:  # else other analyzers, or a retry: it begins again
            folder.charges, folder.suspicions = reading.charges, reading.suspicions
        if is_changed:
            folder.attempts = folder.starved = 0
            folder.is_suspect = folder.suspicions > 0  # since the last run: no job has survived it
            folder.retry_at = 0.0
        settle = self.limits.settle[key.dataset]
        if reading.at_rest and not reading.on_their_way and is_changed:
            # Only its record has changed: a moment suffices, for `rm -r` may be on its way to the files.
            folder.settling = Settling(reading.signature, now - max(0.0, settle - _MOMENT))
        when = folder.settling.observe(reading.signature, on_their_way=reading.on_their_way, settle=settle, now=now)
        folder.memory = reading.memory
        folder.renewed = reading.renewed
        folder.due = reading.due if self.limits.once else ()
        if when is not None:
            self._is_restless(key, folder, reading, when, now)
        elif folder.state is FolderState.BLOCKED and not walk and (reading.access == folder.access or folder.starved):
            pass  # what blocked it is as it was: the hint was our own attempt; or it waits for memory
        elif folder.state in (FolderState.BACKOFF, FolderState.LOCKED) and now < folder.retry_at:
            pass
        elif folder.state is not FolderState.QUEUED or folder.goes_alone != was_alone:
            self.ledger.enter(key, folder, FolderState.QUEUED)

    def _waits_for_record(self, reading: Reading, now: float, *, walk: bool) -> bool:
        """Tell whether an unclear record has still to come to rest, as source files have to: it may be half-written."""
        folder = self._entry(reading.key, walk=walk)
        settle = self.limits.settle[reading.key.dataset]
        when = folder.writing.observe(reading.unclear, on_their_way=False, settle=settle, now=now)
        if when is None:
            return False
        self._settle(reading.key, folder, when, now)
        return True

    def _is_restless(self, key: FolderKey, folder: Folder, reading: Reading, when: float, now: float) -> None:
        if folder.settling.readings > _RESTLESS_READINGS:
            why = f"{reading.waits_for} is still on its way" if reading.on_their_way else "its files keep changing"
            if self.limits.once:
                self._block(key, folder, why, now)
                return
            self.ledger.warn(key, (*reading.warnings, why))
        self._settle(key, folder, when, now)

    def _settle(self, key: FolderKey, folder: Folder, when: float, now: float) -> None:
        self.ledger.enter(key, folder, FolderState.SETTLING)
        if not now < folder.rest_look <= when:  # else that one sees it, and asks for the next
            folder.rest_look = when
            self.agenda.add(key, when)

    def _look_soon(self, key: FolderKey, folder: Folder, now: float) -> None:
        """Look in a moment: a copy sends hundreds of events, and one reading a second sees when the last was."""
        if now >= folder.soon:
            folder.soon = now + min(_BETWEEN_HINTS, self.limits.settle[key.dataset] / 2)
            self.agenda.add(key, folder.soon)

    def _suspected(self, key: FolderKey, folder: Folder, *, counts: bool) -> None:
        """Send a folder to the end of the line, where it runs alone, or give it up; see `Folder.suspected`."""
        if folder.suspected(self.limits, counts=counts):
            self.ledger.enter(key, folder, FolderState.FAILED)
        elif folder.state in (FolderState.RUNNING, FolderState.QUEUED):
            self.ledger.enter(key, folder, FolderState.QUEUED)

    def _wait(self, key: FolderKey, folder: Folder, state: FolderState, now: float) -> None:
        self.ledger.enter(key, folder, state)
        backoff = _LOCKED_RETRY if state is FolderState.LOCKED else self.limits.backoff
        # Spread, so that what failed together does not come back together: in the end by each of 256 shares once. Names
        # have no part in it, so that decisions are the same ones where all have others.
        self._waits += 1
        jitter = self._waits * _STRIDE % 256 / 1024
        folder.retry_at = now + backoff.wait(folder.attempts) * (1 + jitter)
        folder.attempts += 1
        self.agenda.add(key, folder.retry_at)

    def _start_over(self, key: FolderKey, folder: Folder) -> None:
        """Leave it to the next reading what becomes of a folder, whatever it has come to."""
        folder.retry_at = 0.0
        if folder.state not in (FolderState.QUEUED, FolderState.RUNNING):
            self.ledger.enter(key, folder, FolderState.SETTLING)

    def _block(self, key: FolderKey, folder: Folder, reason: str, now: float) -> None:
        self.ledger.enter(key, folder, FolderState.BLOCKED)
        folder.reasons, folder.ended = {"": reason}, now

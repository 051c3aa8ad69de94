"""Every track folder's state, from the first hint to its end: which folder is looked at when, and which one is next.

A folder is `running` in one slot at most, because only `take` makes it so and only `finished` ends it.
"""

from __future__ import annotations

import heapq
import zlib
from collections import Counter, defaultdict
from collections.abc import Container

from audiobatchd.core.blocked import Blocked
from audiobatchd.core.completed import Complete
from audiobatchd.core.folder import Folder
from audiobatchd.core.messages import Result
from audiobatchd.core.plan import Limits
from audiobatchd.core.queue import Lane, Queue
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.settle import Settling
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import TO_DO, TROUBLED, Cause, FolderState, Outcome, in_one_line

_LOCKED_RETRY = (5.0, 60.0)
_RESTLESS_READINGS = 30
_BETWEEN_HINTS = 1.0
_DOUBLINGS = 30
_MOMENT = 1.0
_TELLS_NOTHING = (Outcome.SUSPECT, Outcome.LOCKED, Outcome.CHANGED, Outcome.GONE)


class Ledger:
    """The states of all folders. `looks` hands out the folders to be read, `take` the next one to be measured."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.active: dict[FolderKey, Folder] = {}
        self.complete = Complete()
        self.warnings: dict[str, dict[FolderKey, tuple[str, ...]]] = defaultdict(dict)
        """What needs an eye in a folder, by dataset; also of directories that are no track folders, or not yet."""
        self._warned_in: dict[FolderKey, int] = {}
        """The round in which a directory with warnings was last read."""
        self.warned: Counter[str] = Counter()
        """How many warnings there are, by dataset."""
        self.troubled: dict[FolderKey, None] = {}
        """The folders that failed or are blocked, the latest last."""
        self.counts: dict[str, Counter[FolderState]] = defaultdict(Counter)
        self.blocked = Blocked()
        self._queue = Queue()
        self._agenda: list[tuple[float, FolderKey]] = []
        self._reading: set[FolderKey] = set()
        self._again: set[FolderKey] = set()
        self._rounds: Counter[str] = Counter()
        self._just_done: set[FolderKey] = set()
        self._outdated: set[FolderKey] = set()
        """The folders whose job ended while they were being read: that reading knows less than the job's result."""
        self._left_places: dict[FolderKey, Lane] = {}
        """The places in the queue of folders that are gone, which they take again when they come back."""
        self._put_off: dict[str, set[FolderKey]] = defaultdict(set)
        """The folders that are to be looked at when their dataset's disk answers."""
        self._accepted_as_gone: set[FolderKey] = set()
        """The folders whose job was under way when an accepted walk met nothing, until a reading finds them."""
        self.lost: dict[FolderKey, int] = {}
        """The folders that a lost worker is still at, and its PID: they are looked at when it has ended."""

    # What happened

    def hint(self, key: FolderKey, now: float) -> None:
        """Something may have changed in the folder, or it may be new."""
        folder = self.active.get(key)
        if folder is not None:
            folder.fresh = True
        match folder.state if folder else None:
            case FolderState.RUNNING:
                assert folder is not None
                folder.hinted = True
            case FolderState.SETTLING:
                assert folder is not None
                self._look_soon(key, folder, now)
            case _:
                self._look(key, now)

    def touched(self, key: FolderKey, now: float) -> None:
        """The directory itself changed: for a blocked folder that may mean that permissions were mended.

        Its own, or those of the directory that it is in, where its lock lies.
        """
        for each in {key, *self.blocked.inside(key)}:
            self.look_at_blocked(each, now)

    def look_at_blocked(self, key: FolderKey, now: float) -> None:
        """What blocks the folder may be over."""
        folder = self.active.get(key)
        if folder is not None and folder.state is FolderState.BLOCKED:
            self._look(key, now)

    def is_unreadable(self, key: FolderKey) -> bool:
        """Whether the directory itself could not be read when it was last looked at."""
        folder = self.active.get(key)
        return folder is not None and folder.state is FolderState.BLOCKED and not folder.settling.signature

    def heard(self, reading: Reading, now: float, *, walk: bool) -> Folder | None:
        """Take in a reading; the folder's entry, or None where it needs no attention. `walk`: nobody hinted at it."""
        key = reading.key
        folder = self.active.get(key)
        if not walk and self._looked(key, now):
            return folder
        if folder is not None and reading.finding not in (Finding.GONE, Finding.LOST):
            folder.round = self._rounds[key.dataset]
            self._accepted_as_gone.discard(key)
        if folder is not None and folder.state is FolderState.RUNNING:
            folder.hinted |= reading.signature != folder.settling.signature
            return folder
        if reading.finding is Finding.LOST or key in self.lost:
            return folder  # the dataset is not there, or a lost worker is: that says nothing of the folder
        if walk and self._doubts(reading):
            self._look(key, now)
            return folder
        if reading.finding is Finding.GONE:
            self.forget(key)
            self._warn(key, reading.warnings)
            return None
        self._warn(key, reading.warnings)
        if reading.unclear and self._waits_for_record(reading, now, walk=walk):
            return self.active[key]
        match reading.finding:
            case Finding.COMPLETE:
                self._accepted_as_gone.discard(key)
                self._completed(key, reading.unavailable)
                return None
            case Finding.FAILED | Finding.BLOCKED:
                folder = self._entry(key, walk=walk)
                state = FolderState(reading.finding.value)
                if folder.state is not state:
                    folder.ended = now
                self._enter(key, folder, state)
                folder.settling = Settling(reading.signature, now)
                folder.reasons = reading.reasons
                folder.access = reading.access
            case _:
                folder = self._entry(key, walk=walk)
                self._is_due(key, folder, reading, now, walk=walk)
        return folder

    def unchanged(self, key: FolderKey, unavailable: int, now: float) -> None:
        """A walk came by a complete folder that is as it was."""
        folder = self.active.get(key)
        self._accepted_as_gone.discard(key)
        if folder is None:
            self.counts[key.dataset][FolderState.COMPLETE] += key not in self.complete
            self.complete.add(key, unavailable)
            return
        folder.round = self._rounds[key.dataset]
        if folder.state is not FolderState.RUNNING:
            self._look(key, now)  # what is known says otherwise, and one of the two is older

    def take(self, without: Container[str] = (), *, suspect: bool = False) -> tuple[FolderKey, Folder] | None:
        """The next folder to be measured, now `running`; None when nothing is queued in other datasets than some.

        One that goes alone, a `suspect`, is a case of its own: nothing else may run beside it.
        """
        lanes = (Lane.SUSPECT,) if suspect else (Lane.BUMPED, Lane.FRESH, Lane.BACKFILL)
        while (popped := self._queue.pop(*lanes, without=without)) is not None:
            key, lane = popped
            folder = self.active.get(key)
            if folder is None:
                self._left_places.pop(key, None)
            elif folder.lane is lane:
                folder.lane = None
            if folder is not None and folder.state is FolderState.QUEUED and folder.goes_alone == suspect:
                self._enter(key, folder, FolderState.RUNNING)
                folder.hinted = folder.is_bumped = folder.is_pardoned = False
                return key, folder
        return None

    def finished(self, key: FolderKey, result: Result, now: float, *, alone: bool = False) -> Folder:
        """A job ended, which ran `alone` or not; the folder's entry as it stands now."""
        folder = self.active[key]
        if key in self._reading:
            self._outdated.add(key)
            self._again.add(key)
        folder.ended = now
        folder.reasons = result.reasons
        folder.access = result.access
        folder.cause = result.cause
        if result.outcome not in _TELLS_NOTHING:
            folder.suspicions, folder.is_suspect = 0, False  # it was survived
            folder.starved = folder.starved if result.cause is Cause.MEMORY else 0
        match result.outcome:
            case Outcome.DONE:
                self._completed(key, result.unavailable)
                self._just_done.add(key)
                folder.state = FolderState.COMPLETE
            case Outcome.FAILED:
                self._enter(key, folder, FolderState.FAILED)
            case Outcome.BLOCKED if result.unclear:
                # When the job was given out it was clear: it is being written, or was damaged since.
                self._enter(key, folder, FolderState.SETTLING)
                self._look(key, now)
            case Outcome.BLOCKED:
                self._enter(key, folder, FolderState.BLOCKED)
            case Outcome.LOCKED:
                self._wait(key, folder, FolderState.LOCKED, _LOCKED_RETRY, now)
            case Outcome.CHANGED | Outcome.GONE:
                folder.settling.disturbed(now)
                self._enter(key, folder, FolderState.SETTLING)
                self._look(key, now)
            case Outcome.ERROR:
                self._erred(key, folder, result, now, alone=alone)
            case Outcome.SUSPECT:
                self._suspected(key, folder, counts=result.charge)
        if (folder.hinted and folder.state not in TO_DO) or key in self._accepted_as_gone:
            self._look(key, now)
        return folder

    def left(self, key: FolderKey, now: float, *, counts: bool) -> Folder | None:
        """Whoever was at the folder died without giving its lock back; its entry, None where that means nothing.

        `counts`: the folder may have brought it about.
        """
        folder = self.active.get(key)
        if folder is None or folder.state not in (*TO_DO, FolderState.LOCKED):
            return None
        if folder.state is FolderState.RUNNING:
            folder.died(counts=counts)  # a worker was quicker: this job is the next try
        else:
            folder.ended = now
            self._suspected(key, folder, counts=counts)
        return folder

    def bump(self, key: FolderKey) -> bool:
        """Have the folder measured before all others; whether it waits for that."""
        folder = self.active.get(key)
        if folder is None or folder.state not in (FolderState.QUEUED, FolderState.SETTLING):
            return False
        folder.is_bumped = True
        if folder.state is FolderState.QUEUED:
            self._push(key, folder)
        return True

    def bumped(self) -> int:
        """How many folders are queued that are to be measured before all others."""
        queued = {key for key in self._queue.in_lane(Lane.BUMPED) if key in self.active}
        return sum(self.active[key].state is FolderState.QUEUED and self.active[key].is_bumped for key in queued)

    def retry(self, key: FolderKey, now: float) -> None:
        """Try the folder again now, as if nothing had happened to it; one that is running or unknown is only read."""
        folder = self.active.get(key)
        if folder is not None and key not in self.lost:
            folder.attempts = folder.charges = folder.suspicions = 0
            folder.is_pardoned = folder.state is FolderState.RUNNING
            self._start_over(key, folder)
            self._cleared(key, folder)
        self.hint(key, now)

    def resume(self, dataset: str, cause: Cause, now: float) -> None:
        """What hindered folders of this dataset is over."""
        for key, folder in self.active.items():
            # What the disk does to one folder alone is waited out.
            if key.dataset == dataset and folder.cause is cause and cause is not Cause.IO:
                folder.attempts = 0
                if cause is Cause.MEMORY and folder.state not in (FolderState.QUEUED, FolderState.RUNNING):
                    folder.charges = folder.starved = 0
                self._start_over(key, folder)
                self._look(key, now)

    def _cleared(self, key: FolderKey, folder: Folder) -> None:
        """Nobody suspects it any more: where it waits among the suspects, it waits among the others from now on."""
        was_alone, folder.is_suspect, folder.starved = folder.goes_alone, False, 0
        if was_alone and folder.state is FolderState.QUEUED:
            self._push(key, folder)

    def _start_over(self, key: FolderKey, folder: Folder) -> None:
        """Whatever it has come to: the next reading decides anew."""
        folder.retry_at = 0.0
        if folder.state not in (FolderState.QUEUED, FolderState.RUNNING):
            self._enter(key, folder, FolderState.SETTLING)

    def give_up(self, dataset: str, reason: str, now: float) -> list[FolderKey]:
        """Block what is on its way in a dataset, apart from what is running; the folders that this was done to."""
        waiting = (*TO_DO, FolderState.LOCKED)
        keys = [
            key
            for key, folder in self.active.items()
            if key.dataset == dataset and folder.state in waiting and folder.state is not FolderState.RUNNING
        ]
        for key in keys:
            folder = self.active[key]
            self._enter(key, folder, FolderState.BLOCKED)
            folder.reasons, folder.ended = {"": reason}, now
        return keys

    def interrupted(self, key: FolderKey, again: float | None = None) -> None:
        """The job was ended by us, not by any fault: nothing is charged. It is looked at `again` at that moment."""
        self._enter(key, self.active[key], FolderState.SETTLING)
        if again is not None:
            self._look(key, again)

    def lose(self, key: FolderKey, pid: int) -> Folder:
        """The worker at the folder cannot be killed; the folder's entry, which stays locked until that ends."""
        folder = self.active[key]
        folder.retry_at, folder.cause = 0.0, Cause.NONE
        folder.reasons = {"": f"its worker, PID {pid}, was killed and does not end: it waits for the disk"}
        self.lost[key] = pid
        self._enter(key, folder, FolderState.LOCKED)
        return folder

    def found(self, key: FolderKey, now: float) -> None:
        """A lost worker has ended: the folder is looked at again, as if nothing had happened to it."""
        self.lost.pop(key, None)
        if key in self.active:
            self._start_over(key, self.active[key])
        self._look(key, now)

    def go_on(self, dataset: str, now: float) -> None:
        """The dataset's disk answers: what was put off is looked at."""
        for key in self._put_off.pop(dataset, ()):
            self._look(key, now)

    def is_outdated(self, key: FolderKey) -> bool:
        """Whether the reading under way began before the folder's last job ended: it knows less than that told."""
        return key in self._outdated

    def ended(self, key: FolderKey) -> None:
        """The job of a folder ended that is in no dataset of ours any more."""
        self._accepted_as_gone.discard(key)
        self._leave(key)
        self._warn(key, ())

    def forget(self, key: FolderKey) -> None:
        """There is no such track folder any more, as an accepted walk found; one that is running goes after its job."""
        if self._is_running(key):
            self._accepted_as_gone.add(key)
            return
        self.ended(key)

    def is_gone_for_good(self, key: FolderKey) -> bool:
        """Whether the folder needs no second word to be forgotten where its dataset looks lost."""
        return key in self._accepted_as_gone and not self._is_running(key)

    # What follows

    def put_off(self) -> list[str]:
        """The datasets in which looks were put off."""
        return [path for path, keys in self._put_off.items() if keys]

    def looks(self, now: float, without: Container[str] = ()) -> list[FolderKey]:
        """The folders that have to be read now; each has one reading under way at most. Those in some are put off."""
        due: list[FolderKey] = []
        while self._agenda and self._agenda[0][0] <= now:
            _, key = heapq.heappop(self._agenda)
            if key in self.lost:
                pass
            elif key.dataset in without:
                self._put_off[key.dataset].add(key)
            elif key in self._reading:
                self._again.add(key)
            else:
                self._reading.add(key)
                due.append(key)
        return due

    def first_in_line(self, dataset: str) -> float | None:
        """Since when the folder has been at rest that is next in this dataset; None where none waits."""
        for key in self._queue.waiting(dataset):
            folder = self.active.get(key)
            if folder is not None and folder.state is FolderState.QUEUED:
                return folder.settling.since
        return None

    def being_read(self) -> set[str]:
        """The datasets in which folders are being read."""
        return {key.dataset for key in self._reading}

    def next_look(self) -> float | None:
        """When `looks` has something to say again; None: not by itself."""
        return self._agenda[0][0] if self._agenda else None

    def not_ours(self, key: FolderKey) -> None:
        """A reading came in of a dataset that was dropped meanwhile."""
        self._reading.discard(key)
        self._outdated.discard(key)

    def drop(self, dataset: str) -> None:
        """The dataset is no longer ours; what runs in it is forgotten when it ends, what is being read when it is."""
        self._queue.forget(dataset)
        self._put_off.pop(dataset, None)
        self._agenda = [(when, key) for when, key in self._agenda if key.dataset != dataset]
        heapq.heapify(self._agenda)
        self._again = {key for key in self._again if key.dataset != dataset}
        self._left_places = {key: lane for key, lane in self._left_places.items() if key.dataset != dataset}
        self._accepted_as_gone = {key for key in self._accepted_as_gone if key.dataset != dataset}
        for key in self.known(dataset):
            if (folder := self.active.get(key)) is not None:
                folder.lane = None
            if not self._is_running(key):
                self.ended(key)
        self.complete.drop(dataset)
        for key in list(self.warnings[dataset]):
            self._warn(key, ())

    def knows(self, key: FolderKey) -> bool:
        """Whether there is such a track folder, as far as is known."""
        return key in self.active or key in self.complete

    def known(self, dataset: str) -> set[FolderKey]:
        """Every folder of a dataset that is known."""
        return {key for key in (*self.active, *self.complete) if key.dataset == dataset}

    def count(self, dataset: str) -> int:
        """How many folders of a dataset are known."""
        return sum(self.counts[dataset].values())

    def walk_begins(self, dataset: str) -> None:
        """A walk begins: what was done before this, it will see."""
        self._just_done = {key for key in self._just_done if key.dataset != dataset}

    def begin_round(self, dataset: str) -> None:
        """A full walk begins: from now on is kept which folders it comes by."""
        self._rounds[dataset] += 1
        self.complete.begin_round(dataset)

    def not_seen(self, dataset: str) -> list[FolderKey]:
        """The folders that are known and that no walk has come by since the round began."""
        complete = [FolderKey(dataset, path) for path in self.complete.not_seen(dataset)]
        current = self._rounds[dataset]
        return complete + [key for key, each in self.active.items() if key.dataset == dataset and each.round != current]

    def stale_warnings(self, dataset: str) -> list[FolderKey]:
        """The directories with warnings that are no track folders, and that no walk spoke of since the round began."""
        current = self._rounds[dataset]
        return [
            key
            for key in self.warnings[dataset]
            if self._warned_in[key] != current and key not in self.active and key not in self.complete
        ]

    def busy(self, without: Container[str] = ()) -> bool:
        """Whether any folder is still on its way to an end, or about to be read; in other datasets than some."""
        if any(path not in without for path in (*self.being_read(), *self.put_off())):
            return True
        left = (counts for path, counts in self.counts.items() if path not in without)
        return any(counts[state] for counts in left for state in TO_DO)

    # How

    def _looked(self, key: FolderKey, now: float) -> bool:
        """Take note that a reading is here; whether it is older than what a job has told since."""
        self._reading.discard(key)
        if key in self._again:
            self._again.discard(key)
            self._look(key, now)
        is_outdated = key in self._outdated
        self._outdated.discard(key)
        return is_outdated

    def _doubts(self, reading: Reading) -> bool:
        """Whether a walk contradicts what is known: its readings come in batches and may be older than that."""
        if reading.finding is Finding.DUE:
            return reading.key in self._just_done
        folder = self.active.get(reading.key)
        if folder is None:
            return reading.key in self.complete and reading.finding is not Finding.COMPLETE
        return reading.finding.value != folder.state.value

    def _is_running(self, key: FolderKey) -> bool:
        folder = self.active.get(key)
        return folder is not None and folder.state is FolderState.RUNNING

    def _entry(self, key: FolderKey, *, walk: bool) -> Folder:
        self._accepted_as_gone.discard(key)
        if key in self.active:
            return self.active[key]
        self._leave(key)
        place = self._left_places.pop(key, None)
        folder = self.active[key] = Folder(fresh=not walk, round=self._rounds[key.dataset], lane=place)
        self.counts[key.dataset][folder.state] += 1
        return folder

    def _enter(self, key: FolderKey, folder: Folder, state: FolderState) -> None:
        counts = self.counts[key.dataset]
        counts[folder.state] -= 1
        counts[state] += 1
        folder.state = state
        self.troubled.pop(key, None)
        self.blocked.discard(key)
        if state in TROUBLED:
            self.troubled[key] = None
        if state is FolderState.BLOCKED:
            self.blocked.add(key)

    def _leave(self, key: FolderKey) -> None:
        folder = self.active.pop(key, None)
        if folder is not None:
            self.counts[key.dataset][folder.state] -= 1
            if folder.lane is not None:
                self._left_places[key] = folder.lane
        elif self.complete.discard(key):
            self.counts[key.dataset][FolderState.COMPLETE] -= 1
        self.troubled.pop(key, None)
        self.blocked.discard(key)

    def _warn(self, key: FolderKey, warnings: tuple[str, ...]) -> None:
        """What needs somebody's eye in a folder from now on."""
        told = self.warnings[key.dataset]
        self.warned[key.dataset] += len(warnings) - len(told.pop(key, ()))
        self._warned_in.pop(key, None)
        if warnings:
            told[key] = warnings
            self._warned_in[key] = self._rounds[key.dataset]

    def _completed(self, key: FolderKey, unavailable: int) -> None:
        self._leave(key)
        self.complete.add(key, unavailable)
        self.counts[key.dataset][FolderState.COMPLETE] += 1

    def _is_due(self, key: FolderKey, folder: Folder, reading: Reading, now: float, *, walk: bool) -> None:
        was_alone = folder.goes_alone
        if folder.state is FolderState.FAILED:  # other analyzers, or somebody asked for it: it begins anew
            folder.charges, folder.suspicions = reading.charges, reading.suspicions
        if reading.signature != folder.settling.signature:
            folder.attempts = folder.starved = 0
            folder.charges, folder.suspicions = reading.charges, reading.suspicions
            folder.is_suspect = folder.suspicions > 0  # since the last run: no job has survived it
            if not folder.suspicions:
                self._cleared(key, folder)
            folder.retry_at = 0.0
        settle = self.limits.settle[key.dataset]
        if reading.at_rest and not reading.on_their_way and folder.settling.signature != reading.signature:
            # Only its record has changed: a moment suffices, for `rm -r` may be on its way to the files.
            folder.settling = Settling(reading.signature, now - max(0.0, settle - _MOMENT))
        when = folder.settling.observe(reading.signature, on_their_way=reading.on_their_way, settle=settle, now=now)
        folder.memory = reading.memory
        folder.due = reading.due if self.limits.once else ()
        if when is not None:
            self._is_restless(key, folder, reading, when, now)
        elif folder.state is FolderState.BLOCKED and not walk and (reading.access == folder.access or folder.starved):
            pass  # what blocked it is as it was: the hint was our own attempt; or it waits for memory
        elif folder.state in (FolderState.BACKOFF, FolderState.LOCKED) and now < folder.retry_at:
            pass
        elif folder.state is not FolderState.QUEUED or folder.goes_alone != was_alone:
            self._enter(key, folder, FolderState.QUEUED)
            self._push(key, folder)

    def _waits_for_record(self, reading: Reading, now: float, *, walk: bool) -> bool:
        """Whether an unclear record has still to come to rest, as source files have to: it may be half-written."""
        folder = self._entry(reading.key, walk=walk)
        settle = self.limits.settle[reading.key.dataset]
        when = folder.writing.observe(reading.unclear, on_their_way=False, settle=settle, now=now)
        if when is None:
            return False
        self._enter(reading.key, folder, FolderState.SETTLING)
        self._look_at_rest(reading.key, folder, when, now)
        return True

    def _look_at_rest(self, key: FolderKey, folder: Folder, when: float, now: float) -> None:
        if not now < folder.rest_look <= when:  # else that one sees it, and asks for the next
            folder.rest_look = when
            self._look(key, when)

    def _push(self, key: FolderKey, folder: Folder) -> None:
        ordinary = Lane.BUMPED if folder.is_bumped else Lane.FRESH if folder.fresh else Lane.BACKFILL
        lane = Lane.SUSPECT if folder.goes_alone else ordinary
        if folder.lane is not lane:
            folder.lane = lane
            self._queue.push(key, lane)

    def _is_restless(self, key: FolderKey, folder: Folder, reading: Reading, when: float, now: float) -> None:
        if folder.settling.readings > _RESTLESS_READINGS:
            why = f"{reading.waits_for} is still on its way" if reading.on_their_way else "its files keep changing"
            if self.limits.once:
                self._enter(key, folder, FolderState.BLOCKED)
                folder.reasons, folder.ended = {"": why}, now
                return
            self._warn(key, (*reading.warnings, why))
        self._enter(key, folder, FolderState.SETTLING)
        self._look_at_rest(key, folder, when, now)

    def _erred(self, key: FolderKey, folder: Folder, result: Result, now: float, *, alone: bool) -> None:
        if result.cause is Cause.MEMORY and not result.charge:
            self._starved(key, folder, result, now, alone=alone)
            return
        folder.charges += result.charge or (self.limits.once and result.cause is not Cause.HANG)
        if folder.charges >= self.limits.max_deaths:
            self._enter(key, folder, FolderState.FAILED)
            folder.reasons = {
                name: f"{why} (gave up after {folder.charges} attempts)" for name, why in result.reasons.items()
            }
        else:
            self._wait(key, folder, FolderState.BACKOFF, self.limits.backoff, now)

    def _starved(self, key: FolderKey, folder: Folder, result: Result, now: float, *, alone: bool) -> None:
        """Memory was short while it ran: it runs again later, alone; what does not fit then waits for other limits."""
        folder.starved += 1
        if alone and folder.starved >= self.limits.max_deaths:
            why = f"{in_one_line(result.reasons)}, {folder.starved} times, with nothing beside it at last"
            folder.reasons = {"": f"{why}; it is tried again when the service may have more memory"}
            self._enter(key, folder, FolderState.BLOCKED)
        else:
            self._wait(key, folder, FolderState.BACKOFF, self.limits.backoff, now)

    def _suspected(self, key: FolderKey, folder: Folder, *, counts: bool) -> None:
        """It goes to the end of the line, and runs alone there; after `max_suspect` times in a row it is given up.

        Not for a death that it cannot have brought about, however often: see `died`.
        """
        folder.died(counts=counts)
        folder.is_suspect = True
        if counts and folder.suspicions >= self.limits.max_suspect and not self.limits.once:
            self._enter(key, folder, FolderState.FAILED)
            times = f"{folder.suspicions} times in a row"
            folder.reasons = {"": f"whoever worked on it died without giving back its lock, {times}"}
        elif folder.state in (FolderState.RUNNING, FolderState.QUEUED):
            self._enter(key, folder, FolderState.QUEUED)
            self._push(key, folder)

    def _wait(
        self, key: FolderKey, folder: Folder, state: FolderState, delays: tuple[float, float], now: float
    ) -> None:
        self._enter(key, folder, state)
        first, longest = delays
        delay = min(longest, first * 2.0 ** min(folder.attempts, _DOUBLINGS))
        folder.attempts += 1
        # Spread by the folder's name, so that what failed together does not come back together.
        jitter = zlib.crc32(key.path.encode(errors="surrogateescape")) % 256 / 1024
        folder.retry_at = now + delay * (1 + jitter)
        self._look(key, folder.retry_at)

    def _look_soon(self, key: FolderKey, folder: Folder, now: float) -> None:
        """A copy sends hundreds of events: one reading a second sees when the last of them was."""
        if now >= folder.soon:
            folder.soon = now + min(_BETWEEN_HINTS, self.limits.settle[key.dataset] / 2)
            self._look(key, folder.soon)

    def _look(self, key: FolderKey, when: float) -> None:
        if key not in self.lost:
            heapq.heappush(self._agenda, (when, key))

"""The books: every track folder's state, how many folders are in each, and which one is measured next.

What moves a folder from one state to another is `transitions`. A folder is `running` in one slot at most, because only
`take` makes it so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Container

from audiobatchd.core.blocked import Blocked
from audiobatchd.core.completed import Complete
from audiobatchd.core.folder import Folder
from audiobatchd.core.queue import Lane, Queue
from audiobatchd.core.warnings import Warnings
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import TO_DO, TROUBLED, FolderState


class Ledger:
    """The states of all folders, the counts of them, and their places in the queue."""

    def __init__(self) -> None:
        self.active: dict[FolderKey, Folder] = {}
        """The folders that are known and not complete."""
        self.complete = Complete()
        self.troubled: dict[FolderKey, None] = {}
        """The folders that failed or are blocked, the latest last."""
        self.blocked = Blocked()
        self.counts: dict[str, Counter[FolderState]] = defaultdict(Counter)
        """Number of folders in each state, by dataset."""
        self.warnings = Warnings()
        self._queue = Queue()
        self._left_places: dict[FolderKey, Lane] = {}
        """The places in the queue of folders that are gone, which they take again when they come back."""
        self._rounds: Counter[str] = Counter()
        """Number of the last round of full walks, by dataset."""

    # States

    def entry(self, key: FolderKey, *, walk: bool) -> Folder:
        """The folder's entry; a new one where it had none, as a `walk` or a hint found it."""
        if key in self.active:
            return self.active[key]
        self.leave(key)
        place = self._left_places.pop(key, None)
        folder = self.active[key] = Folder(fresh=not walk, round=self.round(key.dataset), lane=place)
        self.counts[key.dataset][folder.state] += 1
        return folder

    def enter(self, key: FolderKey, folder: Folder, state: FolderState) -> None:
        """Put a folder into another state; one that is `queued` takes its place in the queue."""
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
        if state is FolderState.QUEUED:
            self.take_place(key, folder)

    def completed(self, key: FolderKey, unavailable: int) -> None:
        """Enter a folder among the complete; so many of its features are unavailable here."""
        self.leave(key)
        self.add_complete(key, unavailable)

    def add_complete(self, key: FolderKey, unavailable: int) -> None:
        """Enter a folder that has no other state among the complete, or see it there again."""
        self.counts[key.dataset][FolderState.COMPLETE] += key not in self.complete
        self.complete.add(key, unavailable)

    def leave(self, key: FolderKey) -> None:
        """Strike out a folder, whatever its state is."""
        folder = self.active.pop(key, None)
        if folder is not None:
            self.counts[key.dataset][folder.state] -= 1
            if folder.lane is not None:
                self._left_places[key] = folder.lane
        elif self.complete.discard(key):
            self.counts[key.dataset][FolderState.COMPLETE] -= 1
        self.troubled.pop(key, None)
        self.blocked.discard(key)

    def drop(self, dataset: str) -> None:
        """Forget the places and the complete folders of a dataset; the others leave one by one."""
        self._queue.forget(dataset)
        self._left_places = {key: lane for key, lane in self._left_places.items() if key.dataset != dataset}
        for key, folder in self.active.items():
            if key.dataset == dataset:
                folder.lane = None
        self.counts[dataset][FolderState.COMPLETE] = 0
        self.complete.drop(dataset)
        self.warnings.drop(dataset)

    # The queue

    def take_place(self, key: FolderKey, folder: Folder) -> None:
        """Put a folder into the lane where it belongs, unless it stands there already."""
        found = Lane.RENEWAL if folder.renewed else Lane.BACKFILL
        ordinary = Lane.BUMPED if folder.is_bumped else Lane.FRESH if folder.fresh else found
        lane = Lane.SUSPECT if folder.goes_alone else ordinary
        if folder.lane is not lane:
            folder.lane = lane
            self._queue.push(key, lane)

    def take(
        self, without: Collection[str] = (), untold: Collection[str] = (), *, suspect: bool = False
    ) -> tuple[FolderKey, Folder] | None:
        """The next folder to be measured, now `running`; None when nothing is queued in datasets not in `without`.

        One that goes alone, a `suspect`, is a case of its own: nothing else may run beside it. In the datasets `untold`
        no folder is taken that was complete before.
        """
        lanes = (Lane.SUSPECT,) if suspect else (Lane.BUMPED, Lane.FRESH, Lane.BACKFILL)
        while True:
            popped = self._queue.pop(*lanes, without=without)
            if popped is None and not suspect:
                popped = self._queue.pop(Lane.RENEWAL, without={*without, *untold})
            if popped is None:
                return None
            key, lane = popped
            folder = self.active.get(key)
            if folder is None:
                self._left_places.pop(key, None)
            elif folder.lane is lane:
                folder.lane = None
            if folder is not None and folder.state is FolderState.QUEUED and folder.goes_alone == suspect:
                self.enter(key, folder, FolderState.RUNNING)
                folder.hinted = folder.is_bumped = folder.is_pardoned = False
                return key, folder

    def first_in_line(self, dataset: str, *, renewals: bool = True) -> float | None:
        """Moment since when the folder has been at rest that is next in this dataset; None where none waits.

        Without `renewals` those that were complete before do not count.
        """
        for key in self._queue.waiting(dataset):
            folder = self.active.get(key)
            if folder is None or folder.state is not FolderState.QUEUED:
                continue
            if renewals or folder.lane is not Lane.RENEWAL:
                return folder.settling.since
        return None

    def waiting(self, without: Container[str] = ()) -> int:
        """Count the queued folders that may be measured while others are, in datasets not in `without`."""
        queued = sum(counts[FolderState.QUEUED] for path, counts in self.counts.items() if path not in without)
        suspects = {key for key in self._queue.in_lane(Lane.SUSPECT) if key.dataset not in without}
        folders = (self.active[key] for key in suspects if key in self.active)
        return queued - sum(each.state is FolderState.QUEUED and each.goes_alone for each in folders)

    def bumped(self) -> int:
        """Count the queued folders that are to be measured before all others."""
        queued = {key for key in self._queue.in_lane(Lane.BUMPED) if key in self.active}
        return sum(self.active[key].state is FolderState.QUEUED and self.active[key].is_bumped for key in queued)

    # Rounds of full walks

    def round(self, dataset: str) -> int:
        """The number of the dataset's last round of full walks."""
        return self._rounds[dataset]

    def begin_round(self, dataset: str) -> None:
        """Keep from now on which folders a full walk comes by."""
        self._rounds[dataset] += 1
        self.complete.begin_round(dataset)

    def not_seen(self, dataset: str) -> list[FolderKey]:
        """The folders that are known and that no walk has come by since the round began."""
        complete = [FolderKey(dataset, path) for path in self.complete.not_seen(dataset)]
        current = self.round(dataset)
        return complete + [key for key, each in self.active.items() if key.dataset == dataset and each.round != current]

    def warn(self, key: FolderKey, warnings: tuple[str, ...]) -> None:
        """Put these warnings in place of what was told of a directory."""
        self.warnings.tell(key, warnings, self.round(key.dataset))

    def stale_warnings(self, dataset: str) -> list[FolderKey]:
        """The directories with warnings that are no track folders, and that no walk spoke of since the round began."""
        return [key for key in self.warnings.stale(dataset, self.round(dataset)) if not self.knows(key)]

    # Questions

    def state_of(self, key: FolderKey) -> FolderState | None:
        """The folder's state; None where it is not known."""
        folder = self.active.get(key)
        if folder is not None:
            return folder.state
        return FolderState.COMPLETE if key in self.complete else None

    def knows(self, key: FolderKey) -> bool:
        """Tell whether there is such a track folder, as far as is known."""
        return key in self.active or key in self.complete

    def known(self, dataset: str) -> set[FolderKey]:
        """Return every folder of a dataset that is known."""
        return {key for key in (*self.active, *self.complete) if key.dataset == dataset}

    def count(self, dataset: str) -> int:
        """Count the folders of a dataset that are known."""
        return sum(self.counts[dataset].values())

    def is_unreadable(self, key: FolderKey) -> bool:
        """Tell whether the directory itself could not be read when it was last looked at."""
        folder = self.active.get(key)
        return folder is not None and folder.state is FolderState.BLOCKED and not folder.settling.signature

    def to_do(self, without: Container[str] = ()) -> bool:
        """Tell whether any folder is still on its way to an end, in datasets not in `without`."""
        left = (counts for path, counts in self.counts.items() if path not in without)
        return any(counts[state] for counts in left for state in TO_DO)

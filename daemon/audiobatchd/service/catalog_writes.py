"""All that the service writes to the catalog, in one thread: the loop waits for no SQLite.

What a walk or a reading has seen is written where it is seen, by `scan`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from types import MappingProxyType

import msgspec

from audiobatchd.core import actions as do
from audiobatchd.core.assessment import Offer, judges
from audiobatchd.core.events import Event, FolderHint, MissesCounted, RetryAsked, Short
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.scan.readers import Readers
from audiobatchd.service.clock import Clock
from audiobatchd.service.planning import DatasetTerms
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Attempt

_OVER = object()
_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})

_OfFolder = do.Remember | do.Disown | do.Forget | do.KeepAttempt
InCatalog = _OfFolder | do.NoteRoot | do.KeepPause | do.KeepPace | do.CountJob | do.CountMisses
"""The actions that are done here."""
_BETWEEN_FLUSHES = 10.0
"""Seconds between two times that counts of jobs are written: a service that is killed loses no more of them."""
_BETWEEN_PRUNINGS = 3600.0
"""Seconds between two times that old counts are summed up or removed."""
_UNTIL_THE_FIRST = 600.0
"""The same from the start: a service that is often started again prunes too."""
_STEADY = 60.0
"""Seconds by which the time of day may be off after that, for it to be believed."""


class CatalogWrites:
    """The catalog's thread. `post` takes an event from it; what breaks there is handed to `broken`."""

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        post: Callable[[Event], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._post = post
        self._broken = broken
        self._thread = Readers(1)
        self._offers: tuple[Offer, ...] = ()
        self._terms: dict[str, DatasetTerms] = {}
        self._forgotten: deque[FolderKey] = deque()
        """Folders that are gone, which the thread has not yet had removed."""
        self._flushed = clock.monotonic()
        """The moment when counts of jobs were written last."""
        ahead = _BETWEEN_PRUNINGS - _UNTIL_THE_FIRST
        self._clocks = clock.since_boot() - ahead, clock.wall().timestamp() - ahead
        """The last moment that old counts were, or might have been, removed, by both clocks."""
        self._ending = False

    def take_terms(self, terms: dict[str, DatasetTerms]) -> None:
        """Keep what is known of these datasets from now on; that of others is removed bit by bit."""
        before, self._terms = self._terms, terms
        if before.keys() - terms.keys():
            self._prune(None)

    def take_offers(self, offers: tuple[Offer, ...]) -> None:
        """Note what the analyzers give now, for the next start and for the verdicts on folders."""
        if offers != self._offers:
            self._offers = offers
            self._submit(partial(self._catalog.facts.note_offers, offers))

    def perform(self, action: InCatalog) -> None:
        """Do what the core wants done in the catalog."""
        match action:
            case do.Remember():
                self._remember(action)
            case do.Disown():
                self._submit(partial(self._disown, action))
            case do.Forget():
                self._forget(action)
            case do.NoteRoot(dataset, root, place):
                self._submit(partial(self._catalog.facts.note_root, dataset, root, place))
                self._prune(dataset)
            case do.KeepPause():
                self._keep_pause(action)
            case do.KeepPace(spent, rates):
                self._submit(partial(self._catalog.facts.note_pace, spent, rates))
            case do.CountJob():
                self._catalog.history.count(action, self._clock.wall().timestamp(), self._clock.monotonic())
            case do.KeepAttempt(key, attempt):
                self._keep_attempt(key, attempt)
            case do.CountMisses(dataset):
                self._submit(lambda: self._post(MissesCounted(dataset, self._catalog.sightings.misses(dataset))))

    def pardon(self, keys: Collection[FolderKey], disowned: Mapping[str, tuple[str, ...]] = _NONE) -> None:
        """Forget what keeps folders from being tried again, then ask for a retry of each.

        `disowned` are features, by role, that are to be measured although records have them from other tools.
        """

        def work() -> None:
            self._catalog.folders.pardon(keys)
            for key in keys:
                self._post(RetryAsked(key, disowned))

        self._submit(work)

    def again(self) -> None:
        """Try again what could not be written, or not be begun for want of a thread; called every second or so."""
        if trouble := self._thread.grow():
            self._post(Short(trouble))
        if self._catalog.trouble:
            self._submit(self._catalog.retry)
        now = self._clock.monotonic()
        if now - self._flushed >= _BETWEEN_FLUSHES and self._catalog.history.has_news:
            self._flushed = now
            self._submit(self._catalog.history.flush)
        if self._clock.since_boot() - self._clocks[0] >= _BETWEEN_PRUNINGS:
            self._prune_history()

    def stop(self, patience: float) -> None:
        """Finish what was asked, for `patience` seconds at most."""
        self._ending = True
        self._submit(self._catalog.history.flush)
        self._thread.stop(patience)

    def _remember(self, action: do.Remember) -> None:
        counts = action.verdict or action.charges or action.suspicions
        memory = FolderMemory(
            action.memory,
            action.verdict,
            action.signature if counts else "",
            self._judges_of(action) if action.verdict else "",
            action.charges,
            action.suspicions,
        )
        # Now: a reading of this folder may begin before the catalog's thread is there.
        self._catalog.folders.expect(action.key, memory)
        self._submit(partial(self._catalog.folders.note, {action.key: memory}))

    def _disown(self, action: do.Disown) -> None:
        # First, so that whatever happens in between a walk does not take the folder for complete as it was seen last.
        self._catalog.sightings.forget(action.key.dataset, [action.key.path])
        self._catalog.folders.disown(action.key, action.disowned)
        self._post(FolderHint(action.key))

    def _judges_of(self, action: do.Remember) -> str:
        terms = self._terms.get(action.key.dataset)
        return judges(self._offers, terms.worker_memory if terms and action.by_memory else None)

    def _forget(self, action: do.Forget) -> None:
        keys = [FolderKey(action.dataset, path) for path in action.paths]
        for key in keys:
            self._catalog.folders.expect(key)
        if action.accepted:
            self._submit(partial(self._catalog.sightings.forget, action.dataset, action.paths))
        self._forgotten.extend(keys)
        self._submit(self._forget_all)

    def _forget_all(self) -> None:
        # All that are waiting, in few transactions: the work that was submitted for each of the others finds none left.
        self._catalog.folders.forget([self._forgotten.popleft() for _ in range(len(self._forgotten))])

    def _keep_pause(self, action: do.KeepPause) -> None:
        if not action.paused:
            self._submit(partial(self._catalog.facts.forget_pause, action.dataset))
        else:
            until = None if action.seconds is None else self._clock.wall().timestamp() + action.seconds
            self._submit(partial(self._catalog.facts.note_pause, action.dataset, until))

    def _keep_attempt(self, key: FolderKey, attempt: Attempt) -> None:
        attempt = msgspec.structs.replace(attempt, at=self._clock.wall().isoformat(timespec="seconds"))
        self._submit(partial(self._catalog.folders.add_attempt, key, attempt))

    def _prune(self, walked: str | None) -> None:
        """Remove what describes nothing any more, a step at a time, so that other work comes between."""
        self._in_steps(self._catalog.prune(lambda: self._terms, walked))

    def _prune_history(self) -> None:
        """Let history grow old, unless the time of day has jumped: all would be too old for a clock that is ahead."""
        before, self._clocks = self._clocks, (self._clock.since_boot(), self._clock.wall().timestamp())
        if abs((self._clocks[1] - before[1]) - (self._clocks[0] - before[0])) <= _STEADY:
            self._in_steps(self._catalog.history.prune(self._clocks[1]))

    def _in_steps(self, steps: Iterator[None]) -> None:
        def step() -> None:
            if next(steps, _OVER) is not _OVER and not self._ending:
                self._submit(step)

        self._submit(step)

    def _submit(self, work: Callable[[], None]) -> None:
        self._thread.do(work, self._broken)

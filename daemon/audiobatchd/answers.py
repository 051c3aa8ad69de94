"""What the control socket asks of the daemon, answered out of the core, the catalog, and a look at the disk.

What changes something becomes an event like any other, and is done when its turn comes.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial

import msgspec

from audiobatchd.catalog import Catalog
from audiobatchd.census import census
from audiobatchd.clock import Clock
from audiobatchd.core.events import FolderHint, PauseAsked, RescanAsked, ResumeAsked
from audiobatchd.errors import UnknownFolderError, UsageError
from audiobatchd.explanation import explained, facts_of
from audiobatchd.locks import caretaker
from audiobatchd.model import Cause, FolderKey, FolderState
from audiobatchd.names import parsed
from audiobatchd.requests import (
    CleanedLocks,
    CleanLocks,
    FolderName,
    Nothing,
    Pause,
    Paused,
    Reloaded,
    Rescan,
    Resume,
    Retried,
    RetryFolders,
    Survey,
    Surveyed,
)
from audiobatchd.sightings import Sightings
from audiobatchd.status import FolderReport, Status, Trouble
from audiobatchd.supervisor import Supervisor
from audiobatchd.survey import Asked, Keys, Offered


class Answers:
    """The daemon's side of every request; the server in `control` is the other. Called in the event loop."""

    def __init__(self, supervisor: Supervisor, catalog: Catalog, clock: Clock) -> None:
        self._supervisor = supervisor
        self._core = supervisor.core
        self._catalog = catalog
        self._clock = clock

    def may_change(self, uid: int) -> bool:
        """Whether this user may have the daemon do something."""
        return self._supervisor.may_change(uid)

    async def reload(self) -> Reloaded:
        """Read the configuration again and go by it. Raises ConfigError: then nothing has changed."""
        return await self._supervisor.reload()

    def status(self) -> Status:
        """What `GET /v1/status` answers, now."""
        return self._supervisor.overview.status(self._clock.monotonic(), self._clock.wall())

    async def failures(self) -> list[Trouble]:
        """Every folder that failed or is blocked, the latest first; made in a thread, for there may be a million."""
        return await asyncio.to_thread(self._supervisor.overview.failures, self._clock.monotonic(), self._clock.wall())

    async def explain(self, name: FolderName) -> FolderReport:
        """What is known of one folder, and what comes next. Raises UsageError and UnknownFolderError."""
        key = self._key_of(name)
        scanner = self._supervisor.errands.scanner(key.dataset)
        if scanner is None:
            raise _no_such(name.dataset)
        work = partial(facts_of, key, scanner, self._catalog)
        facts = await asyncio.wrap_future(self._supervisor.errands.submit(key.dataset, work))
        if not facts.is_track and key not in self._core.ledger.active:
            message = f"there is no track folder {name.folder} in {name.dataset}"
            raise UnknownFolderError(message)
        return explained(self._core, key, facts, self._clock.monotonic(), self._clock.wall())

    async def retry(self, request: RetryFolders) -> Retried:
        """Try folders again, whatever they have come to. Raises UsageError and UnknownFolderError."""
        keys = {self._key_of(name) for name in request.folders}
        unknown = [key for key in keys if key not in self._core.ledger.active and key not in self._core.ledger.complete]
        if unknown:
            message = f"there is no track folder {unknown[0].path} in {unknown[0].dataset}"
            raise UnknownFolderError(message)
        if request.all or request.dataset:
            wanted = self._dataset_of(request.dataset) if request.dataset else None
            keys |= {key for key in self._core.ledger.troubled if wanted in (None, key.dataset)}
        self._supervisor.errands.pardon(keys)
        return Retried(len(keys))

    async def survey(self, request: Survey) -> Surveyed:
        """What the folders of a dataset have and lack, by what is known of them. Raises UsageError."""
        path = self._dataset_of(request.dataset)
        dataset = self._core.datasets[path]
        if not (self._catalog.lasts and (dataset.walks or dataset.passes)):
            message = f"{request.dataset} has not been walked yet"
            raise UsageError(message)
        asked: Asked = Keys(tuple(dict.fromkeys(request.features)))
        if not request.features:
            asked = Offered(self._core.offers or (), self._core.plan.policies[path])
        busy = {
            key.path
            for key, folder in self._core.ledger.active.items()
            if key.dataset == path and folder.state in (FolderState.RUNNING, FolderState.LOCKED)
        }
        work = partial(census, path, Sightings(self._catalog), asked, busy, names=request.names)
        return await asyncio.wrap_future(self._supervisor.errands.submit(path, work))

    def bump(self, name: FolderName) -> Retried:
        """Have a folder measured before all others. Raises UsageError and UnknownFolderError."""
        key = self._key_of(name)
        if not self._core.ledger.bump(key):
            message = f"{name.folder} in {name.dataset} waits for nothing"
            raise UnknownFolderError(message)
        self._supervisor.tell(FolderHint(key))
        return Retried(1)

    def pause(self, request: Pause) -> Paused:
        """Give out no more jobs. Raises UsageError."""
        paths = self._datasets_of(request.dataset)
        for path in paths:
            self._supervisor.tell(PauseAsked(path, request.seconds))
        return Paused(len(paths))

    def resume(self, request: Resume) -> Paused:
        """Give out jobs again. Raises UsageError."""
        paths = [
            path for path in self._datasets_of(request.dataset) if Cause.OPERATOR in self._core.datasets[path].holds
        ]
        for path in paths:
            self._supervisor.tell(ResumeAsked(path))
        return Paused(len(paths))

    def rescan(self, request: Rescan) -> Nothing:
        """Walk a dataset now. Raises UsageError."""
        self._supervisor.tell(RescanAsked(self._dataset_of(request.dataset), request.accept))
        return Nothing()

    async def clean_locks(self, request: CleanLocks) -> CleanedLocks:
        """Remove the locks of the dead of one dataset, in a thread. Raises UsageError for what is none of ours."""
        path = self._dataset_of(request.dataset)
        settings = next(each for each in self._supervisor.config.dataset if each.path == path)

        def work() -> CleanedLocks:
            there = msgspec.structs.replace(request, dataset=os.path.realpath(path))
            return caretaker.clean_up(there, settings.ignore, alone=settings.alone)

        try:
            return await asyncio.wrap_future(self._supervisor.errands.submit(path, work))
        except OSError as error:
            message = f"cannot look for locks in {request.dataset}: {error.strerror}"
            raise UsageError(message) from error

    def _datasets_of(self, name: str) -> list[str]:
        """The named one, or all."""
        return [self._dataset_of(name)] if name else list(self._core.datasets)

    def _dataset_of(self, name: str) -> str:
        path = parsed(name)
        if path in self._core.datasets:
            return path
        for each, dataset in self._core.datasets.items():
            if path and path in (dataset.place, dataset.leads_to):
                return each
        raise _no_such(name)

    def _key_of(self, name: FolderName) -> FolderKey:
        dataset, path = self._dataset_of(name.dataset), parsed(name.folder)
        parts = path.split("/") if path not in ("", ".") else []
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            message = f"not a path below a dataset: {name.folder}"
            raise UsageError(message)
        return FolderKey(dataset, "/".join(parts))


def _no_such(dataset: str) -> UsageError:
    return UsageError(f"no such dataset: {dataset}")

"""The answers to requests of the control socket, out of the core, the catalog, and a look at the disk.

What changes something becomes an event like any other, and is done when its turn comes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

import msgspec

from audiobatchd.control.history import AskHistory, History
from audiobatchd.control.requests import (
    CleanedLocks,
    CleanLocks,
    FolderName,
    Pause,
    Paused,
    Reloaded,
    Rescan,
    Rescanned,
    Resume,
    Retried,
    RetryFolders,
    Survey,
    Surveyed,
    WebLink,
)
from audiobatchd.control.server.access import Peer
from audiobatchd.control.status import FolderReport, Status, Trouble
from audiobatchd.core.asked import features_of, keys_of, left_out, unknown_among, why_unknown
from audiobatchd.core.events import BumpAsked, PauseAsked, RescanAsked, ResumeAsked
from audiobatchd.core.holds import NO_ANSWER
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.disk.probes import PATIENCE
from audiobatchd.errors import UnknownFolderError, UsageError
from audiobatchd.locks import upkeep
from audiobatchd.locks.reaper import Terms
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.scan.survey import Asked, Keys, Offered, survey_catalog
from audiobatchd.service.answers.folder import Facts, explained, facts_of, hindrance
from audiobatchd.service.answers.history import history_of
from audiobatchd.service.answers.naming import Naming, no_folder
from audiobatchd.service.answers.results import ResultAnswers
from audiobatchd.service.answers.states import FolderStates
from audiobatchd.service.clock import Clock
from audiobatchd.service.supervisor import Supervisor
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.names import folder_at, folder_shown, parsed, shown
from audiobatchd.vocabulary.quantities import counted
from audiobatchd.vocabulary.states import Cause, DatasetState, FolderState

# NAME_MAX and PATH_MAX of Linux, in bytes; the latter with the zero at its end.
_LONGEST_NAME, _LONGEST_PATH = 255, 4096


class Answers(ResultAnswers):
    """The service's side of every request; the server in `control` is the other. Called in the event loop."""

    def __init__(
        self, supervisor: Supervisor, catalog: Catalog, clock: Clock, link: Callable[[Peer], WebLink] | None = None
    ) -> None:
        """Answer out of these; `link` makes links to the page, where there may be one."""
        self._supervisor = supervisor
        self._link = link
        self._core = supervisor.core
        self._catalog = catalog
        self._clock = clock
        self._naming = Naming(catalog.sightings, self._is_known)
        super().__init__(catalog, self._with_states)

    def may_change(self, uid: int) -> bool:
        """Tell whether this user may have the service do something."""
        return self._supervisor.may_change(uid)

    def web_link(self, peer: Peer) -> WebLink:
        """Make a link to the page. Raises UsageError where there is none."""
        if self._link is None:
            raise UsageError("there is no page")
        return self._link(peer)

    def place(self, name: FolderName) -> FolderKey:
        """Find where a folder lies. Raises UsageError and UnknownFolderError, also where its disk does not answer."""
        key = self._key_of(name)
        # Not `is_left_alone`: a disk that is asked whether it answers mostly does, within a moment.
        if Cause.HANG in self._core.datasets[key.dataset].holds:
            message = f"cannot look into {name.dataset}: {NO_ANSWER}"
            raise UsageError(message)
        return key

    async def reload(self) -> Reloaded:
        """Read the configuration again and go by it. Raises ConfigError: then nothing has changed."""
        return await self._supervisor.reload()

    def status(self) -> Status:
        """Return what `GET /v1/status` answers, now."""
        return self._supervisor.overview.status(self._clock.monotonic(), self._clock.wall())

    async def failures(self) -> list[Trouble]:
        """List every folder that failed or is blocked, the latest first; in a thread, for there may be a million."""
        return await asyncio.to_thread(self._supervisor.overview.failures, self._clock.monotonic(), self._clock.wall())

    async def explain(self, name: FolderName) -> FolderReport:
        """Tell what is known of one folder, and what comes next. Raises UsageError and UnknownFolderError."""
        key = self._key_of(name)
        reader = self._supervisor.disk_tasks.folder_reader(key.dataset)
        if reader is None:
            raise _no_such(name.dataset)
        facts = await self._facts(key, reader)
        is_known = self._core.state_of(key) is not None if facts.is_lost else key in self._core.folders
        if not facts.is_track and not is_known:
            key = await self._naming.found_by_end(key)
            facts = await self._facts(key, reader)
        return explained(self._core, key, facts, self._clock.monotonic(), self._clock.wall())

    async def history(self, asked: AskHistory) -> History:
        """Tell what jobs have come to over time. Raises UsageError."""
        paths = self._datasets_of(asked.dataset)
        return await self.in_turn(partial(history_of, self._catalog.history, paths, asked.since))

    async def _facts(self, key: FolderKey, reader: FolderReader) -> Facts:
        """Look at the folder on disk; where that does not answer, tell what is known of it."""
        if not self._core.datasets[key.dataset].is_left_alone:
            work = partial(facts_of, key, reader, self._catalog)
            asked = asyncio.wrap_future(self._supervisor.disk_tasks.submit(key.dataset, work))
            with suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(asked), PATIENCE)
        finding = Finding.COMPLETE if self._core.state_of(key) is FolderState.COMPLETE else Finding.GONE
        attempts = await in_a_thread(partial(self._catalog.folders.attempts, key))
        return Facts(Reading(key, finding), attempts, f"unknown: {NO_ANSWER}", {})

    async def retry(self, request: RetryFolders) -> Retried:
        """Try folders again, whatever they have come to. Raises UsageError and UnknownFolderError."""
        keys = {self._key_of(name) for name in request.folders}
        known = {key for key in keys if self._is_known(key)}
        keys = known | {await self._naming.found_by_end(key) for key in keys - known}
        if request.features and (request.all or request.dataset):
            raise UsageError("features go with folders that are named")
        disowned = self._by_role(request.features)
        if request.all or request.dataset:
            wanted = self._dataset_of(request.dataset) if request.dataset else None
            keys |= {key for key in self._core.troubled if wanted in (None, key.dataset)}
        self._supervisor.catalog_writes.pardon(keys, disowned)
        return self._retried(keys, complete_too=bool(disowned))

    def _by_role(self, words: list[str]) -> dict[str, tuple[str, ...]]:
        """Find the features that these words ask for, by role. Raises UsageError for an unknown word."""
        offers = self._core.offers or ()
        if unknown := unknown_among(words, offers):
            raise UsageError(why_unknown(unknown, offers, left_out(self._core.plan.left_out)))
        wanted = frozenset(features_of(words, offers))
        given: dict[str, list[str]] = {}
        for offer in offers:
            for role, names in offer.features.items():
                given.setdefault(role, []).extend(name for name in names if name in wanted)
        return {role: tuple(names) for role, names in given.items() if names}

    def _retried(self, keys: set[FolderKey], *, complete_too: bool) -> Retried:
        """Say what a retry comes to by where these folders stand now; `complete_too`: of complete ones as well."""
        active = self._core.folders
        complete = set() if complete_too else {key for key in keys if key not in active}
        running = {key for key in keys & active.keys() if active[key].state is FolderState.RUNNING}
        tried = keys - complete if complete_too else keys - complete - running
        remarks = []
        if complete:
            remarks.append(f"{_folders(complete)} complete: nothing is to be measured, unless files have changed")
        if running and not complete_too:
            remarks.append(f"{_folders(running)} being measured at this moment; earlier charges no longer count")
        return Retried(len(tried), remarks + self._waits({key.dataset for key in tried}))

    def _waits(self, datasets: Collection[str]) -> list[str]:
        """Say what keeps jobs in these datasets waiting, a sentence each."""
        hindrances = [hindrance(self._core.datasets[path]) for path in sorted(datasets)]
        remarks = [each for each in hindrances if each]
        if datasets and not self._core.works:
            remarks.append("the service is stopping: nothing is begun before it is started again")
        return remarks

    async def survey(self, request: Survey) -> Surveyed:
        """Tell what the folders of a dataset have and lack, by what is known of them. Raises UsageError."""
        path = self._dataset_of(request.dataset)
        dataset = self._core.datasets[path]
        if not (self._catalog.lasts and dataset.schedule.has_begun):
            message = f"{request.dataset} has not been walked yet"
            raise UsageError(message)
        offers = self._core.offers or ()
        asked: Asked = Keys(keys_of(request.features, offers))
        if not request.features:
            asked = Offered(offers, self._core.plan.policies[path])
        busy = {
            key.path
            for key, folder in self._core.folders.items()
            if key.dataset == path and folder.state in (FolderState.RUNNING, FolderState.LOCKED)
        }
        limit = self._supervisor.disk_tasks.record_limit(path)
        work = partial(survey_catalog, path, self._catalog.sightings, asked, busy, limit, names=request.names)
        found = await in_a_thread(work)  # which asks the catalog alone, so not one that a disk may have caught
        unknown = unknown_among(found.absent, offers)
        return msgspec.structs.replace(
            found, unknown=[why_unknown(unknown, offers, left_out(self._core.plan.left_out))] if unknown else []
        )

    def _with_states(self, name: str) -> tuple[str, FolderStates]:
        """Find a dataset that has been walked, with the states of its folders. Raises UsageError."""
        path = self._dataset_of(name)
        if not self._core.datasets[path].schedule.has_begun:
            message = f"{name} has not been walked yet"
            raise UsageError(message)
        return path, FolderStates(self._core, path)

    async def bump(self, name: FolderName) -> Retried:
        """Have a folder measured before all others. Raises UsageError and UnknownFolderError."""
        key = self._key_of(name)
        before = self._core.bumped()
        self._supervisor.tell(BumpAsked(key))
        # What stood in the queue before it is handled by now as well: the folder may have begun, ended or gone by that.
        if not self._is_known(key):
            key = await self._naming.found_by_end(key)
            before = self._core.bumped()
            self._supervisor.tell(BumpAsked(key))
        folder, state = self._core.folders.get(key), self._core.state_of(key)
        if state is None:
            raise no_folder(folder_shown(key.path), name.dataset)
        if folder is None or state not in (FolderState.QUEUED, FolderState.SETTLING):
            message = f"{folder_shown(key.path)} in {name.dataset} does not wait for its turn: it is {state.value}"
            raise UnknownFolderError(message)
        if folder.goes_alone:
            why = "a service or a machine died over it" if folder.is_suspect else "memory was too short for it"
            return Retried(0, [f"{why}, so it is measured last, and alone; a retry puts it among the others again"])
        remarks = []
        if folder.state is FolderState.SETTLING:
            settle = self._core.plan.limits.settle[key.dataset]
            remarks.append(f"it is next when its files have been the same for {settle:g} s")
        elif before:
            remarks.append(
                f"{counted(before, 'folder')} {'was' if before == 1 else 'were'} put before all others earlier"
            )
        return Retried(1, remarks + self._waits([key.dataset]))

    def pause(self, request: Pause) -> Paused:
        """Give out no more jobs. Raises UsageError."""
        paths = self._datasets_of(request.dataset)
        changed = sum(self._supervisor.tell(PauseAsked(path, request.seconds)) for path in paths)
        return Paused(changed, [] if paths else ["the service has no dataset"])

    def resume(self, request: Resume) -> Paused:
        """Give out jobs again. Raises UsageError."""
        if request.seconds is not None and not request.override:
            raise UsageError("a length of time goes with an override of the schedule")
        paths = self._datasets_of(request.dataset)
        asked = [ResumeAsked(path, request.override, request.seconds) for path in paths]
        changed = sum(self._supervisor.tell(each) for each in asked)
        return Paused(changed, self._overridden(paths) + self._waits(paths))

    def _overridden(self, paths: Collection[str]) -> list[str]:
        """Say what is overridden of the schedules of these datasets, a sentence each."""
        schedules, now = self._core.schedules.by_dataset, self._clock.monotonic()
        words = {path: schedules[path].override_in_words(now) for path in sorted(paths) if path in schedules}
        return [f"the schedule of {shown(path)} is {each}" for path, each in words.items() if each]

    def rescan(self, request: Rescan) -> Rescanned:
        """Walk a dataset now. Raises UsageError."""
        path = self._dataset_of(request.dataset)
        dataset = self._core.datasets[path]
        self._supervisor.tell(RescanAsked(path, request.accept))
        remarks = []
        if not self._core.works:
            remarks.append("the service is stopping: the walk comes when it is started again")
        elif self._core.offers is None:
            remarks.append("the walk begins when a worker has loaded its analyzers")
        elif dataset.schedule.under_way is not None:
            remarks.append("a walk is under way; the one that was asked for follows it")
        suspended = dataset.state is DatasetState.PAUSED and not (dataset.is_refused or request.accept)
        return Rescanned(remarks + [hindrance(dataset)] * suspended)

    async def clean_locks(self, request: CleanLocks) -> CleanedLocks:
        """Remove the locks of the dead of one dataset, in a thread. Raises UsageError for what is none of ours."""
        path = self._dataset_of(request.dataset)
        settings = next(each for each in self._supervisor.config.dataset if each.path == path)
        if self._core.datasets[path].is_left_alone:
            message = f"cannot look for locks in {request.dataset}: {NO_ANSWER}"
            raise UsageError(message)

        def work() -> CleanedLocks:
            terms = Terms(request.timeout, request.dry_run, request.free, settings.alone)
            return CleanedLocks.of(upkeep.clean_up(os.path.realpath(path), settings.ignore, terms))

        try:
            return await asyncio.wrap_future(self._supervisor.disk_tasks.submit(path, work))
        except OSError as error:
            message = f"cannot look for locks in {request.dataset}: {error.strerror}"
            raise UsageError(message) from error

    def _is_known(self, key: FolderKey) -> bool:
        return self._core.state_of(key) is not None

    def _datasets_of(self, name: str) -> list[str]:
        """Return the named dataset, or all."""
        return [self._dataset_of(name)] if name else list(self._core.datasets)

    def _dataset_of(self, name: str) -> str:
        path = parsed(name)
        if path in self._core.datasets:
            return path
        for each, dataset in self._core.datasets.items():
            if dataset.is_at(path):
                return each
        raise _no_such(name)

    def _key_of(self, name: FolderName) -> FolderKey:
        dataset, path = self._dataset_of(name.dataset), parsed(name.folder)
        parts = path.split("/") if path not in ("", ".") else []
        # No file system has such a folder. One that is too long would seem to be there, and not to be readable.
        if any(part in ("", ".", "..") or "\0" in part or len(os.fsencode(part)) > _LONGEST_NAME for part in parts):
            raise no_folder(name.folder, name.dataset)
        if len(os.fsencode(folder_at(dataset, path))) >= _LONGEST_PATH:
            raise no_folder(name.folder, name.dataset)
        return FolderKey(dataset, "/".join(parts))


def _folders(keys: Collection[FolderKey]) -> str:
    """Say how many folders, or the name of the only one, with the verb that follows."""
    if len(keys) == 1:
        return f"{folder_shown(next(iter(keys)).path)} is"
    return f"{counted(len(keys), 'folder')} are"


def _no_such(dataset: str) -> UsageError:
    return UsageError(f"no such dataset: {dataset}")

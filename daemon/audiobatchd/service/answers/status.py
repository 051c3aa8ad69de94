"""The core's state in the words of `status` and of a summary; nothing is changed here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice

from audiobatchd import __version__
from audiobatchd.control.status import (
    AnalyzerStatus,
    DatasetStatus,
    HookStatus,
    InboxStatus,
    LostWorker,
    Status,
    Trouble,
    WorkerStatus,
)
from audiobatchd.core.dataset import Dataset
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.plugin_api import significant
from audiobatchd.service.clock import time_of
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.names import folder_shown, shown
from audiobatchd.vocabulary.quantities import duration
from audiobatchd.vocabulary.states import TO_DO, FolderState, WalkKind, WatchReport
from audiobatchd.vocabulary.summary import BatchStats

_SHOWN = 20


class Overview:
    """A view of one dispatcher. `wall` is the time of day now, `now` the same moment on the monotonic clock."""

    def __init__(
        self,
        core: Dispatcher,
        started: datetime,
        watched: Callable[[str], WatchReport] | None = None,
        troubled: Callable[[], str] = str,
        inboxes: Callable[[], list[InboxStatus]] = list,
        hooks: Callable[[], list[HookStatus]] = list,
    ) -> None:
        self._core = core
        self._started = started
        self._watched = watched
        """Tells how a dataset is watched."""
        self._troubled = troubled
        """Says why the catalog cannot be written; nothing where it can."""
        self._inboxes = inboxes
        self._hooks = hooks

    def status(self, now: float, wall: datetime) -> Status:
        """Return all that `GET /v1/status` tells."""
        core = self._core
        datasets = self._datasets(now, wall)
        audio_rate, folder_rate = core.tally.rates(now)
        to_do = sum(dataset.folders[state] for dataset in datasets for state in TO_DO)
        return Status(
            version=__version__,
            pid=os.getpid(),
            state=core.state.value,
            remark="; ".join(self._remarks(now)),
            started=self._started.isoformat(timespec="seconds"),
            uptime=round(now - core.tally.started, 1),
            datasets=datasets,
            workers=self._workers(now),
            analyzers={
                offer.name: AnalyzerStatus(
                    available=offer.unavailable is None,
                    reason=offer.unavailable or "",
                    version=offer.version,
                    models=offer.models,
                    remark=offer.remark,
                )
                for offer in core.offers or ()
            },
            done=core.tally.success,
            audio_seconds=round(core.tally.audio_seconds, 3),
            audio_seconds_per_second=round(audio_rate, 2),
            folders_per_hour=round(folder_rate * 3600, 1),
            time_left=core.tally.time_left(to_do, now),
            troubles=self._troubles(now, wall),
            lost=self._lost(now),
            inboxes=self._inboxes(),
            hooks=self._hooks(),
            costs={name: significant(seconds) for name, seconds in core.costs().items()},
            workers_why=core.plan.workers_why,
            load_of_others=None if core.schedules.load is None else round(core.schedules.load, 2),
        )

    def summary(self) -> BatchStats:
        """Return the guide's statistics of what this process did."""
        core = self._core
        states = [folder.state for folder in core.folders.values()]
        bad = sorted(core.troubled)
        return BatchStats(
            total=len(states) + core.complete,
            success=core.tally.success,
            skipped_complete=max(0, core.complete - core.tally.success),
            skipped_locked=states.count(FolderState.LOCKED),
            failed=len(bad),
            errors=[f"{name_of(key)}: {core.folders[key].reason}" for key in bad],
        )

    def _datasets(self, now: float, wall: datetime) -> list[DatasetStatus]:
        core = self._core
        answer = []
        for path, dataset in core.datasets.items():
            folders = {state: core.counts(path)[state] for state in FolderState}
            warnings, more_warnings = self._warnings(path)
            (state, remark), schedule = dataset.standing, dataset.schedule
            remark += _remaining(dataset, now)
            watch = self._watched(path) if self._watched else None
            answer.append(
                DatasetStatus(
                    path=shown(path),
                    state=state,
                    remark=remark or (watch.degraded if watch else ""),
                    folders=folders,
                    total=sum(folders.values()),
                    unavailable=core.unavailable(path),
                    warnings=warnings,
                    more_warnings=more_warnings,
                    walk=_walk_in_words(dataset, core.count(path)),
                    last_walk=time_of(schedule.full.ended, now, wall) if schedule.full.count else "",
                    last_pass=time_of(schedule.passes.ended, now, wall) if schedule.passes.count else "",
                    watch=watch.reason if watch else "",
                    locks=dataset.lock_round.worth,
                    target=shown(dataset.target),
                    overdue={shown(lock): holder for lock, holder in sorted(dataset.lock_round.overdue.items())},
                    near_misses=list(dataset.near_misses),
                    schedule=core.schedules.in_words(path, now),
                )
            )
        return answer

    def _warnings(self, dataset: str) -> tuple[list[str], int]:
        """Return a few, and how many more there are."""
        warnings, count = self._core.warnings(dataset)
        first = sorted(islice(warnings, _SHOWN))
        told = [f"{name_of(key)}: {warning}" for key in first for warning in warnings[key]][:_SHOWN]
        return told, count - len(told)

    def _workers(self, now: float) -> list[WorkerStatus]:
        answer = []
        for slot in self._core.slots:
            key = slot.assignment.key if slot.assignment else None
            answer.append(
                WorkerStatus(
                    slot=slot.index,
                    state=slot.state.value,
                    pid=slot.pid,
                    dataset=shown(key.dataset) if key else "",
                    folder=name_of(key) if key else "",
                    doing=slot.doing,
                    seconds=round(max(0.0, now - slot.since), 1),
                    resident=slot.resident,
                    jobs=slot.jobs,
                    host=shown(slot.host),
                )
            )
        return answer

    def _lost(self, now: float) -> list[LostWorker]:
        found = ((each, each.assignment.key if each.assignment else None) for each in self._core.lost_workers)
        return [
            LostWorker(
                pid=each.pid,
                dataset=shown(key.dataset) if key else "",
                folder=name_of(key) if key else "",
                doing=each.doing,
                seconds=round(max(0.0, now - each.since), 1),
            )
            for each, key in found
        ]

    def failures(self, now: float, wall: datetime) -> list[Trouble]:
        """Return every folder that failed or is blocked, the latest first."""
        return self._troubles(now, wall, len(self._core.troubled))

    def _remarks(self, now: float) -> Iterator[str]:
        """Say what keeps the service as a whole from working, or from remembering."""
        if self._core.plan.remote and not any(slot.is_there for slot in self._core.slots):
            yield "no machine of the cluster is there yet, or any more"
        if why := self._core.cannot_start:
            yield f"no worker can start: {why}"
        if shortage := self._core.shortage(now):
            yield f"short of resources: {shortage}"
        if trouble := self._troubled():
            yield shown(trouble)

    def _troubles(self, now: float, wall: datetime, most: int = _SHOWN) -> list[Trouble]:
        """Return `most` of them, the latest first."""
        latest = list(islice(reversed(self._core.troubled), most))
        found = ((key, self._core.folders.get(key)) for key in latest)  # in a thread, one may have gone meanwhile
        return [
            Trouble(
                dataset=shown(key.dataset),
                folder=name_of(key),
                state=folder.state,
                reason=folder.reason,
                at=time_of(folder.ended, now, wall),
            )
            for key, folder in found
            if folder is not None
        ]


def _remaining(dataset: Dataset, now: float) -> str:
    """Say how long an operator's pause goes on: ", for 1 h 59 min more"; empty for a pause without end, or none."""
    hold = dataset.holds.operator
    return f", for {duration(hold.probe_at - now)} more" if hold is not None and hold.probe_at is not None else ""


def _walk_in_words(dataset: Dataset, known: int) -> str:
    """Say how far the walk under way is: "full: 412,000 directories, 61 %"; empty where there is none."""
    kind, listed = dataset.schedule.under_way, dataset.schedule.listed
    if kind is None:
        return ""
    # What a first walk has come by itself says nothing of what lies ahead.
    known = max(dataset.belief.known_at_start if kind is WalkKind.FULL else known, dataset.belief.known)
    share = f", {min(99, 100 * listed // known)} %" if known and listed else ""
    return f"{kind.value}: {listed:,} directories{share}"


def name_of(key: FolderKey) -> str:
    """Return a folder's path below its dataset, fit to be shown."""
    return folder_shown(key.path)

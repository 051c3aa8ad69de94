"""One folder explained: what is known of it, what comes next, and why. For `audiobatchctl explain`."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass, field
from datetime import datetime

from audiobatchd.control.status import FolderReport
from audiobatchd.core.dataset import Dataset
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.folder import Folder
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.slot import Slot
from audiobatchd.disk import record
from audiobatchd.errors import RecordError
from audiobatchd.locks.observer import LockState, holder_in_words, observe_folder
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.service.clock import time_of
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.names import folder_shown, shown
from audiobatchd.vocabulary.states import Attempt, Cause, DatasetState, FolderState, in_one_line


@dataclass(frozen=True)
class Facts:
    """Findings of a thread about one folder."""

    reading: Reading
    """The folder as it is on disk now."""
    attempts: list[Attempt]
    """Its last bad ends."""
    holder: str
    """Process that holds its lock, or left it, in words."""
    unmeasurable: dict[str, str]
    """Reasons why the record has no value, by feature."""
    measured: dict[str, dict[str, str]] = field(default_factory=dict)
    """Times when analyzers measured it, by analyzer and role."""

    @property
    def is_track(self) -> bool:
        """Tell whether there is such a track folder now."""
        return self.reading.finding not in (Finding.GONE, Finding.LOST)

    @property
    def is_lost(self) -> bool:
        """Tell whether the dataset is not there as it was known: then nothing says that the folder is gone."""
        return self.reading.finding is Finding.LOST


def facts_of(key: FolderKey, reader: FolderReader, catalog: Catalog) -> Facts:
    """Look at the folder, its history and its lock; called in a thread."""
    holder = ""
    try:
        seen = observe_folder(reader.folder(key.path))
        if seen is not None and seen.state is not LockState.FREE:
            holder = f"{holder_in_words(seen.content)}{'' if seen.state is LockState.ACTIVE else ', which is gone'}"
    except OSError as error:
        holder = f"unknown: {error.strerror}"
    reading = reader.peek(key.path)
    unmeasurable: dict[str, str] = {}
    measured: dict[str, dict[str, str]] = {}
    with contextlib.suppress(RecordError, OSError):  # the reading says what is wrong with the record
        provenance = record.read_in(reader.folder(key.path)).provenance
        unmeasurable, measured = provenance.unmeasurable(), provenance.measured()
    return Facts(reading, catalog.folders.attempts(key), holder, unmeasurable, measured)


def explained(core: Dispatcher, key: FolderKey, facts: Facts, now: float, wall: datetime) -> FolderReport:
    """Put together what the core and a thread know. `wall` and `now` are the same moment on the two clocks."""
    folder = core.folders.get(key)
    slot = core.slot_at(key)
    reading = facts.reading
    known = FolderState.COMPLETE if facts.is_lost else FolderState.SETTLING
    state = folder.state if folder else _STATES.get(reading.finding, known)
    coming, when = _next(core, key, state, folder, slot)
    if facts.is_lost and slot is None:
        coming, when = _without_its_dataset(core.datasets[key.dataset]), None
    ended = folder.ended if folder else 0.0
    return FolderReport(
        dataset=shown(key.dataset),
        folder=folder_shown(key.path),
        state=state,
        reason=(folder.reason if folder else "") or in_one_line(reading.reasons),
        since=time_of(ended, now, wall) if ended else "",
        next=coming,
        next_in=None if when is None else round(max(0.0, when - now), 1),
        due=list(reading.due),
        unavailable=reading.unavailable,
        warnings=list(reading.warnings),
        charges=folder.charges if folder else reading.charges,
        suspicions=folder.suspicions if folder else reading.suspicions,
        max_deaths=core.plan.limits.max_deaths,
        worker=slot.index if slot else None,
        doing=slot.doing if slot else "",
        holder=facts.holder,
        attempts=facts.attempts,
        unmeasurable=facts.unmeasurable,
        target=shown(core.datasets[key.dataset].target),
        measured=facts.measured,
    )


_STATES = {
    Finding.COMPLETE: FolderState.COMPLETE,
    Finding.FAILED: FolderState.FAILED,
    Finding.BLOCKED: FolderState.BLOCKED,
}


def _next(
    core: Dispatcher, key: FolderKey, state: FolderState, folder: Folder | None, slot: Slot | None
) -> tuple[str, float | None]:
    """Say what comes next, in words, and when, where that is known."""
    if core.waits_for_lost(key):
        return "it is looked at again when that process ends", None
    dataset, settle = core.datasets[key.dataset], core.plan.limits.settle[key.dataset]
    if dataset.hangs and slot is None:
        return f"nothing, neither job nor look: {hindrance(dataset)}", None
    coming = {
        FolderState.SETTLING: f"it is measured when its files have been the same for {settle:g} s",
        FolderState.QUEUED: _turn(dataset, folder),
        FolderState.RUNNING: "its worker is killed if it has not ended by then",
        FolderState.BACKOFF: "it is tried again",
        FolderState.LOCKED: "it is looked at again whether it is still locked",
        FolderState.FAILED: "nothing, until its files change, an analyzer's version or model does, or a retry is "
        "asked for",
        FolderState.BLOCKED: "it is looked at every 10 s (less often where many are blocked), and when permissions or "
        "files change",
        FolderState.COMPLETE: "nothing is to be done; it is looked at on the next walk, and when its files or its "
        "record change",
    }
    when: float | None = None
    if folder is not None and state is FolderState.SETTLING:
        when = folder.rest_look
    elif folder is not None and state in (FolderState.BACKOFF, FolderState.LOCKED):
        when = folder.retry_at
    elif slot is not None:
        when = slot.due
    elif state is FolderState.COMPLETE and not dataset.schedule.under_way:
        when = dataset.schedule.full_at
    return coming[state], when


def _without_its_dataset(dataset: Dataset) -> str:
    """Say what comes next for a folder that is known, and that cannot be found where its dataset was."""
    why = hindrance(dataset) or f"{shown(dataset.path)} is not there as it was known, which the next walk finds out"
    return f"nothing: it stays known as it is. {why}"


def hindrance(dataset: Dataset) -> str:
    """Say why no job is given out in a dataset, and what ends that; empty where jobs are given out."""
    holds = {cause: hold.remark for cause, hold in dataset.holds.by_cause.items()}
    path = shown(dataset.path)
    if dataset.state in (DatasetState.ACTIVE, DatasetState.WALKING):
        if not holds:
            return ""
        cures = {
            Cause.OPERATOR: f"audiobatchctl resume {shlex.quote(path)} ends that",
            Cause.SCHEDULE: f"audiobatchctl resume --now {shlex.quote(path)} overrides that",
        }
        cure = next((cures[cause] for cause in cures if cause in holds), "it goes on by itself when that is over")
        return f"{path} is paused: {'; '.join(holds.values())}; {cure}"
    what = f"{path} is {dataset.state.value}: {dataset.remark}"
    if dataset.state is DatasetState.MISSING:
        return f"{what}; it goes on by itself when the directory is there"
    if dataset.is_refused:
        return what
    end = "" if what.endswith("?") else "."
    return f"{what}{end} If it is right as it is: audiobatchctl rescan {shlex.quote(path)} --accept"


def _turn(dataset: Dataset, folder: Folder | None) -> str:
    if not dataset.works:
        return f"it waits for its dataset: {dataset.standing[1]}"
    if folder is not None and folder.goes_alone:
        return "it is measured when nothing else is left to do, with nothing beside it"
    return "it is measured when its turn has come and a worker is free"

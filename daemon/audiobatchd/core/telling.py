"""What hooks are told: how folders end that a job has begun, and when a dataset has nothing left to do.

A folder is marked as begun before its job is sent, and stays so until its end is told. The marks outlive the service:
where it, or a worker, is killed after a record is in its place and before that is told, the next reading of the folder
tells it. What was complete before any job came by it is never told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.messages import Result
from audiobatchd.core.parts import Parts
from audiobatchd.core.plan import Memory
from audiobatchd.core.readings import Finding
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.hook_events import OF_JOBS, HookEvent
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import TO_DO, Cause, DatasetState, FolderState, WalkKind

_UNTOLD = (FolderState.BACKOFF, FolderState.SETTLING)
"""The states after a job that may have written the record all the same."""


class Telling:
    """The ends that are to be told."""

    def __init__(self, parts: Parts, memory: Memory) -> None:
        self._parts = parts
        self._begun: dict[FolderKey, bool] = dict.fromkeys(memory.begun, True)
        """The folders that a job has begun and whose end was not told. True: the job is over, and may have done it."""
        self._unfinished: set[str] = set(memory.unfinished)
        """The datasets in which jobs were begun since it was last told that nothing is left to do."""

    def begins(self, key: FolderKey) -> list[do.Action]:
        """Mark a folder whose job is about to be sent."""
        if not self._parts.plan.hooks & OF_JOBS or (key in self._begun and key.dataset in self._unfinished):
            return []
        self._begun.setdefault(key, False)
        self._unfinished.add(key.dataset)
        return [do.Begin(key)]

    def done(self, key: FolderKey, result: Result) -> list[do.Action]:
        """Tell that a job has completed a folder."""
        if not self._parts.plan.hooks:
            return []
        self._begun.pop(key, None)
        return [
            do.Tell(
                HookEvent.FOLDER_DONE,
                key.dataset,
                key.path,
                values=result.values,
                unmeasurable=result.unmeasurable,
            )
        ]

    def follow(self, event: on.Event | None, actions: Sequence[do.Action]) -> list[do.Action]:
        """Tell what follows from an event, None for the passing of time, of which these `actions` came."""
        if not self._parts.plan.hooks:
            self._begun.clear()
            self._unfinished.clear()
            return []
        told = [tell for action in actions if isinstance(action, do.Report) for tell in self._reported(action)]
        match event:
            case on.FolderRead(reading):
                told += self._found([reading.key], gone=reading.finding is Finding.GONE)
            case on.WalkRead() if self._begun:
                paths = {*(reading.key.path for reading in event.readings), *(path for path, _ in event.unchanged)}
                told += self._found([key for key in self._begun if key.dataset == event.dataset and key.path in paths])
            case on.Walked(kind=WalkKind.FULL) if event.dataset in self._parts.datasets:
                believed = self._parts.datasets[event.dataset].state is DatasetState.ACTIVE
                told += self._found([key for key in self._begun if key.dataset == event.dataset], gone=believed)
            case on.MarksFound(begun, unfinished):
                self._begun = {**dict.fromkeys(begun, True), **self._begun}
                self._unfinished |= unfinished
                told += [*self._without_dropped(), *self._found(begun)]
            case on.Replanned():
                told += self._without_dropped()
        if event is None or isinstance(event, on.OfWorkers):
            told += self._ended()
        return told + (self._complete() if event is None else [])

    def _reported(self, report: do.Report) -> Iterator[do.Action]:
        if report.event is LogEvent.DATASET_PAUSED:
            fields = report.fields
            yield do.Tell(HookEvent.DATASET_PAUSED, str(fields["dataset"]), reason=str(fields.get("remark", "")))
        elif report.event is LogEvent.FOLDER_FAILED and report.key is not None:
            yield self._failed(report.key)

    def _failed(self, key: FolderKey, *, found: bool = False) -> do.Action:
        self._begun.pop(key, None)
        folder = self._parts.ledger.active.get(key)
        reason = folder.reason if folder is not None else ""
        return do.Tell(HookEvent.FOLDER_FAILED, key.dataset, key.path, reason=reason, found=found)

    def _found(self, keys: Iterable[FolderKey], *, gone: bool = False) -> list[do.Action]:
        """Tell the ends of folders that were begun and have been read; `gone`: one that is not known is not there."""
        told: list[do.Action] = []
        for key in keys:
            if key not in self._begun:
                continue
            match self._parts.ledger.state_of(key):
                case FolderState.COMPLETE:
                    told.append(self._found_complete(key))
                case FolderState.FAILED:
                    told.append(self._failed(key, found=True))
                case None if gone:
                    told.append(self._dismissed(key))
        return told

    def _found_complete(self, key: FolderKey) -> do.Action:
        del self._begun[key]
        return do.Tell(HookEvent.FOLDER_DONE, key.dataset, key.path, found=True)

    def _dismissed(self, key: FolderKey) -> do.Action:
        del self._begun[key]
        return do.Dismiss(key)

    def _ended(self) -> list[do.Action]:
        """Look at the folders whose jobs have ended otherwise than by a record."""
        told: list[do.Action] = []
        for key in [key for key, is_over in self._begun.items() if not is_over]:
            state = self._parts.ledger.state_of(key)
            if state is FolderState.COMPLETE:
                told.append(self._found_complete(key))
            elif state is FolderState.FAILED:
                told.append(self._failed(key))
            elif state in _UNTOLD or self._died(key, state):
                self._begun[key] = True
            elif state is not FolderState.RUNNING:
                told.append(self._dismissed(key))  # its worker said that it wrote nothing: another one holds it, say
        return told

    def _died(self, key: FolderKey, state: FolderState | None) -> bool:
        """Tell whether a worker at the folder died, or is lost: what it has written it did not say."""
        folder = self._parts.ledger.active.get(key)
        is_short = state is FolderState.BLOCKED and folder is not None and folder.cause is Cause.MEMORY
        return is_short or key in self._parts.agenda.lost

    def _complete(self) -> list[do.Action]:
        """Tell which datasets have nothing left to do."""
        resting = [path for path in self._unfinished if self._rests(path)] if self._parts.life.works else []
        self._unfinished.difference_update(resting)
        counts = self._parts.ledger.counts
        return [do.Tell(HookEvent.DATASET_COMPLETE, path, folders=dict(counts[path])) for path in sorted(resting)]

    def _rests(self, path: str) -> bool:
        dataset, ledger = self._parts.datasets.get(path), self._parts.ledger
        if dataset is None or dataset.state is not DatasetState.ACTIVE or not dataset.belief.is_confirmed:
            return False
        schedule, agenda = dataset.schedule, self._parts.agenda
        walks = schedule.under_way is not None or bool(schedule.trees) or schedule.is_walking_trees
        if walks or any(ledger.counts[path][state] for state in (*TO_DO, FolderState.LOCKED)):
            return False
        return path not in agenda.being_read() and path not in agenda.put_off()

    def _without_dropped(self) -> list[do.Action]:
        """Forget the datasets that are not configured any more."""
        self._unfinished.intersection_update(self._parts.datasets)
        return [self._dismissed(key) for key in list(self._begun) if key.dataset not in self._parts.datasets]

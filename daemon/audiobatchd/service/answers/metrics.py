"""The core's state as metrics for Prometheus, made when they are asked for; names follow its conventions.

Counters count since the service's start. Prometheus cannot scrape a unix socket: `metrics_textfile` writes the same for
node_exporter's textfile collector.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from audiobatchd import __version__
from audiobatchd.control.status import InboxStatus
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.schedule import Reason
from audiobatchd.core.slot import SlotState
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.states import FolderState, InboxState, WatchReport

_PREFIX = "audiobatchd"


class Metrics(Collector):
    """All metrics of one dispatcher."""

    def __init__(
        self,
        core: Dispatcher,
        now: Callable[[], float],
        watched: Callable[[str], WatchReport] | None = None,
        troubled: Callable[[], str] = str,
        inboxes: Callable[[], list[InboxStatus]] = list,
    ) -> None:
        self._core = core
        self._now = now
        """The core's clock."""
        self._watched = watched
        """Tells how a dataset is watched."""
        self._troubled = troubled
        """Says why the catalog cannot be written; nothing where it can."""
        self._inboxes = inboxes
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """Return all metrics in the text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """Tell nothing before it is asked for."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Return what is scraped."""
        info = InfoMetricFamily(_PREFIX, "The daemon.")
        info.add_metric([], {"version": __version__})
        yield info
        writable = _gauge("catalog_writable", "Whether what is to be remembered can be written: 1, or 0.")
        writable.add_metric([], not self._troubled())
        yield writable
        yield from self._folders()
        yield from self._jobs()
        yield from self._workers()
        yield from self._datasets()
        yield from self._of_schedules()
        yield from self._of_inboxes()

    def _folders(self) -> Iterator[Metric]:
        folders = _gauge("folders", "Track folders by state.", "dataset", "state")
        features = _gauge("unavailable_features", "Features that complete folders lack on this machine.", "dataset")
        age = _gauge("queue_age_seconds", "How long the next folder has been at rest.", "dataset")
        for path in self._core.datasets:
            for state in FolderState:
                folders.add_metric([shown(path), state.value], self._core.counts(path)[state])
            features.add_metric([shown(path)], self._core.unavailable(path))
            since = self._core.first_in_line(path)
            age.add_metric([shown(path)], 0.0 if since is None else max(0.0, self._now() - since))
        yield from (folders, features, age)

    def _jobs(self) -> Iterator[Metric]:
        tally = self._core.tally
        jobs = _counter("jobs", "Jobs by outcome.", "outcome")
        for outcome, count in sorted(tally.outcomes.items()):
            jobs.add_metric([outcome.value], count)
        seconds = _counter("analysis_seconds", "Processor time by what it was spent on.", "what")
        for what, spent in sorted(tally.costs.items()):
            seconds.add_metric([shown(what)], spent)
        audio = _counter("audio_seconds", "Audio that was decoded for folders that were completed.")
        audio.add_metric([], tally.audio_seconds)
        yield from (jobs, seconds, audio)

    def _workers(self) -> Iterator[Metric]:
        workers = _gauge("workers", "Workers by state.", "state")
        resident = _gauge("worker_resident_bytes", "Resident memory of each worker.", "worker")
        starts = _counter("worker_starts", "Processes that were started.", "worker")
        slots = self._core.slots
        for state in SlotState:
            workers.add_metric([state.value], sum(slot.state is state for slot in slots))
        for slot in slots:
            resident.add_metric([str(slot.index)], slot.resident)
            starts.add_metric([str(slot.index)], slot.spawns)
        lost = _gauge("lost_workers", "Workers that were killed and do not end: they wait for a disk.")
        lost.add_metric([], len(self._core.lost_workers))
        yield from (workers, resident, starts, lost)

    def _datasets(self) -> Iterator[Metric]:
        working = _gauge("dataset_working", "Whether jobs are given out: 1, or 0.", "dataset")
        walks = _counter("walks", "Walks that ended.", "dataset", "kind")
        overdue = _gauge("overdue_locks", "Locks that are held for longer than announced.", "dataset")
        events = _gauge("watch_events", "Whether events are heard: 1, or 0.", "dataset")
        degraded = _gauge("watch_degraded", "Whether some directories should be watched and are not.", "dataset")
        watched = _gauge("watched_directories", "Directories that are watched, and track folders that are not.",
                         "dataset", "kind")  # fmt: skip
        for path, dataset in self._core.datasets.items():
            name = shown(path)
            working.add_metric([name], dataset.works)
            walks.add_metric([name, "full"], dataset.schedule.full.count)
            walks.add_metric([name, "pass"], dataset.schedule.passes.count)
            overdue.add_metric([name], len(dataset.lock_round.overdue))
            if self._watched is not None:
                report = self._watched(path)
                events.add_metric([name], report.events)
                degraded.add_metric([name], bool(report.degraded))
                for kind, count in (("parent", report.parents), ("leaf", report.leaves), ("left", report.unwatched)):
                    watched.add_metric([name, kind], count)
        yield from (working, walks, overdue, events, degraded, watched)

    def _of_schedules(self) -> Iterator[Metric]:
        holding = _gauge(
            "schedule_holding", "Whether a schedule holds jobs back for that: 1, or 0.", "dataset", "reason"
        )
        for path, schedule in self._core.schedules.by_dataset.items():
            for reason in Reason:
                holding.add_metric([shown(path), reason.value], reason in schedule.holding)
        yield holding
        if (load := self._core.schedules.load) is not None:
            others = _gauge("load_of_others", "Load that other processes make, over a minute.")
            others.add_metric([], load)
            yield others

    def _of_inboxes(self) -> Iterator[Metric]:
        working = _gauge("inbox_working", "Whether nothing is in the way of moving files: 1, or 0.", "inbox")
        waiting = _gauge("inbox_waiting_files", "Files that have not settled, or may not be moved yet.", "inbox")
        left = _gauge("inbox_left_files", "Files that stay, each for a reason that is told.", "inbox")
        moved = _counter("inbox_moved_tracks", "Tracks that were moved into the dataset.", "inbox")
        for each in self._inboxes():
            working.add_metric([each.path], each.state in (InboxState.WATCHING, InboxState.MOVING))
            waiting.add_metric([each.path], each.waiting)
            left.add_metric([each.path], len(each.left) + each.more_left)
            moved.add_metric([each.path], each.moved)
        yield from (working, waiting, left, moved)


def write(path: Path, text: bytes) -> None:
    """Replace a file that node_exporter reads, which must never see half of it. Raises OSError."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def _gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", told, labels=labels)


def _counter(name: str, told: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{_PREFIX}_{name}", told, labels=labels)

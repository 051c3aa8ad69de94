"""`audiobatchctl wait`, `workers`, `pause`, `resume` and `drain`: a service watched, and stopped for a while."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

from audiobatchd.cli.named import dataset_named, datasets_of, folder_of, is_directory
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.status import folder_counts, stands_still
from audiobatchd.cli.terminal.text import as_json, padded
from audiobatchd.cli.wording import overridden_in_words, paused_in_words, resumed_in_words, say_answer
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import EXPLAIN, PAUSE, RESUME
from audiobatchd.control.requests import FolderName, Pause, Resume
from audiobatchd.control.status import FolderReport, Status, WorkerStatus
from audiobatchd.errors import AudiobatchError, NoDaemonError, UsageError
from audiobatchd.vocabulary.names import parsed, printable, shown
from audiobatchd.vocabulary.quantities import counted, duration, sized
from audiobatchd.vocabulary.states import ENDED, TO_DO, TROUBLED, DatasetState, FolderState

_INTERVAL = 1.0
_ARRIVAL = 15.0
"""Seconds after which a directory is none of the service's track folders if it does not say so itself."""


class Deadline:
    """Waits between two looks, until `seconds` are over; without them for ever."""

    def __init__(
        self,
        seconds: float | None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._start = monotonic()
        self._seconds = seconds

    @property
    def waited(self) -> float:
        """The seconds since the start."""
        return self._monotonic() - self._start

    def go_on(self) -> bool:
        """Wait a moment; False, at once, where the time is over."""
        left = _INTERVAL if self._seconds is None else self._seconds - self.waited
        if left <= 0:
            return False
        self._sleep(min(left, _INTERVAL))
        return True


def wait(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Wait until folders have come to an end. Exit code 1 where one failed or is blocked, or the time is over."""
    deadline = Deadline(arguments.timeout)
    quiet: Say = (lambda _: None) if arguments.json else say
    if arguments.folder:
        names = [folder_of(folder, client) for folder in arguments.folder]
        ended, reports = until_ended(client, dict(zip(names, arguments.folder, strict=True)), deadline)
        good = ended and all(report.state is FolderState.COMPLETE for report in reports)
        for report in reports:
            reason = f"  {report.reason}" if report.reason and report.state is not FolderState.COMPLETE else ""
            quiet(printable(f"{report.folder}  {report.state.value}{reason}"))
        answer = {"ended": ended, "folders": [{key: getattr(each, key) for key in _TOLD} for each in reports]}
    else:
        ended, status = until_idle(client, deadline, quiet)
        counts = folder_counts(status.datasets)
        good = ended and not any(counts[state] for state in TROUBLED)
        told_states = {state.value: counts[state] for state in FolderState}
        quiet(", ".join(f"{number:,} {state}" for state, number in told_states.items() if number) or "no folders")
        answer = {"ended": ended, "folders": told_states}
    if not ended:
        quiet(f"Still at work after {duration(deadline.waited)}.")
    if arguments.json:
        say(as_json(answer))
    return 0 if good else 1


_TOLD = ("dataset", "folder", "state", "reason")


def until_idle(client: ControlClient, deadline: Deadline, say: Say) -> tuple[bool, Status]:
    """Wait until nothing is left to do: whether it is so, and the last status.

    It has to be so twice: of a folder that came this very moment the service hears the next.
    """
    idle_before = False
    told: set[str] = set()
    while True:
        status = client.status()
        idle = is_idle(status)
        if idle and idle_before:
            return True, status
        idle_before = idle
        for dataset in status.datasets:
            if stands_still(dataset) and dataset.path not in told:
                told.add(dataset.path)
                say(printable(f"! {dataset.path} is {dataset.state.value}: {dataset.remark}"))
        if not deadline.go_on():
            return False, status


def until_ended(
    client: ControlClient, folders: dict[FolderName, str], deadline: Deadline
) -> tuple[bool, list[FolderReport]]:
    """Wait until each of `folders`, by the path that it was given as, has come to an end: whether so, and how.

    Raises AudiobatchError where one is no track folder, nor becomes one in a while.
    """
    reports: dict[FolderName, FolderReport] = {}
    while True:
        for name, path in folders.items():
            if name in reports and reports[name].state in ENDED:
                continue
            try:
                reports[name] = client.ask(EXPLAIN, name)
            except NoDaemonError:
                raise
            except AudiobatchError:
                # One that was copied just now may not have its audio yet.
                on_its_way = is_directory(Path(path)) or is_directory(Path(parsed(name.dataset), parsed(name.folder)))
                if not on_its_way or deadline.waited > _ARRIVAL:
                    raise
        ended = len(reports) == len(folders) and all(report.state in ENDED for report in reports.values())
        if ended or not deadline.go_on():
            return ended, list(reports.values())


def is_idle(status: Status) -> bool:
    """Tell whether nothing is left to do, as far as the service knows, and it has looked everywhere."""
    counts = folder_counts(status.datasets)
    walking = any(dataset.state is DatasetState.WALKING for dataset in status.datasets)
    return status.state != "starting" and not walking and not any(counts[state] for state in TO_DO)


def workers(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show what each worker is, does and takes."""
    told = client.status().workers
    if arguments.json:
        say(as_json(told))
        return 0
    for line in workers_table(told):
        say(line)
    return 0


_HEADS = ("SLOT", "STATE", "PID", "MEMORY", "JOBS", "FOR", "DOING")


def workers_table(told: list[WorkerStatus]) -> list[str]:
    """A line of heads, and one for each worker."""
    rows = [_HEADS, *map(_row, told)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS) - 1)]
    return [
        "  ".join([*(padded(cell, width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def _row(worker: WorkerStatus) -> tuple[str, ...]:
    place = os.path.join(worker.dataset, worker.folder) if worker.folder else ""
    doing = ": ".join(each for each in (place, worker.doing) if each)
    pid = str(worker.pid) if worker.pid else "-"
    memory = sized(worker.resident) if worker.resident else "-"
    since = duration(worker.seconds)
    return str(worker.slot), printable(worker.state), pid, memory, str(worker.jobs), since, printable(doing)


def pause(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Have no more jobs given out, in one dataset or in all."""
    answer = client.ask(PAUSE, Pause(_dataset(arguments, client), arguments.seconds))
    length = f" for {duration(arguments.seconds)}" if arguments.seconds else ""
    say_answer(answer, paused_in_words(answer, length), say, json=arguments.json)
    return 0


def resume(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Have jobs given out again, with --now whatever a schedule says."""
    if arguments.seconds is not None and not arguments.now:
        raise UsageError("--for goes with --now: a schedule is overridden for so long")
    answer = client.ask(RESUME, Resume(_dataset(arguments, client), arguments.now, arguments.seconds))
    told = overridden_in_words(answer) if arguments.now else resumed_in_words(answer)
    say_answer(answer, told, say, json=arguments.json)
    return 0


def drain(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Pause everything, and wait until nothing runs. Exit code 1 where something still does when the time is over."""
    deadline = Deadline(arguments.timeout)
    quiet: Say = (lambda _: None) if arguments.json else say
    paused = client.ask(PAUSE, Pause())
    done = f"{counted(paused.datasets, 'dataset')} paused" if paused.datasets else "Paused already"
    quiet(f"{done}; waiting for what runs.")
    while True:
        status = client.status()
        running = [worker for worker in status.workers if worker.state == "busy"]
        # As long as one does not say that it is paused, it may give out one more job.
        if (not running and all(map(stands_still, status.datasets))) or not deadline.go_on():
            break
    if arguments.json:
        say(as_json({"datasets": paused.datasets, "running": running}))
    for worker in running:
        quiet(printable(f"still running: {worker.folder}: {worker.doing}, {duration(worker.seconds)}"))
    if not running:
        quiet("Nothing runs.")
    quiet("It goes on with: audiobatchctl resume")
    return 1 if running else 0


def _dataset(arguments: argparse.Namespace, client: ControlClient) -> str:
    """The dataset that a command names, as the service shows it; empty for all of them."""
    if not arguments.dataset:
        return ""
    return shown(dataset_named(arguments.dataset, datasets_of(client)))

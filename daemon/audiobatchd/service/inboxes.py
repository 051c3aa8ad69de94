"""The processes that work the inboxes, one for each: started, told whether anything may be moved, and listened to.

All of it belongs to the event loop, and nothing here waits for a disk. Where a disk hangs, its process is told of: it
goes on when the disk answers, and is left behind at the end of the service.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import psutil

from audiobatchd.control.status import InboxStatus, LeftFile
from audiobatchd.core.dataset import Dataset
from audiobatchd.disk import inquiry, interrupts
from audiobatchd.disk.probes import Sleepers
from audiobatchd.imports.inbox import Order, Report, Terms
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.quantities import duration
from audiobatchd.vocabulary.states import InboxState

_FIRST_RESTART, _LAST_RESTART = 5.0, 300.0
_SILENT = 60.0
"""Seconds that a process may sleep: it looks at its inbox every few."""
_NO_ANSWER = "its disk, or its dataset's, does not answer"
_LAST_STEPS = 2.0
"""Seconds that the processes have at the end to take back what is half done."""
_READ, _LINE_LIMIT, _WORDS = 1 << 16, 1 << 22, 500


@dataclass(eq=False)
class _Process:
    """A process at work."""

    terms: Terms
    """Those that it was started with."""
    process: subprocess.Popen[bytes]
    """Its handle."""
    orders: int
    """Our end of the pipe that it is told by."""
    reports: int
    """Our end of the pipe that it tells by."""
    pidfd: int
    """Tells of its end."""
    started: float
    """Moment when it was started."""
    order: Order | None = None
    """The last one that it was sent."""
    partial: bytes = b""
    """The beginning of a line that has not ended."""
    words: str = ""
    """The last line that was no report: a traceback's."""


@dataclass(eq=False)
class _Inbox:
    """One inbox."""

    terms: Terms
    """What the configuration says of it."""
    report: Report = field(default_factory=lambda: Report(InboxState.STARTING))
    """The last report of its process."""
    moved: int = 0
    """Tracks that were moved since the service started."""
    at_work: _Process | None = None
    """Its process; None between two."""
    start_at: float = 0.0
    """Moment when a process is started, where none is at work."""
    start_in: float = 0.0
    """Seconds until the next one is, should this one end."""
    silent: float = 0.0
    """Seconds for which its process has not run, where that is too long."""
    hindrance: str = ""
    """Reason that was logged last and is not over; empty where there is none."""


class Inboxes:
    """All inboxes of one service."""

    def __init__(self) -> None:
        self._inboxes: dict[str, _Inbox] = {}
        self._sleepers = Sleepers()
        self._leaving: set[_Process] = set()
        """Processes of inboxes that are no longer configured, and have not ended."""
        self._is_ending = False
        self._now = 0.0
        self._one_ended = asyncio.Event()

    def take_terms(self, terms: tuple[Terms, ...]) -> None:
        """Work these inboxes from now on; what is at work on other terms ends first."""
        wanted = {each.path: each for each in terms}
        for path in self._inboxes.keys() - wanted.keys():
            removed = self._inboxes.pop(path)
            if (gone := removed.at_work) is not None:
                removed.at_work = None  # its end is nothing that hinders an inbox
                self._leaving.add(gone)
                _ask_to_end(gone)
        for path, each in wanted.items():
            known = self._inboxes.setdefault(path, _Inbox(each, start_in=_FIRST_RESTART))
            known.terms = each
            if known.at_work is not None and known.at_work.terms != each:
                _ask_to_end(known.at_work)

    def look_after(self, datasets: Mapping[str, Dataset], now: float) -> None:
        """Start what is to work, and send orders; called every second or so, by the main thread."""
        self._now = now
        asleep = self._sleepers.measured(
            {path: f"/proc/{each.at_work.process.pid}" for path, each in self._inboxes.items() if each.at_work}, now
        )
        for path, each in self._inboxes.items():
            if each.at_work is None:
                if now >= each.start_at and not self._is_ending:
                    self._start(each, now)
                continue
            seconds = asleep.get(path, 0.0)
            each.silent = seconds if seconds > _SILENT else 0.0
            self._tell_hindrance(each)
            order = _order(datasets.get(each.terms.dataset))
            if order != each.at_work.order:
                with suppress(OSError):  # full, or gone: it is sent again the next time
                    os.write(each.at_work.orders, msgspec.json.encode(order) + b"\n")
                    each.at_work.order = order

    def status(self) -> list[InboxStatus]:
        """Tell how each inbox stands."""
        return [
            InboxStatus(
                path=shown(path),
                dataset=shown(each.terms.dataset),
                state=InboxState.HINDERED if each.silent else each.report.state,
                remark=f"{_NO_ANSWER}, for {duration(each.silent)}" if each.silent else each.report.remark,
                waiting=each.report.waiting,
                moved=each.moved,
                left=[LeftFile(left.path, left.why) for left in each.report.left],
                more_left=each.report.left_count - len(each.report.left),
            )
            for path, each in self._inboxes.items()
        ]

    def drain(self) -> None:
        """Have nothing more moved: what is half done is taken back."""
        self._is_ending = True
        for each in self._at_work():
            _ask_to_end(each)

    async def stop(self) -> None:
        """End the processes. What hangs is left behind."""
        self.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_STEPS):
                while self._at_work():
                    self._one_ended.clear()
                    await self._one_ended.wait()
        for each in self._at_work():
            self._let_go(each)
            inquiry.let_go(each.process)

    def _at_work(self) -> list[_Process]:
        return [*self._leaving, *(each.at_work for each in self._inboxes.values() if each.at_work)]

    def _start(self, inbox: _Inbox, now: float) -> None:
        inbox.start_at = now + inbox.start_in
        inbox.start_in = min(2 * inbox.start_in, _LAST_RESTART)
        try:
            made = self._started(inbox.terms, now)
        except OSError as error:
            self._take_report(inbox, Report(InboxState.HINDERED, f"cannot start a process: {error.strerror}"))
            return
        inbox.at_work = made
        loop = asyncio.get_running_loop()
        loop.add_reader(made.reports, self._hear, inbox, made)
        loop.add_reader(made.pidfd, self._ended, inbox, made)

    def _started(self, terms: Terms, now: float) -> _Process:
        """Start a process, and send it its terms. Raises OSError where the machine cannot."""
        with interrupts.kept_pending():  # it is to go by its own rules from its first moment
            process = subprocess.Popen(
                [sys.executable, "-m", "audiobatchd.imports.importer", str(os.getpid()), terms.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
                bufsize=0,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pidfd = os.pidfd_open(process.pid)
            made = _Process(terms, process, process.stdin.fileno(), process.stdout.fileno(), pidfd, now)
            os.set_blocking(made.orders, False)
            os.set_blocking(made.reports, False)
            line = msgspec.json.encode(terms) + b"\n"
            if os.write(made.orders, line) < len(line):
                raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
        except OSError:
            process.stdin.close()
            process.stdout.close()
            inquiry.let_go(process)
            raise
        with suppress(psutil.Error, OSError):  # everything else on the disk goes first
            psutil.Process(process.pid).ionice(psutil.IOPRIO_CLASS_IDLE)
        return made

    def _hear(self, inbox: _Inbox, made: _Process) -> bool:
        """Take in what a process has said; True where it may have said more."""
        try:
            content = os.read(made.reports, _READ)
        except BlockingIOError:
            return False
        if not content:
            asyncio.get_running_loop().remove_reader(made.reports)
            return False
        *lines, made.partial = (made.partial + content).split(b"\n")
        made.partial = made.partial[:_LINE_LIMIT]
        for line in lines:
            try:
                report = msgspec.json.decode(line, type=Report)
            except msgspec.MsgspecError:
                made.words = line[:_WORDS].decode(errors="backslashreplace").strip() or made.words
            else:
                self._take(inbox, report)
        return True

    def _take(self, inbox: _Inbox, report: Report) -> None:
        terms = inbox.terms
        inbox.moved += len(report.moved)
        for moved in report.moved:
            fields = {"inbox": terms.path, "dataset": terms.dataset, "folder": moved.folder, "source": moved.source}
            write(LogEvent.INBOX_MOVED, {**fields, "import": moved.id})
        for left in report.told:
            write(LogEvent.INBOX_LEFT, {"inbox": terms.path, "path": left.path, "reason": left.why})
        self._take_report(inbox, report)

    def _take_report(self, inbox: _Inbox, report: Report) -> None:
        inbox.report = report
        self._tell_hindrance(inbox)

    def _tell_hindrance(self, inbox: _Inbox) -> None:
        """Log what hinders an inbox when it comes and when it is over."""
        state = inbox.report.state
        reason = _NO_ANSWER if inbox.silent else inbox.report.remark if state is InboxState.HINDERED else ""
        if reason and reason != inbox.hindrance:
            write(LogEvent.INBOX_HINDERED, {"inbox": inbox.terms.path, "reason": reason})
            inbox.hindrance = reason
        elif inbox.hindrance and not reason and state in (InboxState.WATCHING, InboxState.MOVING):
            write(LogEvent.INBOX_WORKS, {"inbox": inbox.terms.path})
            inbox.hindrance = ""

    def _ended(self, inbox: _Inbox, made: _Process) -> None:
        while self._hear(inbox, made):
            pass
        self._let_go(made)
        code = made.process.wait()
        self._one_ended.set()
        self._leaving.discard(made)
        if inbox.at_work is not made:
            return
        inbox.at_work, inbox.silent = None, 0.0
        if made.terms != inbox.terms or self._is_ending:
            inbox.start_at = 0.0
            return
        if self._now - made.started > _LAST_RESTART:
            inbox.start_in = _FIRST_RESTART
        inbox.start_at = self._now + inbox.start_in
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        reason = f"its process ended: {how} ({printable(made.words)})" if made.words else f"its process ended: {how}"
        self._take_report(inbox, Report(InboxState.HINDERED, reason, left=inbox.report.left))

    def _let_go(self, made: _Process) -> None:
        loop = asyncio.get_running_loop()
        for descriptor in (made.reports, made.pidfd):
            loop.remove_reader(descriptor)
        os.close(made.pidfd)
        for stream in (made.process.stdin, made.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def _order(dataset: Dataset | None) -> Order:
    """Say whether anything may be moved into a dataset: not before a walk has shown that it is the right directory."""
    if dataset is None:
        return Order(go=False, why="its dataset is not configured")
    if not dataset.works:
        state, remark = dataset.standing
        return Order(
            go=False, why=f"its dataset is {state.value}: {remark}" if remark else f"its dataset is {state.value}"
        )
    if not dataset.belief.is_confirmed:
        return Order(go=False, why="its dataset has not been walked yet")
    return Order(go=True, root=dataset.belief.root)


def _ask_to_end(made: _Process) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(made.pidfd, signal.SIGINT)

"""The log: one line per event on a terminal, in a file or for the journal; see also `journal` and `log_events`.

Events are written in a thread of their own (`LogThread`): a journal that is stopped, or a pipe that is full, holds up
neither the event loop nor the end of the program.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from audiobatchd.control.events import event_line
from audiobatchd.core.actions import Report
from audiobatchd.vocabulary.log_events import LogEvent, write

_STANDARD_ERROR = 2
_BACKLOG = 5000
"""So many events wait for a reader that stands still; what comes beyond is dropped and counted."""

_LAST_WORDS = 2.0
"""Seconds that are granted to the events which still wait at the end of the program."""

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""The journal's priorities; <N> in front of a line is one (sd-daemon(3))."""


def report(event: Report) -> None:
    """Log what the core wants people to know."""
    fields = dict(event.fields)
    if event.key is not None:
        fields = {"dataset": event.key.dataset, "folder": event.key.path or ".", **fields}
    write(event.event, fields, stems=event.stems)


class LineFormatter(logging.Formatter):
    """Makes `12:00:01 folder-done folder="A - B" lufs=-14.2`; for the journal a priority leads instead of the time."""

    def __init__(self, *, journal: bool = False, timed: bool = True) -> None:
        super().__init__()
        self._journal = journal
        self._timed = timed and not journal

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, whatever a name or a traceback contains."""
        fields: Mapping[str, object] = getattr(record, "fields", {})
        if record.exc_info:
            fields = {**fields, "traceback": self.formatException(record.exc_info)}
        line = event_line(record.getMessage(), fields)
        if self._journal:
            return f"<{PRIORITIES.get(record.levelno, 6)}>{line}"
        if not self._timed:
            return line
        return f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {line}"


class LineHandler(logging.Handler):
    """Writes each event as one line to a file descriptor, past Python's own buffers.

    A thread that stands still in a buffered stream would keep the interpreter from ending. What the descriptor does not
    take (closed, a full disk, a reader that is gone) is lost: a log cannot tell of itself.
    """

    def __init__(self, descriptor: int, formatter: LineFormatter) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the whole line, however many pieces the descriptor takes it in."""
        rest = f"{self.format(record)}\n".encode(errors="backslashreplace")
        with suppress(OSError):
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # a peer made the pipe that it shares with us non-blocking
                    select.select([], [self._descriptor], [])


class LogThread(logging.Handler):
    """Hands each event to the handler `target` in a thread of its own, in order.

    What is dropped because too many events wait is told by `log-dropped` as soon as the target takes events again.
    """

    def __init__(self, target: logging.Handler) -> None:
        super().__init__()
        self._target = target
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(_BACKLOG)
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put the event in line, without waiting."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what still waits, for 2 s at most; a target that stands still is left behind (`is_stuck`)."""
        deadline = time.monotonic() + _LAST_WORDS
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_LAST_WORDS)
            self._thread.join(max(0.0, deadline - time.monotonic()))
        super().close()

    @property
    def is_stuck(self) -> bool:
        """Tell whether the target had not taken everything when this was closed."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while (record := self._waiting.get()) is not None:
            self._write(record)
            if self._dropped:
                self.acquire()
                dropped, self._dropped = self._dropped, 0
                self.release()
                event = LogEvent.LOG_DROPPED
                told = {"msg": event.value, "levelno": event.level, "fields": {"events": dropped}}
                self._write(logging.makeLogRecord(told))

    def _write(self, record: logging.LogRecord) -> None:
        # Not by `handle`: that takes the target's lock, for which the end of the program would wait without limit.
        with suppress(Exception):  # the rule of `logging`: a line that cannot be written ends nothing
            self._target.emit(record)


def standard_error(*, journal: bool = False) -> logging.Handler:
    """Make a handler for standard error; for `journal` the priority leads each line, and the time is the reader's."""
    return LineHandler(_STANDARD_ERROR, LineFormatter(journal=journal))


def set_up(handler: logging.Handler) -> LogThread:
    """Send the log to `handler`, in a thread; the caller closes what is returned at its end."""
    if handler.formatter is None:
        handler.setFormatter(LineFormatter())
    thread = LogThread(handler)
    logging.basicConfig(level=logging.INFO, handlers=[thread], force=True)
    return thread

"""The service in the foreground of a terminal: events scroll by, and below them a live view of the whole.

Owns the terminal between `start` and `stop`. What is said of an event is in `events`, what of the status in
`status`.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

from rich import console as rich_console
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from audiobatchd.cli.terminal.events import event_lines
from audiobatchd.cli.terminal.lacking import is_fetchable
from audiobatchd.cli.terminal.status import (
    NARROWEST,
    bar_line,
    count_lines,
    folder_counts,
    lacking_lines,
    pace_lines,
    unavailable,
    worker_lines,
)
from audiobatchd.cli.terminal.text import Line, Span, Tone, clipped, line_cells, shortened
from audiobatchd.control.status import DatasetStatus, Status
from audiobatchd.service.log import LineFormatter
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.states import DatasetState

_INTERVAL = 0.2
_LAST_DRAWING = 2.0
"""Seconds that a terminal has at the end to take what is drawn."""

_STYLES = {
    Tone.PLAIN: "",
    Tone.STRONG: "bold",
    Tone.FAINT: "dim",
    Tone.BAD: "red",
    Tone.GOOD: "green",
    Tone.CAUTION: "yellow",
}
# What Ctrl-C makes the terminal write at the cursor, which rests at the end of the last line.
_ROOM_FOR_ECHO = 4


class Console:
    """The live view on `stream`, which `usable` has approved of. `monotonic` tells the time, in seconds."""

    def __init__(self, stream: TextIO, monotonic: Callable[[], float] = time.monotonic) -> None:
        # No markup, no emoji codes, no highlighting: a folder named "[bold]" or ":cat:" is shown as it is called.
        self._rich = rich_console.Console(file=stream, highlight=False, markup=False, emoji=False)
        # On the screen only while we work: what stays behind is the log and whatever the caller prints then.
        # Standard error is taken over, so that a stray warning lands above the view and not in it.
        self._live = Live(
            Text(),
            console=self._rich,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            vertical_overflow="crop",
        )
        self._monotonic = monotonic
        self._drawn_at: float | None = None
        self._drawn_width = 0
        self._drawn: list[Line] = []
        self._several = False
        self._lacking: tuple[str, ...] = ()
        """The analyzers that the last line on lacking models was about."""
        self._gone = False
        self._stderr = sys.stderr

    @staticmethod
    def usable(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
        """Tell whether `stream` is a terminal that can move its cursor and show what the view is drawn with."""
        utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
        return utf8 and stream.isatty() and environ.get("TERM", "") not in ("", "dumb", "unknown")

    def handler(self) -> logging.Handler:
        """Make what prints every event above the view."""
        return _Handler(self)

    def start(self) -> None:
        """Take the terminal."""
        self._stderr = sys.stderr
        with self._unless_gone():
            self._live.start()

    def ready(self) -> None:
        """Do nothing: the view has been showing how far it is."""

    def update(self, status: Status) -> None:
        """Draw `status`, unless the last drawing is no more than 0.2 s old."""
        now = self._monotonic()
        if self._gone or (self._drawn_at is not None and now - self._drawn_at < _INTERVAL):
            return
        self._drawn_at = now
        self._several = len(status.datasets) > 1
        with self._unless_gone():
            size = self._rich.size
            lines = view_lines(status, size.width, size.height)
            self._make_up_for_reflow(size.width)
            self._print_lacking(status, size.width)
            self._drawn, self._drawn_width = lines, size.width
            self._live.update(self._text(lines), refresh=True)

    def alive(self) -> None:
        """Do nothing: the view is drawn again all the time."""

    def reloaded(self) -> None:
        """Do nothing: the log says what has changed."""

    def stopping(self) -> None:
        """Do nothing: the next status says that it drains."""

    def stop(self) -> None:
        """Give the terminal back, with the view gone from it."""
        with self._unless_gone():
            self._live.stop()
        # Where the terminal has gone, that may have ended before standard error was given back.
        sys.stderr = self._stderr

    def print_event(self, record: logging.LogRecord, plain: str) -> None:
        """Print an event above the view; `plain` is its line where it has no friendlier form."""
        if self._gone or _is_in_one_line(record):
            return
        with self._unless_gone():
            width = max(NARROWEST, self._rich.width)
            for line in event_lines(record, width, several=self._several, plain=plain):
                self._rich.print(self._text([line]), soft_wrap=True)

    def _print_lacking(self, status: Status, width: int) -> None:
        """Print in one line which analyzers lack models, once, in place of an event for each of them."""
        lacking = tuple(name for name, reason in unavailable(status).items() if is_fetchable(reason))
        if lacking != self._lacking:
            self._lacking = lacking
            for line in lacking_lines(status, max(NARROWEST, width - 1)):
                self._rich.print(self._text([line]), soft_wrap=True)

    @contextmanager
    def _unless_gone(self) -> Iterator[None]:
        """A terminal may be closed while the service works on (nohup), or drains: its work is not to end for that."""
        try:
            yield
        except OSError:
            self._gone = True

    def _text(self, lines: Iterable[Line]) -> Text:
        text = Text(no_wrap=True, overflow="crop")
        for index, line in enumerate(lines):
            text.append("\n" if index else "")
            for span in line:
                text.append(span.text, _STYLES[span.tone])
        return text

    def _make_up_for_reflow(self, width: int) -> None:
        """A terminal that was made narrower has broken our lines into more than Rich will go back over."""
        if not self._drawn or width >= self._drawn_width:
            return
        extra = sum(max(0, (line_cells(line) - 1) // width) for line in self._drawn)
        up = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
        self._rich.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up * extra))


class DrawingThread:
    """The live view on `stream`, drawn in a thread of its own from `start` to `close`.

    A terminal that was stopped (Ctrl-S) holds up what writes to it, for as long as a person likes. The service works on
    meanwhile; of the statuses of that time only the latest is drawn.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(_unbuffered(stream))
        self._stderr = sys.stderr
        """What is given back at the end, whether the terminal takes anything then or not."""
        self._latest: Status | None = None
        """What is to be drawn; the thread may not have come to it yet."""
        self._is_ending = False
        """True once `close` was called."""
        self._news = threading.Event()
        """Set where the thread has something to do."""
        self._thread = threading.Thread(target=self._work, name="draw", daemon=True)

    def handler(self) -> logging.Handler:
        """See `Console.handler`."""
        return self._console.handler()

    def start(self) -> None:
        """Take the terminal."""
        self._thread.start()

    def ready(self) -> None:
        """See `Console.ready`."""

    def update(self, status: Status) -> None:
        """Have this status drawn, as soon as the one before is; never waits."""
        self._latest = status
        self._news.set()

    def alive(self) -> None:
        """See `Console.alive`."""

    def reloaded(self) -> None:
        """See `Console.reloaded`."""

    def stopping(self) -> None:
        """See `Console.stopping`."""

    def close(self) -> None:
        """Give the terminal back, within 2 s; one that is still stopped then is left as it is (`is_stuck`)."""
        self._is_ending = True
        self._news.set()
        self._thread.join(_LAST_DRAWING)
        sys.stderr = self._stderr

    @property
    def is_stuck(self) -> bool:
        """Tell whether the terminal had not taken everything when this was closed."""
        return self._thread.is_alive()

    def _work(self) -> None:
        self._console.start()
        while not self._is_ending:
            self._news.wait()
            self._news.clear()
            if (status := self._latest) is not None:
                self._console.update(status)
        self._console.stop()


def _unbuffered(stream: TextIO) -> TextIO:
    """Another way to what `stream` writes to, without a lock that a thread which waits there would keep."""
    file = io.FileIO(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(cast(BinaryIO, file), encoding=stream.encoding, errors=stream.errors, write_through=True)


class _Handler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(LineFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._console.print_event(record, self.format(record))
        except Exception:  # noqa: BLE001  # handleError tells of it
            # The rule of `logging`: a line that cannot be written ends nothing.
            self.handleError(record)


def _is_in_one_line(record: logging.LogRecord) -> bool:
    """Tell whether an event is one of those that the line on lacking models stands for."""
    fields: Mapping[str, object] = getattr(record, "fields", {})
    return record.getMessage() == LogEvent.ANALYZER_UNAVAILABLE and is_fetchable(str(fields.get("reason", "")))


def view_lines(status: Status, width: int, height: int) -> list[Line]:
    """The live view on a screen of this size: never wider or higher."""
    width = max(NARROWEST, width - 1)
    counts = folder_counts(status.datasets)
    lines: list[Line] = [()]
    lines += [_concern(dataset, width) for dataset in status.datasets if _concerns(dataset)]
    lines += [bar_line(counts, width), *count_lines(counts, width)]
    last = _last_line(status, width - _ROOM_FOR_ECHO)
    # Most of the screen belongs to the events.
    lines += worker_lines(status, width, most=max(1, height // 3))
    return [*lines[: max(0, height - 2)], last]


def _concerns(dataset: DatasetStatus) -> bool:
    return bool(dataset.remark) or dataset.state in (DatasetState.MISSING, DatasetState.PAUSED)


def _concern(dataset: DatasetStatus, width: int) -> Line:
    state, remark = dataset.state.value, f": {dataset.remark}" if dataset.remark else ""
    path = shortened(printable(dataset.path), max(12, width // 2))
    return Span("! ", Tone.CAUTION), Span(clipped(printable(f"{path} is {state}{remark}"), width - 2), Tone.CAUTION)


def _last_line(status: Status, width: int) -> Line:
    if status.state == "draining":
        busy = any(worker.state == "busy" for worker in status.workers)
        text = "stopping: what is under way may finish; Ctrl-C again ends it" if busy else "stopping"
        return (Span(clipped(text, width), Tone.CAUTION),)
    if status.state == "starting":
        return (Span(clipped("starting: analyzers are loaded, then folders looked for", width), Tone.FAINT),)
    return pace_lines(status, width)[0]

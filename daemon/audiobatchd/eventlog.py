"""The log: a constant event name plus fields, one line per event, on the terminal or in a file; see also `journal`."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import TextIO

from audiobatchd.core.actions import Report
from audiobatchd.eventline import event_line

_LOG = logging.getLogger("audiobatchd")
_LEVELS = {
    "folder-failed": logging.ERROR,
    "folder-blocked": logging.WARNING,
    "folder-backoff": logging.WARNING,
    "worker-died": logging.ERROR,
    "worker-cannot-start": logging.ERROR,
    "folder-suspect": logging.WARNING,
    "configuration-refused": logging.ERROR,
    "metrics-not-written": logging.WARNING,
    "dataset-missing": logging.WARNING,
    "dataset-paused": logging.WARNING,
    "analyzer-unavailable": logging.WARNING,
    "watch-lost": logging.WARNING,
}
# <N> in front of a line is its priority for the journal (sd-daemon(3)).
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def report(event: Report) -> None:
    """Log what the core wants people to know."""
    fields = dict(event.fields)
    if event.key is not None:
        fields = {"dataset": event.key.dataset, "folder": event.key.path or ".", **fields}
    log(event.event, fields)


def log(event: str, fields: Mapping[str, object]) -> None:
    """Log one event."""
    _LOG.log(_LEVELS.get(event, logging.INFO), event, extra={"fields": fields})


class LineFormatter(logging.Formatter):
    """`12:00:01 folder-done folder="A - B" lufs=-14.2`; for the journal a priority leads instead of the time."""

    def __init__(self, *, journal: bool = False, timed: bool = True) -> None:
        super().__init__()
        self._journal = journal
        self._timed = timed and not journal

    def format(self, record: logging.LogRecord) -> str:
        """One line; whatever a name or a traceback contains, it stays one."""
        fields: Mapping[str, object] = getattr(record, "fields", {})
        if record.exc_info:
            fields = {**fields, "traceback": self.formatException(record.exc_info)}
        line = event_line(record.getMessage(), fields)
        if self._journal:
            return f"<{PRIORITIES.get(record.levelno, 6)}>{line}"
        if not self._timed:
            return line
        return f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {line}"


def plain_handler(stream: TextIO) -> logging.Handler:
    """Lines for whatever reads standard error of a service: their priority leads, the time is the reader's."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(journal=True))
    return handler


def set_up(stream: TextIO | None = None, *, handler: logging.Handler | None = None) -> None:
    """Send the log to `handler`, else to `stream` (standard error where that is None)."""
    handler = handler or logging.StreamHandler(stream or sys.stderr)
    if handler.formatter is None:
        handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)

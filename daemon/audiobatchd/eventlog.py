"""The log: a constant event name plus fields, one line per event, on the terminal, in a file or in the journal.

The journal gets the fields as its own, and an ID for each kind of event: `journalctl AUDIOBATCH_EVENT=folder-failed`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from systemd import journal

from audiobatchd.core.actions import Report
from audiobatchd.names import shown
from audiobatchd.terminal_text import printable

_LOG = logging.getLogger("audiobatchd")
_LEVELS = {
    "folder-failed": logging.ERROR,
    "folder-blocked": logging.WARNING,
    "folder-backoff": logging.WARNING,
    "worker-died": logging.ERROR,
    "worker-cannot-start": logging.ERROR,
    "folder-suspect": logging.WARNING,
    "configuration-refused": logging.ERROR,
    "dataset-missing": logging.WARNING,
    "dataset-paused": logging.WARNING,
    "analyzer-unavailable": logging.WARNING,
    "watch-lost": logging.WARNING,
}
# <N> in front of a line is its priority for the journal (sd-daemon(3)).
_MESSAGE_IDS = uuid.UUID("6a1f0b0e-6f0c-4a53-9d5c-2f6f4f3c9b7d")
_FIELD = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


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
        parts = [record.getMessage(), *(f"{name}={_quoted(value)}" for name, value in fields.items())]
        if record.exc_info:
            parts.append(f"traceback={_quoted(self.formatException(record.exc_info))}")
        line = printable(" ".join(parts))
        if self._journal:
            return f"<{_PRIORITIES.get(record.levelno, 6)}>{line}"
        if not self._timed:
            return line
        return f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {line}"


class JournalHandler(journal.JournalHandler):  # type: ignore[misc]  # systemd-python has no types
    """Sends each event to the journal as a message with fields; to `fallback` where the journal does not take it."""

    def __init__(self, fallback: logging.Handler) -> None:
        super().__init__()
        self._fallback = fallback

    def emit(self, record: logging.LogRecord) -> None:
        """See systemd.journal-fields(7): what starts with an underscore the journal adds itself."""
        try:
            self.send(
                self.format(record),
                MESSAGE_ID=message_id(record.getMessage()),
                PRIORITY=str(_PRIORITIES.get(record.levelno, 6)),
                SYSLOG_IDENTIFIER="audiobatchd",
                **journal_fields(record),
            )
        except OSError:
            self._fallback.handle(record)


def message_id(event: str) -> str:
    """The MESSAGE_ID of an event, by its name: 32 hexadecimal digits, the same for ever."""
    return uuid.uuid5(_MESSAGE_IDS, event).hex


def journal_fields(record: logging.LogRecord) -> dict[str, str]:
    """An event's fields as the journal names them: AUDIOBATCH_EVENT, AUDIOBATCH_FOLDER, AUDIOBATCH_LUFS."""
    fields: Mapping[str, object] = getattr(record, "fields", {})
    told = {f"AUDIOBATCH_{name.upper()}": _plainly(value) for name, value in fields.items()}
    told = {name: value for name, value in told.items() if _FIELD.fullmatch(name)}
    return {"AUDIOBATCH_EVENT": record.getMessage(), **told}


def reaches_the_journal(environ: Mapping[str, str]) -> bool:
    """Whether standard error is the journal: a program that systemd started may have been sent elsewhere since."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def set_up(stream: TextIO | None = None, *, to_journal: bool = False, handler: logging.Handler | None = None) -> None:
    """Send the log to `handler`, else to `stream` (standard error where that is None), or as it is to the journal."""
    if handler is None:
        handler = logging.StreamHandler(stream or sys.stderr)
        handler.setFormatter(LineFormatter(journal=to_journal))
        if to_journal and _JOURNAL_SOCKET.exists():
            handler = JournalHandler(handler)
            handler.setFormatter(LineFormatter(timed=False))
    elif handler.formatter is None:
        handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _plainly(value: object) -> str:
    return shown(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(value: object) -> str:
    text = _plainly(value)
    quoted = text.replace('"', r"\x22")
    return f'"{quoted}"' if text == "" or any(char in text for char in ' "=') else text

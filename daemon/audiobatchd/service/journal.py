"""The log in systemd's journal: each field is a field there, and each kind of event has an ID for ever.

`journalctl AUDIOBATCH_EVENT=folder-failed` finds them. Fields take systemd-python, the extra `systemd`; without it the
journal gets each event as a line of standard error, with its priority in front (sd-daemon(3)).
"""

from __future__ import annotations

import logging
import os
import re
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from audiobatchd.control.events import plainly
from audiobatchd.service.log import PRIORITIES, LineFormatter, standard_error

try:
    from systemd import journal
except ImportError:
    journal = None

_MESSAGE_IDS = uuid.UUID("6a1f0b0e-6f0c-4a53-9d5c-2f6f4f3c9b7d")
_FIELD = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_SOCKET = Path("/run/systemd/journal/socket")


def handler() -> logging.Handler:
    """Make the handler for a journal that standard error leads to: with fields where these can be told."""
    lines = standard_error(journal=True)
    return JournalHandler(lines) if journal is not None and _SOCKET.exists() else lines


class JournalHandler(logging.Handler):
    """Sends each event to the journal as a message with fields; to `fallback` where the journal does not take it."""

    def __init__(self, fallback: logging.Handler) -> None:
        super().__init__()
        self._fallback = fallback
        self._send = journal.send
        self.setFormatter(LineFormatter(timed=False))

    def emit(self, record: logging.LogRecord) -> None:
        """Send one event, by systemd.journal-fields(7): what starts with an underscore the journal adds itself."""
        try:
            self._send(
                self.format(record),
                MESSAGE_ID=message_id(record.getMessage()),
                PRIORITY=str(PRIORITIES.get(record.levelno, 6)),
                SYSLOG_IDENTIFIER="audiobatchd",
                **journal_fields(record),
            )
        except OSError:
            self._fallback.emit(record)  # without its lock: see `log.LogThread`


def message_id(event: str) -> str:
    """Return the MESSAGE_ID of an event, by its name: 32 hexadecimal digits, the same for ever."""
    return uuid.uuid5(_MESSAGE_IDS, event).hex


def journal_fields(record: logging.LogRecord) -> dict[str, str]:
    """Return an event's fields as the journal names them: AUDIOBATCH_EVENT, AUDIOBATCH_FOLDER, AUDIOBATCH_LUFS."""
    fields: Mapping[str, object] = getattr(record, "fields", {})
    told = {f"AUDIOBATCH_{name.upper()}": plainly(value) for name, value in fields.items()}
    told = {name: value for name, value in told.items() if _FIELD.fullmatch(name)}
    return {"AUDIOBATCH_EVENT": record.getMessage(), **told}


def is_standard_error(environ: Mapping[str, str]) -> bool:
    """Tell whether standard error is the journal: a program that systemd started may have been sent elsewhere since."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"

"""The exit codes of both programs. docs/reference/command-line.md says in full when each is given."""

from __future__ import annotations

from enum import IntEnum


class DaemonExit(IntEnum):
    """The exit codes of `audiobatchd`."""

    FINE = 0
    TROUBLE = 1
    """A pass ended with failed or blocked folders, or the service could not begin."""
    USAGE = 2
    FOUND_NOTHING = 3
    """A pass found no track folder."""
    BROKEN = 70
    """Something broke inside the service (EX_SOFTWARE of sysexits(3))."""
    LOST = 74
    """The answer could not be written (EX_IOERR)."""
    CONFIG = 78
    """The configuration is invalid (EX_CONFIG): the unit does not start it again."""
    INTERRUPTED = 130
    ABORTED = 134
    """Ended by SIGABRT."""
    READER_LEFT = 141
    """What read the answer has gone (SIGPIPE, as shells say it)."""


class ControlExit(IntEnum):
    """The exit codes of `audiobatchctl`; a code of both programs means the same in both."""

    FINE = 0
    NO = 1
    """The answer is "no"."""
    USAGE = 2
    NO_DAEMON = 3
    """No service answers."""
    LOST = 74
    INTERRUPTED = 130
    READER_LEFT = 141

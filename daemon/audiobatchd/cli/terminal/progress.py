"""A line at the foot of standard error that says how far a command is; it is there on a terminal alone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TextIO

from audiobatchd.cli.terminal.output import width
from audiobatchd.cli.terminal.text import clipped, in_encoding
from audiobatchd.vocabulary.names import printable, shown

_INTERVAL = 0.1
_BAR = 24
_ERASE = "\r\x1b[K"


class ProgressLine:
    """A line that is written over itself, at most ten times a second. Where it cannot be, nothing is held up."""

    def __init__(self, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self._stream = stream or sys.stderr
        self._is_on = self._stream.isatty() and environ.get("TERM", "dumb") != "dumb"
        self._drawn_at = 0.0
        self._is_drawn = False

    @property
    def is_due(self) -> bool:
        """Tell whether there is a terminal, and the last drawing was not only just."""
        return self._is_on and time.monotonic() - self._drawn_at >= _INTERVAL

    def show(self, text: str) -> None:
        """Draw `text`, clipped to the terminal's width, where that is due."""
        if self.is_due:
            self._drawn_at = time.monotonic()
            self._is_drawn = True
            self._write(_ERASE + clipped(text, width(self._stream) - 1))

    def clear(self) -> None:
        """Take the line away."""
        if self._is_drawn:
            self._is_drawn = False
            self._drawn_at = 0.0
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(in_encoding(text, self._stream.encoding or "utf-8"))
            self._stream.flush()
        except (OSError, ValueError):
            self._is_on = False  # the terminal has gone, and the work goes on


class ProgressBar(ProgressLine):
    """A line with a bar of what is done, how many of how many, and the name of the present one."""

    def __call__(self, what: str, done: int, of: int, name: str) -> None:
        """Draw, where that is due."""
        if self.is_due:
            filled = _BAR * done // of if of else 0
            self.show(f"{what} {done:,} of {of:,} {'█' * filled}{'░' * (_BAR - filled)} {printable(shown(name))}")

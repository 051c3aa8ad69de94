"""A line at the foot of standard error that says how far a command is; it is there on a terminal alone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TextIO

from audiobatchd.cli.terminal.text import clipped, in_encoding
from audiobatchd.vocabulary.names import printable, shown

_INTERVAL = 0.1
_BAR = 24
_ERASE = "\r\x1b[K"


class ProgressBar:
    """A bar with what is done, how many of how many, and the name of the present one; redrawn ten times a second."""

    def __init__(self, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self._stream = stream or sys.stderr
        self._is_on = self._stream.isatty() and environ.get("TERM", "dumb") != "dumb"
        self._drawn_at = 0.0
        self._is_drawn = False

    def __call__(self, what: str, done: int, of: int, name: str) -> None:
        """Draw, unless the last drawing was only just."""
        now = time.monotonic()
        if not self._is_on or now - self._drawn_at < _INTERVAL:
            return
        self._drawn_at = now
        filled = _BAR * done // of if of else 0
        text = f"{what} {done:,} of {of:,} {'█' * filled}{'░' * (_BAR - filled)} {printable(shown(name))}"
        self._write(_ERASE + clipped(text, self._width() - 1))
        self._is_drawn = True

    def clear(self) -> None:
        """Take the line away."""
        if self._is_drawn:
            self._write(_ERASE)
            self._is_drawn = False

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            return 80

    def _write(self, text: str) -> None:
        try:
            self._stream.write(in_encoding(text, self._stream.encoding or "utf-8"))
            self._stream.flush()
        except (OSError, ValueError):
            self._is_on = False  # the terminal has gone, and the work goes on

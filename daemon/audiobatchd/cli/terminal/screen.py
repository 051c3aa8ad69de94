"""A terminal that is ours for a while: the other screen, keys one by one; and given back whatever happens.

Plain escape sequences (ECMA-48, and xterm's private modes 7, 25 and 1049), which every terminal since the VT220 takes
or ignores. What is drawn is its user's affair.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

from audiobatchd.cli.terminal.text import Line, Span, as_ansi, cut, in_encoding
from audiobatchd.errors import OutputLostError

# The other screen, no line broken by the terminal itself, no cursor; and the way back.
_TAKE = "\x1b[?1049h\x1b[?7l\x1b[?25l\x1b[2J"
_GIVE_BACK = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_FATAL = 128
_READ = 64
_WIDTH, _HEIGHT = 80, 24
QUIT = "q"
# What arrows and their like send: the letters in it mean nothing.
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-9;]*[A-Za-z~]|O.|.)?", re.DOTALL)
# A key that sends such may send it in two pieces, of which the second alone would mean something else.
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;]*|O)?\Z")
_REST_OF_A_KEY = 0.05


_Handler = Callable[[int, FrameType | None], None]


def usable(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether standard output is a terminal that can move its cursor."""
    return sys.stdout.isatty() and environ.get("TERM", "") not in ("", "dumb", "unknown")


class Screen:
    """The terminal on standard output, and the keys of the one on standard input, for the length of a `with`.

    Within, SIGTERM and SIGHUP raise SystemExit, Ctrl-C KeyboardInterrupt as ever, and Ctrl-Z gives the terminal back
    until the process goes on.
    """

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._out = sys.stdout.fileno()
        self._encoding = sys.stdout.encoding or "utf-8"
        self._keys: int | None = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._before: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self._woken = -1
        self._wakes = -1
        self._drawn = ""
        self._typed = ""

    def __enter__(self) -> Self:
        sys.stdout.flush()
        self._woken, self._wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        for number in _ENDING:
            self._handle(number, self._end)
        self._handle(signal.SIGWINCH, lambda _number, _frame: None)
        self._handle(signal.SIGTSTP, self._stop)
        try:
            self._take()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A second Ctrl-C shall not leave half a terminal behind.
        impatient = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._give_back()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            os.close(self._woken)
            os.close(self._wakes)
            signal.signal(signal.SIGINT, impatient)

    def size(self) -> tuple[int, int]:
        """Width and height as they are now, in cells."""
        try:
            width, height = os.get_terminal_size(self._out)
        except OSError:
            width, height = 0, 0
        # A serial line does not know.
        return width or _WIDTH, height or _HEIGHT

    def draw(self, lines: Sequence[Line], width: int) -> None:
        """Show `lines`, one for each row, and nothing beyond `width`; sends nothing where that is there already."""
        # Each row is emptied before it is written: behind a row that fills the width its last sign would go as well.
        rows = (cut(tuple(self._plain(span) for span in line), width) for line in lines)
        frame = "\x1b[H" + "\r\n".join("\x1b[K" + as_ansi(row, colour=self._colour) for row in rows)
        if frame != self._drawn:
            self._write(frame)
            self._drawn = frame

    def _plain(self, span: Span) -> Span:
        """Put plainer signs for those that the terminal has not: before the line is cut, for they may be longer."""
        return Span(in_encoding(span.text, self._encoding), span.tone)

    def key(self, seconds: float) -> str:
        """The next key, waited for at most so long; empty where none came, or something else is to be drawn."""
        if not self._typed:
            sources = [self._woken] if self._keys is None else [self._woken, self._keys]
            ready, _, _ = select.select(sources, [], [], max(0.0, seconds))
            if self._woken in ready:
                os.read(self._woken, _READ)
                self._drawn = ""
            if self._keys in ready:
                self._typed = self._read()
        key, self._typed = self._typed[:1], self._typed[1:]
        return key

    def _read(self) -> str:
        """The keys that were pressed; what belongs to a key but comes a moment later is waited for."""
        assert self._keys is not None
        typed = self._piece(self._keys)
        while _UNFINISHED.search(typed) and select.select([self._keys], [], [], _REST_OF_A_KEY)[0]:
            piece = self._piece(self._keys)
            if not piece:
                break
            typed += piece
        if not typed:
            return QUIT  # the terminal has gone
        return _SEQUENCE.sub(b"", typed).decode(errors="ignore")

    def _piece(self, keys: int) -> bytes:
        try:
            return os.read(keys, _READ)
        except OSError:
            return b""

    def _take(self) -> None:
        if self._keys is not None:
            self._before = self._before or termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)
        self._drawn = ""
        self._write(_TAKE)

    def _give_back(self) -> None:
        try:
            self._write(_GIVE_BACK)
            if self._keys is not None and self._before:
                termios.tcsetattr(self._keys, termios.TCSAFLUSH, self._before)
        except (OutputLostError, OSError, termios.error):
            pass  # there is nothing left to give back

    def _write(self, text: str) -> None:
        content = in_encoding(text, self._encoding).encode(self._encoding)
        try:
            while content:
                content = content[os.write(self._out, content) :]
        except OSError as error:
            raise OutputLostError(error) from error

    def _handle(self, number: int, handler: _Handler) -> None:
        self._handlers[number] = signal.signal(number, handler)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        raise SystemExit(_FATAL + number)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Here it goes on, once the shell lets it.
        signal.signal(signal.SIGTSTP, self._stop)
        self._take()

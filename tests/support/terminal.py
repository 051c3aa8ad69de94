"""A program on a terminal of its own, and what it writes there, read so that nothing of it is forgotten."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

PATIENCE = 60.0
ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[^\[])")


class Screenful:
    """Text that was written on a terminal, and how far it has been looked at."""

    def __init__(self) -> None:
        self.seen = ""
        """All that was written, with escape sequences."""
        self._looked_at = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def add(self, content: bytes) -> None:
        """Take in what was read; a character may be cut in two."""
        self.seen += self._decoder.decode(content)

    def take(self, wanted: str) -> str | None:
        """Take what was written up to `wanted`, and with it, since the last time; None where it was not written yet.

        The text may stand there as it is, or between escape sequences. What came after it, in the same reading or not,
        is left for the next time.
        """
        text = self.seen[self._looked_at :]
        end = _end_of(wanted, text)
        if end is None:
            return None
        self._looked_at += end
        return ESCAPE.sub("", text[:end])

    @property
    def rest(self) -> str:
        """Take what was not looked at yet."""
        return self.seen[self._looked_at :]


def _end_of(wanted: str, text: str) -> int | None:
    """Return where `wanted` ends in `text`, taken as it is or without its escape sequences, whichever is earlier."""
    ends = [text.index(wanted) + len(wanted)] if wanted in text else []
    places = list(range(len(text)))
    for found in reversed(list(ESCAPE.finditer(text))):
        del places[found.start() : found.end()]
    plain = "".join(text[place] for place in places)
    if wanted in plain:
        ends.append(places[plain.index(wanted) + len(wanted) - 1] + 1)
    return min(ends, default=None)


class Terminal:
    """A terminal with a program on it, which it controls."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.master = master
        self.process = process
        self.screen = Screenful()

    @property
    def seen(self) -> str:
        """Text that was written so far, with escape sequences."""
        return self.screen.seen

    def until(self, wanted: str) -> str:
        """Read until `wanted` was written; what was, since the last time, without escape sequences."""
        deadline = time.monotonic() + PATIENCE
        while (told := self.screen.take(wanted)) is None:
            assert time.monotonic() < deadline, (wanted, self.screen.rest)
            self._read(0.1)
        return told

    def press(self, keys: str) -> None:
        """Type on its keyboard."""
        os.write(self.master, keys.encode())

    def resize(self, width: int, height: int) -> None:
        """Make its window another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", height, width, 0, 0))

    def hang_up(self) -> None:
        """Close it, as `tmux kill-session` or a lost connection does."""
        os.close(self.master)
        self.master = -1

    def end(self) -> int:
        """The program's exit code, once it has ended."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.screen.rest
            self._read(0.05)
        while self._read(0.0):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        """Take in what comes within this time; whether anything did."""
        if self.master < 0:
            time.sleep(seconds)  # closed: only the program's end is waited for
            return False
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            content = os.read(self.master, 1 << 16)
        except OSError:  # EIO: no program has it open any more
            return False
        self.screen.add(content)
        return bool(content)


def _take_terminal() -> None:
    """Make standard input the controlling terminal, and hear of its end also where the tests run under `nohup`."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def on_a_terminal(
    command: Sequence[object], width: int = 80, height: int = 24, environ: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """A program as the leader of a session that a terminal of this size controls; killed at the end."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", height, width, 0, 0))
    process = subprocess.Popen(
        [*map(str, command)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509  # no threads of ours matter there
        env={**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **(environ or {})},
    )
    terminal = Terminal(master, process)
    try:
        yield terminal
    finally:
        process.kill()
        process.wait(60)
        os.close(slave)
        if terminal.master >= 0:
            terminal.hang_up()

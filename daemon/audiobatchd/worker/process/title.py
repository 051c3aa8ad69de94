"""The title of a worker process: what `ps`, `top` and `systemctl status` show in the place of its command line.

Written over the command line where the kernel keeps it, in the process's own memory, as setproctitle(3bsd) does.
"""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

_PROGRAM = "audiobatchd"
_CUT = "…".encode()
# Of proc(5)'s stat: fields 48 and 49, where the third is the first behind the name.
_START, _END = 48 - 3, 49 - 3


class Title:
    """The words by which one process is told from its neighbours."""

    def __init__(self, who: str, short: str) -> None:
        """Take the place of the command line; `short` follows the program's name in 15 bytes, where that is all."""
        self._who = who
        self._start, self._size = _command_line()
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_text(f"{_PROGRAM} {short}")

    def say(self, what: str) -> None:
        """Say what it is at. Text that finds no room is cut; where there is no command line to write over, none is."""
        if self._size:
            ctypes.memmove(self._start, fitted(f"{_PROGRAM}: {self._who}: {what}", self._size), self._size)


def fitted(words: str, size: int) -> bytes:
    """Make a command line of words: so many bytes, of which the last is a zero. A text that is cut ends with dots."""
    # A blank would have systemd quote it; a zero byte stands between two arguments.
    text = words.encode(errors="replace").replace(b" ", b"\0")
    if len(text) >= size:
        text = text[: max(0, size - len(_CUT) - 1)].decode(errors="ignore").encode() + _CUT
    return text[: size - 1].ljust(size, b"\0")


def _command_line() -> tuple[int, int]:
    """Find the address and the length of the command line; no length where what lies there is something else."""
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start, size = int(fields[_START]), int(fields[_END]) - int(fields[_START])
        shown = Path("/proc/self/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return 0, 0
    # Emulated kernels say 0; a process may have moved its arguments. Only what the kernel shows is written over.
    if not start or size != len(shown) or ctypes.string_at(start, size) != shown:
        return 0, 0
    return start, size

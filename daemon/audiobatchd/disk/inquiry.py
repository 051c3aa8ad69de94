"""The program of a process that asks a disk whether it answers, and ends when it does; an error is an answer too.

It is started as a file, without the package and without site-packages: it has to be there in a moment. See `probes`.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

_ENTRIES, _FILES, _BYTES = 1000, 16, 1 << 16
"""Limits: names that are asked for, files of which something is read, and bytes of each."""


def command(*arguments: str) -> list[str]:
    """Build the command that starts this program with these arguments; see `main`."""
    return [sys.executable, "-I", "-S", __file__, *arguments]


def let_go(process: subprocess.Popen[bytes]) -> None:
    """End a process that asks, without waiting for it: the kernel may keep it for as long as the disk hangs."""
    process.kill()
    with suppress(RuntimeError):  # where there is no thread for it, it is taken care of when this process ends
        threading.Thread(target=process.wait, name="end of an inquiry", daemon=True).start()


def ask(folder: str, *, briefly: bool) -> None:
    """Ask for the file system's room and for names; unless `briefly` also read from files, and write one.

    What the kernel has in its cache proves nothing: it has no cache for the room, and none for a file that is new.
    Raises OSError.
    """
    os.statvfs(folder)
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            if briefly or len(names) >= _ENTRIES:
                break
    if not briefly:
        for name in names[:_FILES]:
            _read(os.path.join(folder, name))
        _write(os.path.join(folder, f".audiobatch-{secrets.token_hex(6)}.tmp"))


def _read(path: str) -> None:
    with suppress(OSError):
        if stat.S_ISREG(os.stat(path).st_mode):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.read(descriptor, _BYTES)
            finally:
                os.close(descriptor)


def _write(path: str) -> None:
    """Make a file as a worker that writes a record does, and remove it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, b"?")
    finally:
        os.close(descriptor)
        os.unlink(path)


def main() -> None:
    """Start here: with `briefly` or `thoroughly` and a folder, or with `resolve` and a path to print without links."""
    if sys.argv[1] == "resolve":
        sys.stdout.buffer.write(os.fsencode(os.path.realpath(sys.argv[2])))
        return
    with suppress(OSError):
        ask(sys.argv[2], briefly=sys.argv[1] == "briefly")


if __name__ == "__main__":
    main()

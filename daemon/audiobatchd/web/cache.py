"""The pictures that were made, on disk: the latest used ones, in bounded space, and lost without harm.

Methods read and write a disk: they are called in threads. A picture that cannot be kept is made again.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from pathlib import Path

from audiobatchd.disk import bounded

MOST_BYTES, MOST_FILES = 64 << 20, 2000
_MODE, _FILE_MODE = 0o700, 0o600
_MOST_SEEN = 20_000
"""Names that are looked at in the directory."""
_ASIDE = ".new"
"""Ending of a file that is being written."""


class PictureCache:
    """Pictures by name, which tells of what content they are; the directory is made when there is one to keep."""

    def __init__(
        self, directory: Path, item_limit: int, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES
    ) -> None:
        self._directory = directory
        self._item_limit = item_limit
        """Bytes of one picture at most."""
        self._most_bytes, self._most_files = most_bytes, most_files
        self._sizes: OrderedDict[str, int] | None = None
        """Size of each file, the one that was used longest ago first; None: not looked at yet."""
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        """Read a picture; None where there is none that can be read."""
        with self._lock:
            known = self._known()
            if name not in known:
                return None
            path = self._directory / name
            try:
                content, _ = bounded.read(path, self._item_limit)
                os.utime(path)  # for the order after the next start
            except OSError:
                known.pop(name)
                return None
            known.move_to_end(name)
            return content

    def put(self, name: str, content: bytes) -> None:
        """Keep a picture, and remove those that were used longest ago, where there are too many."""
        if len(content) > min(self._item_limit, self._most_bytes):
            return
        with self._lock, contextlib.suppress(OSError):
            known = self._known()
            self._make_directory()
            self._write(name, content)
            known[name] = len(content)
            known.move_to_end(name)
            self._shrink(known)

    def _known(self) -> OrderedDict[str, int]:
        if self._sizes is None:
            self._sizes = OrderedDict()
            self._sizes = self._found()
            self._shrink(self._sizes)
        return self._sizes

    def _found(self) -> OrderedDict[str, int]:
        """Find what an earlier service has left, and remove what it had not finished."""
        found = []
        with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
            for entry, _ in zip(entries, range(_MOST_SEEN), strict=False):
                if entry.name.endswith(_ASIDE):
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime_ns, entry.name, status.st_size))
        return OrderedDict((name, size) for _, name, size in sorted(found))

    def _shrink(self, known: OrderedDict[str, int]) -> None:
        total = sum(known.values())
        while known and (total > self._most_bytes or len(known) > self._most_files):
            name, size = known.popitem(last=False)
            total -= size
            with contextlib.suppress(OSError):
                os.unlink(self._directory / name)

    def _make_directory(self) -> None:
        with contextlib.suppress(FileExistsError):
            self._directory.mkdir(_MODE)
        if self._directory.stat().st_mode & 0o777 != _MODE:
            self._directory.chmod(_MODE)

    def _write(self, name: str, content: bytes) -> None:
        """Write a file aside and rename it, so that it is whole or not there. Raises OSError."""
        path = self._directory / name
        aside = path.with_name(name + _ASIDE)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(aside, flags, _FILE_MODE), "wb") as file:
                file.write(content)
            aside.rename(path)  # not synced: what a power cut leaves of it is no picture, and is made again
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise

"""Settling of what is dropped into an inbox: nothing is touched before all that came together has come to rest.

What belongs together is a directory right in the inbox with all below it, discs and stems, and the loose files right
in the inbox. Names and stats alone are looked at; a hidden directory, and one behind a link, is not entered.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from audiobatchd.core.discovery import NEVER_ENTERED, is_temporary
from audiobatchd.errors import AudiobatchError
from audiobatchd.vocabulary.files import EXTENSIONS
from audiobatchd.vocabulary.names import shown

CLAIM = ".audiobatch-inbox"
"""The file by which a machine claims an inbox."""
LOOSE = ""
"""Name of the unit that the files right in an inbox are."""
MOST = 100_000
"""Files and directories that an inbox may hold: more are not looked through every few seconds."""


@dataclass
class Unit:
    """Files that are moved together: a directory right in the inbox, or the loose ones."""

    names: set[str] = field(default_factory=set)
    """Names right in the inbox that are of it."""
    files: list[str] = field(default_factory=list)
    """Paths of its files and links, without hidden ones, and of all that cannot be read."""
    unfinished: str = ""
    """Path of a file that some program still writes, by its name; empty where there is none."""
    digest: bytes = b""
    """Tells what it holds: another one where any file has come, gone or changed."""


def look(inbox: str) -> dict[str, Unit]:
    """Find the units of an inbox, a path without links, by name.

    Raises OSError where it cannot be read, AudiobatchError where it holds too many files.
    """
    units: dict[str, Unit] = {}
    lines: dict[str, list[bytes]] = {}
    for count, (top, path, status) in enumerate(_everything(inbox)):
        if count >= MOST:
            message = f"cannot look through {shown(inbox)}: it holds more than {MOST:,} files; move some away"
            raise AudiobatchError(message)
        if status is None:
            units[top].files.append(path)
            continue
        name = os.path.basename(path)
        is_file = not stat.S_ISDIR(status.st_mode)
        key = LOOSE if is_file and os.path.dirname(path) == inbox else top
        unit = units.setdefault(key, Unit())
        unit.names.add(top)
        if is_file and is_unfinished(name):
            unit.unfinished = unit.unfinished or path
        elif is_file and not name.startswith("."):
            unit.files.append(path)
        # Rights count: where they were in the way, mending them is a change. A directory's time does not, for moving
        # a file out of it is one of our own.
        told = [status.st_mode, status.st_uid, status.st_gid, status.st_ino]
        told += [status.st_size, status.st_mtime_ns] if is_file else []
        lines.setdefault(key, []).append(b"%s\0%s" % (os.fsencode(path), " ".join(map(str, told)).encode()))
    for key, unit in units.items():
        unit.files.sort()
        unit.digest = hashlib.blake2b(b"\0\0".join(sorted(lines[key]))).digest()
    return units


def is_unfinished(name: str) -> bool:
    """Tell whether a file's name says that it is still written: by a browser, rsync (`.song.flac.Xa8b2c`) and so on."""
    if is_temporary(name):
        return True
    inner, dot, suffix = name.rpartition(".")
    return bool(dot) and inner.rpartition(".")[2].lower() in EXTENSIONS and (name[0] == "." or suffix.lower() == "tmp")


class Rest:
    """Measures for how long each unit has been the same, by a clock that is handed in."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[bytes, float]] = {}
        """The digest of each unit, and when it was first seen."""

    def settled(self, units: dict[str, Unit], settle: float, now: float) -> set[str]:
        """Name the units that have been the same for `settle` seconds, and in which nothing is unfinished."""
        before, self._since = self._since, {}
        for name, unit in units.items():
            digest, since = before.get(name, (b"", now))
            self._since[name] = (unit.digest, since if digest == unit.digest else now)
        return {name for name, unit in units.items() if not unit.unfinished and now - self._since[name][1] >= settle}


def remove_empty(directories: set[str], inbox: str) -> None:
    """Remove those of these directories that are empty, and what becomes empty by that up to the inbox, which stays."""
    for directory in sorted(directories, key=len, reverse=True):
        path = directory
        while path.startswith(inbox.rstrip("/") + "/"):
            try:
                Path(path).rmdir()
            except FileNotFoundError:
                pass  # what is above it may be empty all the same
            except OSError:
                break
            path = os.path.dirname(path)


def _everything(inbox: str) -> Iterator[tuple[str, str, os.stat_result | None]]:
    """Yield every file and directory below the inbox, with the name right in the inbox that it is below.

    A directory that cannot be read comes once more, without a status; so does what lies in one that cannot be entered.
    """
    waiting = [("", inbox)]
    while waiting:
        top, directory = waiting.pop()
        try:
            with os.scandir(directory) as listed:
                entries = list(listed)
        except OSError:
            if directory == inbox:
                raise
            yield top, directory, None
            continue
        for entry in entries:
            if directory == inbox and entry.name == CLAIM:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # it has gone meanwhile, which another look sees
            except PermissionError:
                if directory == inbox:
                    raise
                yield top, entry.path, None  # its directory may be read, and not be entered
                continue
            yield top or entry.name, entry.path, status
            is_hidden = entry.name.startswith(".") or entry.name in NEVER_ENTERED
            if stat.S_ISDIR(status.st_mode) and not is_hidden:
                waiting.append((top or entry.name, entry.path))

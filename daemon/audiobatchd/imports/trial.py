"""A trial of what an import needs of file systems, before anything of it is done: reflinks, hard links, room."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable

from audiobatchd.errors import AudiobatchError, SourceChangedError
from audiobatchd.imports import transfer
from audiobatchd.imports.library import SourceFile
from audiobatchd.imports.manifest import DIRECTORY, Mode, Origin
from audiobatchd.imports.plan import Track
from audiobatchd.imports.transfer import CannotError
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import sized

_SPARE = 1 << 20
"""Bytes for directories, the manifest and records."""


def refuse_impossible(tracks: Iterable[Track], dataset: str, mode: Mode) -> None:
    """Raise CannotError where the file systems cannot do what the mode asks for, or have no room for it.

    One file of each file system of the library is tried, the smallest.
    """
    by_device: dict[int, list[SourceFile]] = {}
    for track in tracks:
        for file in track.files.values():
            by_device.setdefault(file.identity.device, []).append(file)
    needed = 0
    for files in by_device.values():
        needed += _needed(files, dataset, mode)
    found = os.statvfs(dataset)
    free = found.f_bavail * found.f_frsize
    if needed and needed + _SPARE > free:
        message = f"cannot import into {shown(dataset)}: {sized(needed)} are needed, and {sized(free)} are free"
        raise CannotError(message)


def _needed(files: list[SourceFile], dataset: str, mode: Mode) -> int:
    """Count the bytes that these files will take. Raises CannotError where they cannot be imported so."""
    everything = sum(file.size for file in files)
    if mode is Mode.LINK:
        return 0
    if mode is Mode.COPY:
        return everything
    smallest = min(files, key=lambda file: file.size)
    tried = {Mode.AUTO: Mode.REFLINK, Mode.MOVE: Mode.HARDLINK}.get(mode, mode)
    try:
        _try(smallest, dataset, tried)
    except CannotError as error:
        if mode not in (Mode.AUTO, Mode.MOVE):
            message = f"cannot import by {mode}, nothing was done: {error}"
            raise CannotError(message) from error
        return everything
    except (OSError, SourceChangedError, AudiobatchError):
        return 0  # that is told of the file, when its turn comes
    return 0


def _try(file: SourceFile, dataset: str, mode: Mode) -> None:
    target = os.path.join(dataset, DIRECTORY, f"trial-{secrets.token_hex(6)}")
    transfer.bring(Origin(shown(file.path), file.size, file.mtime_ns), target, mode)
    os.unlink(target)

"""Undoing an import: its track folders are taken out again, and what was moved goes back to where it came from.

A folder is only removed where nothing would be lost by that: its files are those that were brought in, and
still lie in the library; and beside them is nothing but what audiobatchd itself writes. Every other one stays, named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from audiobatchd.core import provenance
from audiobatchd.core.discovery import is_companion
from audiobatchd.disk import record
from audiobatchd.errors import AudiobatchError, LockBusyError, RecordError
from audiobatchd.imports import transfer
from audiobatchd.imports.build import Site, clear
from audiobatchd.imports.library import Trouble
from audiobatchd.imports.manifest import Done, Entry, Mode, Origin, Placed, Step, Undoing, Undone, sync_directory
from audiobatchd.locks.folder_lock import FolderLock, path_of
from audiobatchd.locks.observer import observe
from audiobatchd.locks.reaper import Terms, reap_one
from audiobatchd.vocabulary.files import RECORD_LIMIT, FileId
from audiobatchd.vocabulary.names import parsed, shown
from audiobatchd.vocabulary.quantities import counted

_BUDGET = 600.0
"""Seconds that observers should expect the lock of a folder to be held: a move back may be a copy."""
_NAMED = 3
"""Number of foreign keys or files that a reason names."""

Features = Callable[[], Mapping[str, frozenset[str]]]
"""Tells the features of each analyzer, by its name; only asked where there is a record."""


@dataclass
class Undoings:
    """Result of undoing an import."""

    removed: list[str] = field(default_factory=list)
    """Track folders that are gone, as they are shown."""
    left: list[Trouble] = field(default_factory=list)
    """Track folders that stay, and the reasons."""


class KeptError(AudiobatchError):
    """Raised where a folder is to be left as it is."""


def undo(
    site: Site, features: Features, others: Mapping[str, str], on_progress: Callable[[int, int], None]
) -> Undoings:
    """Take out all folders of an import that are there. Raises OSError where the manifest cannot be written.

    `others`: the later imports that have made folders since, by the names of these; `on_progress` is told how many
    folders of how many have been looked at.
    """
    result = Undoings()
    entries = [each for each in site.manifest.entries.values() if each.step in (Step.DONE, Step.UNDOING)]
    for number, entry in enumerate(reversed(entries), 1):
        folder = entry.build.folder
        if folder in others:
            result.left.append(Trouble(folder, f"the folder of this name is of import {others[folder]}"))
            continue
        try:
            undo_one(site, entry, features)
            result.removed.append(folder)
        except LockBusyError:
            result.left.append(Trouble(folder, "it is being measured; try again"))
        except (AudiobatchError, OSError) as error:
            result.left.append(Trouble(folder, getattr(error, "strerror", None) or str(error)))
        on_progress(number, len(entries))
    return result


def undo_one(site: Site, entry: Entry, features: Features) -> None:
    """Take out one folder, or go on with that. Raises AudiobatchError or OSError where it stays."""
    folder, hidden = site.folder(entry.build), site.hidden(entry.build)
    is_there = os.path.lexists(folder)
    if entry.step is Step.UNDOING and (os.path.lexists(hidden) or not is_there):
        # The process that began it ended before it gave the lock back.
        if not is_there and (left := observe(path_of(folder))):
            reap_one(left, Terms())
        if os.path.lexists(hidden):
            _take_apart(site, entry, features)
        else:
            site.manifest.write(Undone(entry.build.number))
        return
    if not is_there:
        raise KeptError("it is not there any more: it was removed, or has another name")
    lock = FolderLock(folder, _BUDGET)
    lock.acquire()
    try:
        _hide(site, entry, features)
    except (AudiobatchError, OSError):
        if entry.step is Step.UNDOING:
            site.manifest.write(Done(entry.build.number))
        raise
    finally:
        lock.release()
    _take_apart(site, entry, features)


def _hide(site: Site, entry: Entry, features: Features) -> None:
    """Take a folder's name away, where nothing speaks against removing it; its lock is held."""
    folder, hidden = site.folder(entry.build), site.hidden(entry.build)
    _beside(site, entry, folder, features)
    if entry.step is not Step.UNDOING:
        site.manifest.write(Undoing(entry.build.number))
    Path(folder).rename(hidden)
    try:
        # Once more where no other program looks: what came between the first look and the rename counts as well.
        _beside(site, entry, hidden, features)
    except BaseException:
        Path(hidden).rename(folder)
        raise
    sync_directory(site.dataset)


def _take_apart(site: Site, entry: Entry, features: Features) -> None:
    """Remove a folder that is hidden; what was moved is first put back."""
    hidden = site.hidden(entry.build)
    extra = _beside(site, entry, hidden, features, gone=True)
    if site.manifest.begin.mode is Mode.MOVE:
        for name, origin in entry.build.files.items():
            target = os.path.join(hidden, name)
            if os.path.lexists(target) and not os.path.lexists(parsed(origin.source)):
                transfer.put_back(target, origin)
        for directory in {os.path.dirname(parsed(origin.source)) for origin in entry.build.files.values()}:
            sync_directory(directory)
    clear(hidden, [*extra, *entry.build.names])
    sync_directory(site.dataset)
    site.manifest.write(Undone(entry.build.number))


def _beside(site: Site, entry: Entry, directory: str, features: Features, *, gone: bool = False) -> list[str]:
    """List what audiobatchd put beside the files of a folder that lies in `directory` for now.

    Raises KeptError where a file is not as it was brought in, or something else is there. `gone`: files may be missing.
    """
    assert entry.publish is not None
    names = os.listdir(directory)
    for name, origin in entry.build.files.items():
        if name in names:
            path = os.path.join(directory, name)
            if why := _difference(path, origin, entry.publish.files[name], site.manifest.begin.mode):
                raise KeptError(why)
        elif not gone:
            message = f"{name} is not there any more"
            raise KeptError(message)
    extra = [name for name in names if name not in entry.build.files and not record.is_temporary(name)]
    ours = _ours(directory, parsed(entry.build.folder), extra, features)
    if entry.build.marker and _is_empty_file(os.path.join(directory, parsed(entry.build.marker))):
        ours.add(parsed(entry.build.marker))
    if foreign := sorted(set(extra) - ours):
        message = f"it holds what was not imported: {_some(foreign, 'file')}"
        raise KeptError(message)
    return [name for name in names if name not in entry.build.files]


def _is_empty_file(path: str) -> bool:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and not status.st_size


def _ours(directory: str, folder: str, names: list[str], features: Features) -> set[str]:
    """Find the record and the companions among `names`. Raises KeptError for a record with keys of other programs."""
    own = f"{folder}.INFO"
    if not any(name.startswith(f"{folder}.") for name in names):
        return set()
    keys: frozenset[str] = frozenset()
    if own in names:
        if not stat.S_ISREG(os.lstat(os.path.join(directory, own)).st_mode):
            raise KeptError("its record is no regular file")
        with record.opened(directory) as descriptor:
            try:
                found = record.read(own, descriptor, RECORD_LIMIT)
            except RecordError as error:
                raise KeptError(str(error)) from error
        known = features()
        keys = frozenset().union(*(known.get(name, frozenset()) for name in found.provenance.analyzers))
        foreign = sorted(key for key in found.values if key not in keys and key != provenance.KEY)
        if foreign:
            message = f"its record has what audiobatchd did not measure: {_some(foreign, 'key')}"
            raise KeptError(message)
    companions = {name for name in names if _is_companion(name, folder, keys)}
    return companions | ({own} & set(names))


def _is_companion(name: str, folder: str, keys: frozenset[str]) -> bool:
    suffix = name.removeprefix(folder)
    return name.startswith(folder) and is_companion(suffix) and suffix in keys


def _difference(path: str, origin: Origin, was: Placed, mode: Mode) -> str:
    """Say why removing the file would lose something, or bring back something else than was taken; else ""."""
    name, source = os.path.basename(path), parsed(origin.source)
    if mode is Mode.LINK:
        is_link = Path(path).is_symlink() and str(Path(path).readlink()) == source
        return "" if is_link else f"{name} is not the link that was made"
    now = os.lstat(path)
    if not stat.S_ISREG(now.st_mode):
        return f"{name} is no regular file any more"
    there = None
    with suppress(OSError):
        there = os.stat(source)
    if there is not None and FileId.of(there) == FileId.of(now):
        return ""
    is_untouched = Placed(now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino) == was
    if mode is Mode.MOVE:
        # Linking it elsewhere, or giving it other rights, moves the inode's time: nothing is lost by a move back.
        is_untouched = (now.st_size, now.st_mtime_ns) == (was.size, was.mtime_ns)
        if there is not None and not transfer.same_bytes(source, path):
            return f"another file is where {name} came from: {origin.source}"
    elif there is None or (there.st_size, there.st_mtime_ns) != (origin.size, origin.mtime_ns):
        return f"{name} may be the only copy: {origin.source} is gone, or has changed"
    elif mode is Mode.HARDLINK:
        return f"{name} is not the file any more that {origin.source} is"
    elif not is_untouched:
        # The time of a change of the inode cannot be set: where that is as it was, nothing was written.
        is_untouched = transfer.same_bytes(source, path)
    return "" if is_untouched else f"{name} has changed since"


def _some(names: list[str], noun: str) -> str:
    """Name the first of some files or keys, and how many they are."""
    named = ", ".join(shown(name) for name in names[:_NAMED])
    return named if len(names) <= _NAMED else f"{named} and {counted(len(names) - _NAMED, f'other {noun}')}"

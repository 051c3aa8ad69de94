"""Removing the locks of the dead; and which `.lock` files of a directory are ours at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from audiobatchd.disk.filesystems import Kind
from audiobatchd.disk.listing import read_names, settled
from audiobatchd.locks import kernel
from audiobatchd.locks.folder_lock import GUIDE_TIMEOUT, SUFFIX, give_back, guides_path_of, is_being_made, path_of
from audiobatchd.locks.lock_file import Empty, GuideText, Holder, Unreadable, look_into
from audiobatchd.locks.observer import LockState, Observation, holder_in_words, observe

_LARGE = 1000
"""Number of entries from which on it is remembered that a directory has no lock file."""


@dataclass(frozen=True)
class Removal:
    """Removal of a lock file, done or (on a dry run) proposed; it is emptied where removing is not safe."""

    path: str
    reason: str
    failure: str = ""
    """Cause that kept it from being removed."""


@dataclass(frozen=True)
class Terms:
    """Terms of a clean-up."""

    guide_timeout: float = GUIDE_TIMEOUT
    dry_run: bool = False
    """Only tell what would be removed."""
    free: bool = False
    """Remove empty files from network file systems as well: the operator says that no machine works there."""
    alone: bool = False
    """No other machine works there. Else no lock on a WEAK file system is dead: the locks of the machine that holds
    it are not seen here."""


def locks_in(directory: str, guide_timeout: float = GUIDE_TIMEOUT, *, given_back: bool = True) -> Iterator[Observation]:
    """Yield every lock file of ours in `directory`, by name; without `given_back` no empty ones.

    Ours are: a file with our content, wherever it lies; a guide's text or an empty file beside a track folder; a
    guide's text that names a folder that is gone. Any other file (`poetry.lock`) is left alone.

    Raises OSError where the directory cannot be read.
    """
    names, _ = _names_in(directory, empty=given_back)
    yield from _observed(directory, names, guide_timeout)


class Unlocked:
    """Remembers the large directories without a lock file, by their time: no other one of a million names is a lock."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def locks_in(self, directory: str) -> Iterator[Observation]:
        """Yield as `locks_in` does, without a listing where none can have come; on a local file system."""
        time = settled(os.stat(directory).st_ctime_ns)  # which no program sets back, as rsync does the mtime
        if time and self._times.get(directory) == time:
            return
        names, entries = _names_in(directory, empty=True)
        self._times.pop(directory, None)
        if not names and entries >= _LARGE:
            self._times[directory] = time
        yield from _observed(directory, names, GUIDE_TIMEOUT)


def _names_in(directory: str, *, empty: bool) -> tuple[list[str], int]:
    """Return the names of the files that may be locks, in order, and the number of all entries."""
    names, number = [], 0
    with os.scandir(directory) as entries:
        for number, each in enumerate(entries, 1):  # noqa: B007  # it is told
            if each.name.endswith(SUFFIX) and _counts(each, empty=empty):
                names.append(each.name)
    return sorted(names), number


def _observed(directory: str, names: list[str], guide_timeout: float) -> Iterator[Observation]:
    for name in names:
        path = os.path.join(directory, name)
        try:
            observation = observe(path, guide_timeout)
        except OSError:
            continue  # an unreadable file cannot be told from data
        if observation is not None and _is_ours(observation):
            yield observation


def reap(directory: str, terms: Terms) -> Iterator[Removal]:
    """Remove every dead lock in `directory`; what was removed, and why. Raises OSError as `locks_in` does."""
    for observation in locks_in(directory, terms.guide_timeout):
        removal = reap_one(observation, terms)
        if removal is not None:
            yield removal


def reap_one(observation: Observation, terms: Terms) -> Removal | None:
    """Remove a lock that was seen to be dead; None where it is not."""
    reason = _why_dead(observation, terms)
    return _remove(observation, reason, terms) if reason else None


def _counts(entry: os.DirEntry[str], *, empty: bool) -> bool:
    try:
        return entry.is_file(follow_symlinks=False) and (empty or entry.stat(follow_symlinks=False).st_size > 0)
    except OSError:
        return False


def _is_ours(observation: Observation) -> bool:
    folder = observation.path.removesuffix(SUFFIX)
    match observation.content:
        case Holder():
            return True
        case GuideText(file=file):
            return _is_track(folder) or _is_guides(observation.path, os.fsdecode(file))
        case Unreadable():
            return _is_track(folder)
        case Empty():
            return _is_track(folder) or (_is_marked(observation.path) and not os.path.lexists(folder))


def _is_marked(path: str) -> bool:
    """Tell whether one of ours made the file, and died before signing it: scripts of the guide set no sticky bit."""
    try:
        return bool(os.lstat(path).st_mode & stat.S_ISVTX)
    except OSError:
        return False


def _is_guides(path: str, name: str) -> bool:
    """Tell whether a script of the guide made the lock file for the folder `name`, which is a track or gone."""
    folder = os.path.join(os.path.dirname(path), os.path.basename(name))
    return path in (path_of(folder), guides_path_of(folder)) and (_is_track(folder) or not os.path.lexists(folder))


def folder_of(observation: Observation) -> str:
    """The folder whose lock it is; a script of the guide leaves out what looks like a suffix."""
    folder = observation.path.removesuffix(SUFFIX)
    if isinstance(observation.content, GuideText):
        named = os.path.join(os.path.dirname(folder), os.path.basename(os.fsdecode(observation.content.file)))
        return named if guides_path_of(named) == observation.path else folder
    return folder


def _is_track(folder: str) -> bool:
    try:
        return read_names(folder).is_track
    except OSError:
        return False


def _why_dead(observation: Observation, terms: Terms) -> str:
    """Say why a lock may be removed; empty where it may not."""
    if observation.kind is Kind.WEAK and not terms.alone:
        return ""
    if observation.state is LockState.DEAD:
        return f"its holder is gone: {holder_in_words(observation.content)}"
    if observation.state is LockState.FREE and (observation.kind is Kind.LOCAL or terms.free):
        return "empty, and not held"
    return ""


def _remove(observation: Observation, reason: str, terms: Terms) -> Removal:
    path = observation.path
    if not os.path.lexists(folder_of(observation)):
        reason = f"its folder is gone, and {reason}"
    if terms.dry_run:
        return Removal(path, reason)
    try:
        descriptor = kernel.open_lock(path, os.O_RDWR)
    except FileNotFoundError:
        return Removal(path, reason)  # another process was quicker
    except OSError as error:
        return Removal(path, reason, error.strerror or str(error))
    try:
        return _remove_held(observation, descriptor, reason, terms)
    except OSError as error:
        return Removal(path, reason, error.strerror or str(error))
    finally:
        kernel.close_lock(descriptor)


def _remove_held(observation: Observation, descriptor: int, reason: str, terms: Terms) -> Removal:
    """Take steps 1 and 2 of the protocol without making a file, then step 6."""
    path = observation.path
    if not kernel.take(descriptor, local=observation.kind is Kind.LOCAL):
        return Removal(path, reason, "another process took it meanwhile")
    if not kernel.names(path, descriptor):
        return Removal(path, reason)
    if look_into(descriptor) != observation.content:
        return Removal(path, reason, "another process wrote to it meanwhile")
    if is_being_made(observation.content, descriptor):
        return Removal(path, reason, "another process is just making it")
    if terms.free:
        os.unlink(path)
        return Removal(path, reason)
    left = not give_back(path, descriptor, observation.kind)
    if left and observation.state is LockState.FREE:
        return Removal(path, reason, "another process has it open, or another user owns it")
    return Removal(path, reason)

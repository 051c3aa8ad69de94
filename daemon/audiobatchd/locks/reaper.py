"""Removing the locks of the dead; and which `.lock` files of a directory are ours at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from audiobatchd.disk.filesystems import Kind
from audiobatchd.disk.listing import read_names
from audiobatchd.locks import kernel
from audiobatchd.locks.folder_lock import GUIDE_TIMEOUT, SUFFIX, give_back, guides_path_of, is_being_made, path_of
from audiobatchd.locks.lock_file import LIMIT, Empty, GuideText, Holder, parse
from audiobatchd.locks.observer import LockState, Observation, holder_in_words, observe


@dataclass(frozen=True)
class Removal:
    """One lock file that was removed, or emptied where removing is not safe, or would be; `failure`: why it was not."""

    path: str
    reason: str
    failure: str = ""


@dataclass(frozen=True)
class Terms:
    """How to clean up. `dry_run`: only say so.

    `free`: remove empty files from network file systems as well, on the operator's word that no machine works there.
    `alone`: no other machine works there. Without that no lock on a WEAK file system is dead, for its holder may be on
    a machine whose locks are not seen here.
    """

    guide_timeout: float = GUIDE_TIMEOUT
    dry_run: bool = False
    free: bool = False
    alone: bool = False


def locks_in(directory: str, guide_timeout: float = GUIDE_TIMEOUT, *, given_back: bool = True) -> Iterator[Observation]:
    """Every lock file of ours in `directory`, by name; without `given_back` no empty ones.

    Raises OSError where the directory cannot be read.

    Ours is what our content tells, wherever it lies, and a guide's text or an empty file beside a track folder, or a
    guide's text that names the folder that is gone. Anything else (`poetry.lock`) is somebody's data.
    """
    with os.scandir(directory) as entries:
        names = sorted(each.name for each in entries if each.name.endswith(SUFFIX) and _counts(each, empty=given_back))
    for name in names:
        path = os.path.join(directory, name)
        try:
            observation = observe(path, guide_timeout)
        except OSError:
            continue  # one that cannot be read cannot be told from data
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
        case Empty():
            return _is_track(folder) or (_is_marked(observation.path) and not os.path.lexists(folder))


def _is_marked(path: str) -> bool:
    """Whether one of us made the file, and died before signing it: scripts of the guide set no sticky bit."""
    try:
        return bool(os.lstat(path).st_mode & stat.S_ISVTX)
    except OSError:
        return False


def _is_guides(path: str, name: str) -> bool:
    """Whether a script of the guide made the lock file at `path` for the folder `name`, which is a track or gone."""
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
    """Why a lock may go; empty where it may not."""
    if observation.kind is Kind.WEAK and not terms.alone:
        return ""
    if observation.state is LockState.DEAD:
        return f"its holder is gone: {holder_in_words(observation.content)}"
    if observation.state is LockState.FREE and (observation.kind is Kind.LOCAL or terms.free):
        return "empty, and held by nobody"
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
        return Removal(path, reason)  # somebody was quicker
    except OSError as error:
        return Removal(path, reason, error.strerror or str(error))
    try:
        return _remove_held(observation, descriptor, reason, terms)
    except OSError as error:
        return Removal(path, reason, error.strerror or str(error))
    finally:
        kernel.close_lock(descriptor)


def _remove_held(observation: Observation, descriptor: int, reason: str, terms: Terms) -> Removal:
    """Steps 1 and 2 of the protocol without making a file, then step 6."""
    path = observation.path
    if not kernel.take(descriptor, local=observation.kind is Kind.LOCAL):
        return Removal(path, reason, "somebody took it meanwhile")
    if not kernel.names(path, descriptor):
        return Removal(path, reason)
    if parse(os.pread(descriptor, LIMIT, 0)) != observation.content:
        return Removal(path, reason, "somebody wrote to it meanwhile")
    if is_being_made(observation.content, descriptor):
        return Removal(path, reason, "somebody is just making it")
    if terms.free:
        os.unlink(path)
    else:
        give_back(path, descriptor, observation.kind)
    return Removal(path, reason)

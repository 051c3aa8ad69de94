"""Building a track folder: hidden in the dataset, synced, then renamed, so that nothing ever sees half of one.

Every act stands in the manifest before it is done; `settle` goes on from there after the end of the process at any
moment. It lies right in the dataset, whose rights and default ACL it so has from the start.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from audiobatchd.disk import interrupts
from audiobatchd.errors import AudiobatchError, SourceChangedError
from audiobatchd.imports import transfer
from audiobatchd.imports.library import SourceFile
from audiobatchd.imports.manifest import (
    Build,
    Done,
    Dropped,
    Entry,
    Manifest,
    Mode,
    Origin,
    Publish,
    Remove,
    Step,
    sync_directory,
)
from audiobatchd.imports.plan import Track
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.names import parsed, shown

_ENDS_ALL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that every other track would meet as well."""
_COPIES = frozenset({Mode.AUTO, Mode.REFLINK, Mode.COPY})
_NO_NAME = frozenset({errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG})


class TrackError(AudiobatchError):
    """Raised where one track cannot be imported, and others can."""


@dataclass(frozen=True)
class Site:
    """The place where track folders of one import are built."""

    dataset: str
    """Path of the dataset, without links."""
    manifest: Manifest
    """Record of the import, written before each act."""
    marker: str = ""
    """The dataset's `ready_marker`: an empty file of this name says that a folder is ready."""

    def folder(self, build: Build) -> str:
        """The path of a track folder."""
        return os.path.join(self.dataset, parsed(build.folder))

    def hidden(self, build: Build) -> str:
        """The path that a track folder has while it is built or taken apart."""
        return os.path.join(self.dataset, f"{transfer.HIDDEN}{self.manifest.id}-{build.number}")


def build(site: Site, track: Track, mode: Mode) -> str:
    """Make the track folder; a remark where something of the source had to stay, else "".

    Raises TrackError where this track cannot be imported, AudiobatchError and OSError where none can; nothing of the
    folder is left then.
    """
    if mode is Mode.MOVE:
        _refuse_immovable(track.files.values())
    origins = {name: Origin(shown(each.path), each.size, each.mtime_ns) for name, each in track.files.items()}
    number = next(reversed(site.manifest.entries), 0) + 1
    line = Build(number, shown(track.name), origins, shown(site.marker))
    site.manifest.write(line)
    try:
        _fill(site, line, mode)
    except BaseException:
        _drop(site, line)
        raise
    # Ctrl-C between the rename and the word of it would leave a folder that no manifest knows.
    with interrupts.held_back():
        try:
            _rename(site.hidden(line), site.folder(line))
        except BaseException:
            _drop(site, line)
            raise
        return _finish(site, site.manifest.entries[number], mode)


def settle(site: Site, mode: Mode) -> None:
    """Bring to an end what was begun when an earlier process ended: each folder is there, or nothing of it is.

    Raises OSError and AudiobatchError where that cannot be done.
    """
    for entry in list(site.manifest.entries.values()):
        hidden = site.hidden(entry.build)
        if entry.step is Step.BUILD or (entry.step is Step.PUBLISH and os.path.lexists(hidden)):
            _drop(site, entry.build)
        elif entry.step is Step.PUBLISH and not _is_ours(site, entry):  # it was removed, or moved, since
            site.manifest.write(Dropped(entry.build.number))
        elif entry.step in (Step.PUBLISH, Step.REMOVE):
            _finish(site, entry, mode)


def clear(directory: str, names: Iterable[str]) -> None:
    """Remove a hidden directory with the files of these names. Raises OSError where anything else is in it."""
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, name))
    with suppress(FileNotFoundError):
        Path(directory).rmdir()


def _fill(site: Site, line: Build, mode: Mode) -> None:
    """Build the folder and sync it, and note how it is."""
    hidden = site.hidden(line)
    Path(hidden).mkdir()
    for name, origin in line.files.items():
        try:
            transfer.bring(origin, os.path.join(hidden, name), mode)
        except (SourceChangedError, transfer.CannotError) as error:
            # The trial before showed that others can be brought in so.
            raise TrackError(str(error)) from error
        except OSError as error:
            if error.errno in _ENDS_ALL:
                raise
            message = f"{shown(os.path.basename(parsed(origin.source)))} cannot be brought in: {error.strerror}"
            raise TrackError(message) from error
    if line.marker:
        Path(hidden, parsed(line.marker)).touch(exist_ok=False)
    _share(site.dataset, hidden, line.names if mode in _COPIES else ())
    sync_directory(hidden)
    files = {name: transfer.placed(os.path.join(hidden, name)) for name in line.files}
    site.manifest.write(Publish(line.number, os.stat(hidden).st_ino, files))


def _share(dataset: str, hidden: str, copies: Iterable[str]) -> None:
    """Give a new folder, and the copies in it, the dataset's group, with its right to write where it may write there.

    Only a member can give a file to a group; where that fails, and where a default ACL has decided, all stays.
    """
    whole = os.stat(dataset)
    for path in (hidden, *(os.path.join(hidden, name) for name in copies)):
        with suppress(OSError):
            os.chown(path, -1, whole.st_gid, follow_symlinks=False)
    made = os.stat(hidden)
    if made.st_gid == whole.st_gid and whole.st_mode & stat.S_IWGRP and not _has_default_acl(dataset):
        with suppress(OSError):
            Path(hidden).chmod(stat.S_IMODE(made.st_mode) | whole.st_mode & stat.S_IRWXG)


def _has_default_acl(directory: str) -> bool:
    try:
        return "system.posix_acl_default" in os.listxattr(directory)
    except OSError:  # a file system that has none
        return False


def _rename(hidden: str, folder: str) -> None:
    # A rename would replace an empty directory. Between the look and the rename there is no time for more than one.
    if os.path.lexists(folder):
        message = f"{shown(os.path.basename(folder))} has come into the dataset meanwhile"
        raise TrackError(message)
    try:
        Path(hidden).rename(folder)
    except OSError as error:
        if error.errno not in _NO_NAME:
            raise
        message = f"the dataset's file system takes no folder called {shown(os.path.basename(folder))}"
        raise TrackError(message) from error


def _finish(site: Site, entry: Entry, mode: Mode) -> str:
    """Bring a folder that has its name to its end; a remark where a source had to stay."""
    sync_directory(site.dataset)
    remark = ""
    if mode is Mode.MOVE:
        if entry.step is not Step.REMOVE:
            site.manifest.write(Remove(entry.build.number))
        remark = _remove_sources(site.folder(entry.build), entry)
    # That it is there shows by itself: this line may go with the next that is synced.
    site.manifest.write(Done(entry.build.number), sync=False)
    return remark


def _remove_sources(folder: str, entry: Entry) -> str:
    """Remove the files that a folder was moved from, each where it is still the one that lies in the folder."""
    if entry.publish is None or not entry.publish.holds(folder):
        return "it changed in the dataset meanwhile, and stays in the library too"
    kept = []
    directories = set()
    for name, origin in entry.build.files.items():
        source = parsed(origin.source)
        try:
            here, there = os.stat(os.path.join(folder, name)), os.stat(source)
            if FileId.of(here) == FileId.of(there) or transfer.is_as_it_was(origin):
                os.unlink(source)
                directories.add(os.path.dirname(source))
            else:
                kept.append(f"{origin.source} changed meanwhile, and stays")
        except FileNotFoundError:
            continue
        except OSError as error:
            kept.append(f"cannot remove {origin.source}: {error.strerror}")
    for directory in directories:
        with suppress(OSError):  # the file is gone; should it come back after a power cut, nothing is lost
            sync_directory(directory)
    return "; ".join(kept)


def _drop(site: Site, line: Build) -> None:
    clear(site.hidden(line), line.names)
    site.manifest.write(Dropped(line.number))


def _is_ours(site: Site, entry: Entry) -> bool:
    """Tell whether the folder of this name is the one that was built.

    Some file systems give other inode numbers after every mount: then its files tell.
    """
    assert entry.publish is not None
    folder = site.folder(entry.build)
    try:
        return os.lstat(folder).st_ino == entry.publish.inode or entry.publish.holds(folder)
    except OSError:
        return False


def _refuse_immovable(files: Iterable[SourceFile]) -> None:
    """Raise TrackError where a source could not be removed when it is in the dataset."""
    for file in files:
        if file.is_link:
            message = f"{shown(file.name)} cannot be moved: it is a symbolic link; move what it leads to"
            raise TrackError(message)
        if not os.access(file.directory, os.W_OK | os.X_OK, effective_ids=True):
            message = f"{shown(file.name)} cannot be moved: its directory may not be written in"
            raise TrackError(message)

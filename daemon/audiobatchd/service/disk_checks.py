"""Looks at one place on a disk, and clearing up there: done in a thread of `disk_tasks`, and blocking for that."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from audiobatchd.disk import record
from audiobatchd.disk.filesystems import cause_of
from audiobatchd.disk.leases import open_recalled
from audiobatchd.disk.listing import read_folder
from audiobatchd.errors import LockBusyError
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.vocabulary.files import FileId, FolderKey
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.names import folder_at
from audiobatchd.vocabulary.states import Cause

_TIDYING = 60.0
"""Seconds that the lock announces while a folder is tidied."""


def tidy(key: FolderKey, short: Callable[[OSError], None] | None = None) -> None:
    """Remove what a killed worker left in and beside a folder, unless another process has its lock by now.

    `short` is told of a shortage, and waits or raises; then it is tried again.
    """
    folder = _folder(key)
    lock = FolderLock(folder, _TIDYING)
    try:
        lock.acquire()
    except LockBusyError:
        return
    except OSError as error:
        if short is not None and cause_of(error) is Cause.SHORTAGE:
            short(error)
            tidy(key, short)
        return
    try:
        with record.opened(folder) as descriptor:
            record.sweep(descriptor)
    except OSError as error:
        write(LogEvent.TIDY_FAILED, {"folder": folder, "reason": error.strerror})
    finally:
        lock.release()


def root_of(path: str) -> FileId | None:
    """Return the identity of the directory at `path`; None where there is none that can be reached."""
    try:
        return FileId.of(os.stat(os.path.join(path, "")))  # which takes a directory
    except OSError:
        return None


def probe(key: FolderKey, cause: Cause, other: FolderKey | None = None) -> str:
    """Say why `cause` still stands in the way in this folder; empty where it does not, or the folder is gone.

    For IO the folder and a part of each source file are read; for SPACE a file is written there and removed. Where it
    does in this folder and not in the `other`, it is this folder's alone.
    """
    trouble = _trouble_in(key, cause)
    return _trouble_in(other, cause) if trouble and other is not None else trouble


def _trouble_in(key: FolderKey, cause: Cause) -> str:
    folder = _folder(key)
    try:
        if cause is Cause.SPACE:
            with record.opened(folder) as descriptor:
                record.try_writing(descriptor)
        else:
            for stamp in read_folder(folder).stamps.values():
                if stamp.size < 0:
                    continue  # no file: a FIFO would hang us for ever
                _read_a_part(os.path.join(folder, os.fsdecode(stamp.name)))
    except (FileNotFoundError, NotADirectoryError):
        # A folder that is gone tells nothing; the root does.
        return "" if Path(key.dataset).is_dir() else "the dataset is not there"
    except OSError as error:
        # What is something else by now keeps its own folder waiting, and nothing more. A shortage tells nothing.
        return (error.strerror or str(error)) if cause_of(error) in (cause, Cause.SHORTAGE) else ""
    return ""


def _read_a_part(path: str) -> None:
    descriptor = open_recalled(path, os.O_RDONLY | os.O_CLOEXEC)  # it may have become a FIFO since
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


def _folder(key: FolderKey) -> str:
    return folder_at(os.path.realpath(key.dataset), key.path)

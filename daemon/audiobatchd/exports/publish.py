"""Publishing what is exported: written under a hidden name, synced, then renamed, and never over what is there.

A process that was killed leaves the hidden one behind, and the next export to the same target clears it away.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from audiobatchd.errors import AudiobatchError, UsageError
from audiobatchd.vocabulary.names import shown

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@contextmanager
def published(target: Path, *, is_directory: bool) -> Iterator[Path]:
    """Give the path of a new file or directory to be filled, which becomes `target` where nothing was raised.

    Raises UsageError where `target` is there or its directory is not, AudiobatchError where another export is at work
    on it, OSError for a disk that fails.
    """
    refuse_existing(target)
    # Not the whole name: with what is added it might be too long for the file system.
    hidden = target.with_name(f".{os.fsdecode(os.fsencode(target.name)[:200])}.audiobatch-export")
    with _held(hidden, is_directory=is_directory):
        try:
            yield hidden
            _sync(hidden)
            _rename(hidden, target, is_directory=is_directory)
        except BaseException:
            _remove(hidden)
            raise
    _sync_one(target.parent)


def refuse_existing(target: Path) -> None:
    """Raise UsageError where `target` is there, or its directory is not."""
    if not target.parent.is_dir():
        message = f"cannot write {shown(str(target))}: there is no directory {shown(str(target.parent))}"
        raise UsageError(message)
    if os.path.lexists(target):
        message = f"cannot write {shown(str(target))}: it is there already; give another name, or remove it first"
        raise UsageError(message)


@contextmanager
def _held(hidden: Path, *, is_directory: bool) -> Iterator[None]:
    """Make the hidden one, empty, and keep other exports away from it."""
    descriptor = None
    while descriptor is None:
        descriptor = _made(hidden, is_directory=is_directory)
    try:
        yield
    finally:
        os.close(descriptor)


def _made(hidden: Path, *, is_directory: bool) -> int | None:
    """Make and lock the hidden one; None where something stood in the way, and has gone.

    Always a new one: what stands there may have another name besides, and be what an export has published.
    """
    try:
        if is_directory:
            hidden.mkdir()
        else:
            os.close(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        is_new = True
    except FileExistsError:
        is_new = False
    try:
        descriptor = _locked(hidden)
    except FileNotFoundError:
        return None
    # Between the look at a name and the lock it may have become another's: what is published, or removed.
    is_it = os.path.lexists(hidden) and os.path.samestat(os.fstat(descriptor), hidden.lstat())
    if is_new and is_it:
        return descriptor
    try:
        if is_it:
            _clear(hidden)
    finally:
        os.close(descriptor)
    return None


def _locked(hidden: Path) -> int:
    """Open and lock what a name stands for. Raises AudiobatchError where another export has it, OSError."""
    # A FIFO is not waited for, nor is a link followed: in a directory of many users anything may lie there.
    flags = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(hidden, flags | os.O_RDWR)  # NFS locks nothing that is open for reading alone
    except IsADirectoryError:
        descriptor = os.open(hidden, flags | os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        message = f"cannot export: another export writes {shown(str(hidden))}; wait for its end"
        raise AudiobatchError(message) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _clear(path: Path) -> None:
    """Remove what a killed export left. Raises OSError."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _rename(hidden: Path, target: Path, *, is_directory: bool) -> None:
    if is_directory:
        refuse_existing(target)
        hidden.rename(target)
        return
    try:
        os.link(hidden, target)
    except FileExistsError:
        refuse_existing(target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        refuse_existing(target)
        hidden.rename(target)
    else:
        hidden.unlink()


def _sync(path: Path) -> None:
    """Bring a file, or all that is in a directory, to the disk; links point to what is another's."""
    for directory, _, names in os.walk(path):
        for name in names:
            if not (place := Path(directory, name)).is_symlink():
                _sync_one(place)
        _sync_one(Path(directory))
    if path.is_file():
        _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()

"""A file while it arrives: `<file>.part` beside its place, filled by one process at a time.

Owns the lock, the writing, and the step by which it gets its name. A process that is killed leaves the part, and beside
it `<file>.part.origin`, which tells what it is a part of; no lock outlives its process, and no file is ever half there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from audiobatchd.disk import bounded
from audiobatchd.errors import ModelError
from audiobatchd.vocabulary.names import shown

_FULL = (errno.ENOSPC, errno.EDQUOT)
_Identity = tuple[int, int, int] | None


class Origin(Struct, frozen=True):
    """Origin of the bytes of a part."""

    address: str
    validator: str
    """Name that the server gave to this state of the file."""
    boot: str
    """Boot in which they were written: a machine that went down may have lost some, so that the part starts over."""


class Part:
    """A part that this process has to itself."""

    def __init__(self, target: Path, descriptor: int) -> None:
        self.target = target
        self.path = _part_of(target)
        self._memo = Path(f"{self.path}.origin")
        self._descriptor = descriptor
        self._ours = True

    @property
    def size(self) -> int:
        """Number of bytes that have arrived."""
        return os.fstat(self._descriptor).st_size

    def origin(self) -> Origin | None:
        """Read its origin; None where that is not known, and it cannot be gone on with."""
        try:
            return msgspec.json.decode(bounded.read(self._memo, bounded.SETTINGS_LIMIT)[0], type=Origin)
        except (OSError, msgspec.DecodeError, ValueError, RecursionError):
            return None

    def begin(self, origin: Origin | None) -> None:
        """Start over with nothing. Without an origin it is not gone on with after this process."""
        with _storing(self.path):
            os.ftruncate(self._descriptor, 0)
            # The memo is removed and made again: writing it in place would follow a link that was put there.
            with contextlib.suppress(FileNotFoundError):
                self._memo.unlink()
            if origin is not None:
                memo = os.open(self._memo, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
                with open(memo, "wb") as file:
                    file.write(msgspec.json.encode(origin))

    def append(self, data: bytes) -> None:
        """Write at the end. A full disk is given back what the part took."""
        try:
            view = memoryview(data)
            while view:
                view = view[os.pwrite(self._descriptor, view, self.size) :]
        except OSError as error:
            if error.errno in _FULL:
                self.discard()
            message = f"cannot write {shown(str(self.path))}: {error.strerror}"
            raise ModelError(message) from error

    def deliver(self) -> None:
        """Give the file its name, in one step and for good; all users may read it, as it is published."""
        with _storing(self.target):
            os.fchmod(self._descriptor, 0o644)
            os.fsync(self._descriptor)
            with contextlib.suppress(FileNotFoundError):
                self._memo.unlink()
            self.path.replace(self.target)
            self._ours = False
            directory = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def discard(self) -> None:
        """Remove it. What has been delivered or removed is no longer ours, and its name may be another process's."""
        if not self._ours:
            return
        self._ours = False
        for path in (self._memo, self.path):
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def arriving(target: Path, waiting: Callable[[], None]) -> Iterator[Part | None]:
    """The part of `target`, for this process alone; None where another one delivered while it was waited for.

    `waiting` is called before a wait. Raises ModelError where the directory or the file cannot be written.
    """
    with _storing(_part_of(target)):
        before = _identity(target)
        descriptor = _locked(_part_of(target), waiting)
    part = Part(target, descriptor)
    try:
        if _identity(target) not in (None, before):
            part.discard()
            yield None
            return
        try:
            yield part
        finally:
            if not part.size or part.origin() is None:
                part.discard()  # nothing could go on from there
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make a directory that all users may look into. Raises ModelError where that cannot be."""
    try:
        if path.is_dir():
            return
        path.mkdir(parents=True)
        # The service may run as another user than the one who fetches for it, and the umask may be strict.
        path.chmod(0o755)
    except FileExistsError as error:
        if path.is_dir():
            return  # another process made it in between
        message = f"cannot make {shown(str(path))}: it is no directory"
        raise ModelError(message) from error
    except OSError as error:
        message = f"cannot make {shown(str(path))}: {error.strerror}"
        raise ModelError(message) from error


def _part_of(target: Path) -> Path:
    return Path(f"{target}.part")


def _locked(path: Path, waiting: Callable[[], None]) -> int:
    """A descriptor of the file at `path`, made if need be, with its flock. A lock on a file that moved is no lock."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o644)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file")
            _lock(descriptor, waiting)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, waiting: Callable[[], None]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _identity(path: Path) -> _Identity:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"cannot write {shown(str(path))}: {error.strerror}"
        raise ModelError(message) from error

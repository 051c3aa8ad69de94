"""The socket file: made so that two services never share one, told from others', and removed only while it is ours."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiobatchd.config.places import check_length
from audiobatchd.control.server.access import peer_of
from audiobatchd.errors import AlreadyRunningError, UsageError
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.names import shown

_MODE = 0o660
_BACKLOG = 128


class SocketFile:
    """The unix socket at `path`, from `listen` to `remove`."""

    def __init__(self, path: Path, mode: int = _MODE) -> None:
        self._path = path
        self._mode = mode
        self._held: int | None = None
        """A descriptor of the file that was made: as long as it is open, no other file gets the same inode number."""

    def is_there(self) -> bool:
        """Tell whether the path names the socket that was made here, and not another, or nothing. Raises OSError."""
        if self._held is None:
            return False
        try:
            return os.path.samestat(self._path.lstat(), os.fstat(self._held))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def listen(self) -> socket.socket:
        """Make the socket, at first or again. One that no process listens on any more is replaced.

        Raises AlreadyRunningError where another service does, and UsageError where there can be no socket at this path.
        """
        check_length(self._path)
        try:
            return self._made()
        except OSError as error:
            message = f"cannot listen on {shown(str(self._path))}: {error.strerror}"
            raise UsageError(message) from error

    def _made(self) -> socket.socket:
        self._make_parent()
        with _alone_in(self._path.parent) as alone:
            if not alone:
                message = f"cannot listen on {shown(str(self._path))}: another daemon is just starting there"
                raise AlreadyRunningError(message)
            self._clear_place()
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            try:
                # On Linux the file takes the unbound socket's mode, less the umask: at no moment is it open to all.
                os.fchmod(listener.fileno(), self._mode)
                listener.bind(os.fsencode(self._path))
                self._hold(self._opened())
                listener.listen(_BACKLOG)
            except BaseException:
                listener.close()
                raise
        return listener

    def _opened(self) -> int | None:
        """A descriptor of the file that was just made; None where it is gone already: it is made again, as later on."""
        try:
            self._path.chmod(self._mode)
            return os.open(self._path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None

    def _make_parent(self) -> None:
        parent = self._path.parent
        try:
            parent.mkdir(mode=0o755, exist_ok=True)
        except FileNotFoundError as error:
            raise FileNotFoundError(error.errno, f"there is no directory {shown(str(parent.parent))}") from error

    def _clear_place(self) -> None:
        """Remove what a dead service left; raise where anything else is in the way."""
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise FileExistsError(errno.EEXIST, "something that is no socket is there")
        pid = _listener(self._path)
        if pid is not None:
            who = f"another daemon, process {pid}," if pid else "another daemon"
            message = f"cannot start: {who} answers on {shown(str(self._path))}"
            raise AlreadyRunningError(message)
        self._path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the file, if it is still this one's."""
        try:
            with _alone_in(self._path.parent) as alone:
                # Where another service starts at this moment, the file is its to replace.
                if alone and self.is_there():
                    self._path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            write(LogEvent.SOCKET_LEFT, {"socket": str(self._path), "reason": error.strerror})
        self._hold(None)

    def _hold(self, descriptor: int | None) -> None:
        before, self._held = self._held, descriptor
        if before is not None:
            os.close(before)


@contextmanager
def _alone_in(directory: Path) -> Iterator[bool]:
    """Tell whether no other service is between looking for a socket in `directory` and making or removing one."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _listener(path: Path) -> int | None:
    """The process that listens on the socket, 0 where that cannot be told; None where none does. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(os.fsencode(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return None
        except BlockingIOError:
            return 0  # its backlog is full: it is busy, but there
        return peer_of(probe).pid

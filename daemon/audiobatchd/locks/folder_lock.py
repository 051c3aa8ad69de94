"""Holding a folder's lock: the protocol of every process that writes a record.

The steps are numbered as in docs/explanation/locking.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import secrets
import stat
import threading
import time
from pathlib import PurePath

from audiobatchd.disk import filesystems, interrupts
from audiobatchd.disk.filesystems import Kind
from audiobatchd.disk.leases import opened_by_no_other
from audiobatchd.errors import LockBusyError, LockLostError
from audiobatchd.locks import kernel, oom
from audiobatchd.locks.lock_file import Content, Empty, GuideText, content_of, look_into, of_this_process, read
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.states import Cause

SUFFIX = ".lock"
GUIDE_TIMEOUT = 3600.0
"""Seconds after which a lock of the guide's scripts on a network file system is dead, as their own default has it."""

MAKING = 1.0
"""Seconds that a script of the guide has to lock the file that it made."""

_MODE = stat.S_ISVTX | 0o664
"""The sticky bit, which means nothing for a file, tells from its first moment on that it was made by us."""

_ATTEMPTS = 100
_UNSIGNED, _SIGNING = 5, 0.02
"""Number of times that a lock without a text is looked at again, and seconds between two: see `_is_unsigned`."""
_LOOKS = 10
"""Looks at a text that is no lock's, until two in a row are alike."""
_LAST_ATTEMPTS = 3
"""Attempts to remove a file that another process has open."""
_MOMENT = 0.001
"""Seconds between two attempts to remove a file that another process looks at."""
_START_OVER = (errno.ESTALE, errno.EEXIST)
_held: dict[str, FolderLock] = {}


def path_of(folder: str) -> str:
    """The lock file of `folder`; the whole name is kept, so that `A.B. Name` and `A.B. Other` have one each."""
    return os.path.normpath(folder) + SUFFIX


def held_here(folder: str) -> FolderLock | None:
    """The lock on `folder` that this process holds, if it does."""
    lock = _held.get(path_of(folder))
    return lock if lock is not None and lock.held else None


def guides_path_of(folder: str) -> str:
    """The lock file that the guide's scripts take for `folder`: they replace what looks like a suffix of its name."""
    path = PurePath(os.path.normpath(folder))
    return os.fspath(path.with_suffix(SUFFIX)) if path.name else path_of(folder)


def is_guides_of(folder: str, found: Content) -> bool:
    """Tell whether a script of the guide wrote this for `folder`: other folders may share the lock file's name."""
    return isinstance(found, GuideText) and found.file == os.fsencode(os.path.basename(os.path.normpath(folder)))


class FolderLock:
    """Lock of one folder, which a forked child does not have. Not for two threads at once, and not reentrant.

    `budget` is how many seconds observers should expect it to be held without another word; `alone`: its holder works
    with no other job beside it.
    """

    def __init__(
        self, folder: str, budget: float, *, guide_timeout: float = GUIDE_TIMEOUT, alone: bool = False
    ) -> None:
        self.path = path_of(folder)
        self.predecessor: Content = Empty()
        """Content of the lock file before: anything but `Empty` is a holder that died at work."""
        self.kind = Kind.LOCAL
        self._folder = os.path.normpath(folder)
        self._budget = budget
        self._guide_timeout = guide_timeout
        self._alone = alone
        self._oom_kills = -1
        """Number of processes that the kernel had killed for want of memory when the lock was taken."""
        self._written = b""
        self._started = 0.0
        self._descriptor = -1
        self._directory = -1
        self._identity = FileId(0, 0)
        self._pid = 0
        self._in_main = False

    @property
    def held(self) -> bool:
        """Tell whether this process took the lock and has not given it back."""
        return self._descriptor >= 0 and self._pid == os.getpid()

    def acquire(self) -> None:
        """Take the lock, now or not at all.

        Raises LockBusyError where it is held already; PermissionError where a file of that name is no lock file;
        OSError where it cannot be made (FileNotFoundError: the folder is gone).
        """
        taken = False
        try:
            with interrupts.held_back():
                self._acquire()
                taken = True
        except BaseException:
            if taken:  # Ctrl-C came meanwhile, and the caller will not know that it has the lock
                self.release()
            raise

    def gate(self) -> None:
        """Take step 5, the last look before a record is published: raises where nothing may be published.

        Writing and syncing through the locked descriptor is what fails (EIO) after a network file system gave the lock
        to another machine; reading would not notice. Raises LockLostError, or the OSError of the write.
        """
        # Read first: writing over another holder's text would hide it.
        if not self.held or not self._is_ours(self._descriptor):
            raise self._lost()
        os.pwrite(self._descriptor, self._written, 0)
        os.fsync(self._descriptor)
        if not kernel.names(self.path, self._descriptor):
            raise self._lost()
        try:
            status = os.stat(self._folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            message = f"the folder of {shown(self.path)} is gone"
            raise LockLostError(message) from error
        if FileId.of(status) != self._identity:
            message = f"the folder of {shown(self.path)} is another one now"
            raise LockLostError(message)

    def announce(self, budget: float) -> None:
        """Tell observers that the work comes on: from now on they should expect it to be held for `budget` seconds.

        What cannot be written is left to the gate to tell of.
        """
        with contextlib.suppress(OSError):
            # Read first: another process may have taken it since.
            if not self.held or not self._is_ours(self._descriptor):
                return
            text = self._text(budget)
            # Never shorter than before: so no old bytes stay behind it, and the file need not be cut.
            written = text.removesuffix(b"\n").ljust(len(self._written) - 1) + b"\n"
            if os.pwrite(self._descriptor, written, 0) == len(written):
                self._written = written
            if self.kind is not Kind.LOCAL:
                os.fsync(self._descriptor)  # else other machines would not see it

    def release(self) -> None:
        """Take step 6: give the lock back and leave no trace of it (on a network file system: an empty file).

        Does nothing where this process does not hold it.
        """
        with interrupts.held_back():
            self._release()

    def _acquire(self) -> None:
        directory = kernel.open_folder(self._folder)
        try:
            status = os.fstat(directory)
            self._respect_the_guides_name()
            descriptor = self._take_or_start_over()
        except BaseException:
            kernel.close_lock(directory)
            raise
        self._directory, self._identity = directory, FileId.of(status)
        self._descriptor, self._pid = descriptor, os.getpid()
        self._in_main = threading.current_thread() is threading.main_thread()
        _held[self.path] = self

    def _release(self) -> None:
        held, descriptor, self._descriptor = self.held, self._descriptor, -1
        if not held:
            return
        if _held.get(self.path) is self:  # not another one's, who has the path since our file was removed by hand
            del _held[self.path]
        left = [descriptor, self._directory]
        # A file that cannot be removed any more does no harm: it is not held.
        with contextlib.suppress(OSError):
            try:
                # Emptying the file of another machine, which has the lock since, would take it from that.
                if self.kind is Kind.LOCAL or self._is_ours(descriptor):
                    give_back(self.path, descriptor, self.kind)
            except OSError as error:
                if filesystems.cause_of(error) is not Cause.SHORTAGE:
                    raise
                kernel.close_lock(left.pop())  # removing the file takes a descriptor, and they are used up
                give_back(self.path, descriptor, self.kind)
        for each in left:
            with contextlib.suppress(OSError):  # it is closed all the same; NFS may tell only now what it did not write
                kernel.close_lock(each)

    def _respect_the_guides_name(self) -> None:
        """Raise where a script of the guide is at the folder: of `A.B Song` it takes `A.lock`, and so of `A.C Song`."""
        path = guides_path_of(self._folder)
        if path == self.path:
            return
        try:
            descriptor = kernel.open_lock(path, os.O_RDONLY)
        except OSError:
            return  # no such file, or not a script's
        try:
            found = look_into(descriptor)
            if found is None or not is_guides_of(self._folder, found):
                return
            if guide_lives(path, descriptor, filesystems.kind_of(descriptor), self._guide_timeout):
                raise self._busy()
        finally:
            kernel.close_lock(descriptor)

    def _take_or_start_over(self) -> int:
        """Take steps 1 to 3; returns the descriptor that holds the lock."""
        for attempt in range(_ATTEMPTS):
            is_new = False
            try:
                is_new = not self._is_there()
                making = os.O_CREAT | os.O_EXCL if is_new else 0
                descriptor = kernel.open_lock(self.path, os.O_RDWR | making, _MODE)  # step 1
                if self._take(descriptor, is_new=is_new):
                    return descriptor
            except LockBusyError:
                if attempt >= _UNSIGNED or not self._is_unsigned():
                    raise
                time.sleep(_SIGNING)
            except FileNotFoundError:
                if is_new:
                    raise
            except BlockingIOError as error:
                raise self._busy() from error  # a client of this machine's file server has it to itself
            except OSError as error:
                if error.errno not in _START_OVER:
                    raise self._in_words(error) from error
        message = f"cannot lock {shown(self.path)}: it keeps being replaced"
        raise LockBusyError(message)

    def _is_unsigned(self) -> bool:
        """Tell whether a lock that is held has no text: its holder signs it at once, or removes what the dead left."""
        try:
            return os.stat(self.path, follow_symlinks=False).st_size == 0
        except OSError:
            return True

    def _is_there(self) -> bool:
        """Tell whether there is a lock file, without opening a file for writing that is no lock.

        Raises LockBusyError for a lock that is held or is just being made, PermissionError for a file that is no lock.
        """
        before: bytes | None = None
        # Only a holder writes: what is half written is held, or whole at the next look. It is opened again for each,
        # for a network file system may show one open file what stood in it before.
        for _ in range(_LOOKS):
            try:
                descriptor = kernel.open_lock(self.path, os.O_RDONLY)
            except FileNotFoundError:
                return False
            try:
                written = self._written_by_none(descriptor)
            finally:
                kernel.close_lock(descriptor)
            if written is None:
                return True
            if written == before:
                name = shown(os.path.basename(self.path))
                raise PermissionError(errno.EPERM, f"{name} is no lock file", self.path)
            before = written
        raise self._busy()

    def _written_by_none(self, descriptor: int) -> bytes | None:
        """Read a file that is no lock file; None where it is one that may be free.

        Raises LockBusyError for a lock that is held or is just being made.
        """
        if kernel.is_held(descriptor):
            raise self._busy()
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        try:
            written = read(descriptor)
        except PermissionError as error:
            raise self._busy() from error  # it was locked in this moment, and its server shows it to no other one
        found = content_of(written, descriptor)
        if kernel.is_flocked(descriptor) if found is None else is_being_made(found, descriptor):
            raise self._busy()
        return written if found is None else None

    def _take(self, descriptor: int, *, is_new: bool) -> bool:
        """Take steps 1 to 3 on an open file; False: start over. Keeps the descriptor, or closes it."""
        keep = False
        try:
            self.kind = filesystems.kind_of(descriptor)
            if not kernel.take(descriptor, local=self.kind is Kind.LOCAL):
                raise self._busy()
            if not kernel.names(self.path, descriptor):  # step 2
                return False
            found = content_of(read(descriptor), descriptor)
            if found is None:
                return False  # another program made it data meanwhile: `_is_there` raises for that
            if not is_new and is_being_made(found, descriptor):
                raise self._busy()
            # Here it would have held `flock`, which is ours now.
            on_network = isinstance(found, GuideText) and self.kind is not Kind.LOCAL
            if on_network and guide_lives(self.path, descriptor, self.kind, self._guide_timeout):
                raise self._busy()
            self._written = self._sign(descriptor)
            self.predecessor = found
            keep = True
        finally:
            if not keep:
                kernel.close_lock(descriptor)
        return True

    def _sign(self, descriptor: int) -> bytes:
        """Take step 3; returns what was written. A write that a full disk refuses, or a signal ends, leaves no lock."""
        try:
            self._started = time.time()
            self._oom_kills = oom.on_this_machine()
            written = self._text(self._budget)
            os.pwrite(descriptor, written, 0)
            # Before the cut: by that ext4 makes the new length durable, and after a power cut zeros stand in the file.
            os.fsync(descriptor)
            os.ftruncate(descriptor, len(written))
        except BaseException:
            give_back(self.path, descriptor, self.kind)
            raise
        return written

    def _is_ours(self, descriptor: int) -> bool:
        """Tell whether what stands in the open file is what this holder wrote. Raises OSError."""
        if self.kind is not Kind.LOCAL:
            # Without this a machine that was cut off from an SMB server is shown what it had read itself before.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return read(descriptor) == self._written

    def _text(self, budget: float) -> bytes:
        token = secrets.token_hex(8)
        return of_this_process(self._started, budget, token, alone=self._alone, oom_kills=self._oom_kills)

    def _in_words(self, error: OSError) -> OSError:
        """Word an error of opening the lock file, with the owner of the file where that is the trouble."""
        if error.errno == errno.EACCES:
            with contextlib.suppress(OSError):
                owner = os.stat(self.path, follow_symlinks=False).st_uid
                name = shown(os.path.basename(self.path))
                return PermissionError(errno.EACCES, f"{name} belongs to the user with UID {owner}", self.path)
        # The record, whose name is as long, is what people know: the error names that.
        return filesystems.with_its_name(error, self._folder, os.path.basename(self.path), "its record")

    def _busy(self) -> LockBusyError:
        return LockBusyError(f"cannot lock {shown(self.path)}: it is already held")

    def _lost(self) -> LockLostError:
        return LockLostError(f"lost the lock {shown(self.path)}")


def give_back(path: str, descriptor: int, kind: Kind) -> bool:
    """Leave nothing of a lock that is held through `descriptor`; False where an empty file has to stay.

    A file is removed only while it is held, and never on a network file system, where it would vanish under the next
    holder. Nor is one that another process keeps open: that may be this machine's own file server, for a client that is
    about to lock it. Such a one is emptied.
    """
    if kind is Kind.LOCAL:
        if not kernel.names(path, descriptor):
            return True
        for attempt in range(_LAST_ATTEMPTS):
            with opened_by_no_other(descriptor) as removable:
                if removable:
                    os.unlink(path)
                    return True
            time.sleep(_MOMENT * attempt)
        with contextlib.suppress(OSError):  # it is another user's
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) | stat.S_ISVTX)
    os.ftruncate(descriptor, 0)
    return False


def age_of(path: str, descriptor: int) -> float:
    """Seconds since the open file was written, by its file system's own clock: that of a file made now beside it."""
    probe = os.path.join(os.path.dirname(path), f".audiobatch-{secrets.token_hex(6)}.tmp")
    made = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        now = os.fstat(made).st_mtime
    finally:
        os.close(made)
        os.unlink(probe)
    # Some file systems tell the time of a file that is asked about more finely than that of a new one.
    return max(0.0, now - os.fstat(descriptor).st_mtime)


def guide_lives(path: str, descriptor: int, kind: Kind, timeout: float) -> bool:
    """Tell whether the script of the guide that wrote the open lock file at `path` is still at its folder.

    On this machine it would hold `flock`. On a network file system `flock` tells nothing about other machines: the
    file's age decides.
    """
    if kind is Kind.LOCAL:
        return kernel.is_flocked(descriptor)
    try:
        return age_of(path, descriptor) < timeout
    except OSError:
        return True  # where nothing can be written the file system's clock cannot be read, and no other one judges


def is_being_made(found: Content, descriptor: int) -> bool:
    """Tell whether the process that made the open file, in which `found` stands, may be about to lock it.

    A script of the guide takes its `flock` after making the file, and does not look again: it would not notice that its
    file was taken and removed in between. We do look again. On network file systems no file is removed.
    """
    status = os.fstat(descriptor)
    if not isinstance(found, Empty) or status.st_mode & stat.S_ISVTX:
        return False
    return 0 <= time.time() - status.st_mtime < MAKING and filesystems.kind_of(descriptor) is Kind.LOCAL


@atexit.register
def _give_back_all() -> None:
    """Give back what Ctrl-C, pressed twice, kept a script from giving back. Other threads may still use theirs."""
    with interrupts.held_back():
        for lock in list(_held.values()):
            if lock._in_main:  # noqa: SLF001  # its own module
                lock.release()

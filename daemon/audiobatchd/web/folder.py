"""Opens what lies in a track folder, beneath its dataset and nowhere else: no link is followed on the way.

The dataset's own path may lead through links: the operator has named it. Below it the kernel is asked not to leave it
(openat2, Linux 5.6); where it does not know how, or a sandbox forbids it, each directory is opened from the one above.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from audiobatchd.core.discovery import Name, contents
from audiobatchd.disk.leases import recalled
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.names import shown

_OPENAT2 = 437
"""Number of the system call, which is the same on every architecture but Alpha."""
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_NOT_THERE = (errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG)
"""What the kernel answers where it has no such call, or a filter of system calls forbids it."""
_MOST_NAMES = 100_000
"""Names of one folder that are looked at."""
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    """`struct open_how` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class Source:
    """A source file that is open for as long as this object is used, be it by a thread that its asker left behind."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self.name = name
        """Its name in the folder, as the file system has it."""
        self.status = os.fstat(descriptor)

    def __del__(self) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        """Give the descriptor, which this object goes on owning."""
        return self._descriptor

    @property
    def shown(self) -> str:
        """Its name as it is shown."""
        return shown(self.name)

    def is_unchanged(self) -> bool:
        """Tell whether the open file is what it was when it was opened, by its size and time."""
        now = os.fstat(self._descriptor)
        return (now.st_size, now.st_mtime_ns) == (self.status.st_size, self.status.st_mtime_ns)

    def read(self, size: int, offset: int) -> bytes:
        """Read so much from there; less at the file's end. Raises OSError."""
        return os.pread(self._descriptor, size, offset)


@contextmanager
def opened_folder(key: FolderKey) -> Iterator[int]:
    """Open a track folder, for as long as the context lasts. Raises OSError, also where a link is on the way."""
    root = os.open(key.dataset, _DIRECTORY)
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        folder = beneath(root, key.path, flags) if key.path else os.open(".", flags, dir_fd=root)
    finally:
        os.close(root)
    try:
        yield folder
    finally:
        os.close(folder)


def source_names(folder: int) -> dict[str, str]:
    """Name the source files of an open folder by role, as the service chooses among them. Raises OSError."""
    names = []
    with os.scandir(folder) as entries:
        for entry, _ in zip(entries, range(_MOST_NAMES), strict=False):
            names.append(Name(entry.name, entry.is_dir(follow_symlinks=False), is_link=False))
    return contents(names, (), None, "").sources


def opened_source(key: FolderKey, role: str) -> Source:
    """Open the source file of a role. Raises FileNotFoundError where there is none, and OSError."""
    with opened_folder(key) as folder:
        name = source_names(folder).get(role)
        if name is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        # Not waiting: a pipe that has just taken the file's place would keep the thread for ever.
        descriptor = beneath(folder, name, os.O_RDONLY | os.O_NOCTTY)
    source = Source(descriptor, name)
    if not stat.S_ISREG(source.status.st_mode):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return source


def beneath(directory: int, path: str, flags: int) -> int:
    """Open `path` below an open directory, without following any link, with O_NONBLOCK. Raises OSError."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    flags |= os.O_NONBLOCK

    def opening() -> int:
        found = _by_kernel(directory, path, flags)
        return _step_by_step(directory, parts, flags) if found is None else found

    return recalled(opening)


def _by_kernel(directory: int, path: str, flags: int) -> int | None:
    """Open it by openat2; None where there is no such call."""
    how = _How(flags | os.O_CLOEXEC, 0, _BENEATH | _NO_SYMLINKS | _NO_MAGICLINKS)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    made: int = _libc.syscall(_OPENAT2, directory, ctypes.c_char_p(os.fsencode(path)), ctypes.byref(how), size)
    if made >= 0:
        return made
    number = ctypes.get_errno()
    if number in _NOT_THERE:
        return None
    raise OSError(number, os.strerror(number))


def _step_by_step(directory: int, parts: list[str], flags: int) -> int:
    """Open it by a descriptor of each directory on the way."""
    here = os.dup(directory)
    try:
        for part in parts[:-1]:
            below = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        return os.open(parts[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)

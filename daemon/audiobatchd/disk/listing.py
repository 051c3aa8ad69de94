"""Listings of directories, which `core` decides upon: names and stats, never audio."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audiobatchd.core.discovery import Contents, Name, companions, contents, sources
from audiobatchd.vocabulary.files import ROLES, FileStamp, in_64_bits
from audiobatchd.vocabulary.names import folder_at

_JUST_NOW = 60_000_000_000
"""In ns: the tick of a file system's clock (FAT: two seconds) and how far a server's clock may be behind ours."""


_GETFLAGS = 0x8008_6601 if struct.calcsize("l") == 8 else 0x8004_6601  # noqa: PLR2004  # bytes of a long
"""FS_IOC_GETFLAGS of ioctl_iflags(2), which Python has no name for."""
_FORBID = 0x10 | 0x20
"""FS_IMMUTABLE_FL and FS_APPEND_FL."""


@dataclass(frozen=True)
class Listing:
    """Result of reading one directory."""

    contents: Contents
    stamps: dict[str, FileStamp]
    """The stamps of the source files by role."""
    signature: str
    """Changes when a source file or a file on its way changes; records and locks do not count."""
    access: str
    """Changes when permissions or the record change."""
    companions: frozenset[str] = frozenset()
    """The features that are files of their own, by suffix."""
    time: int = 0
    """The directory's mtime, `settled`."""
    record: tuple[int, int, int] | None = None
    """The record's inode, size, and mtime in ns; None where it is no regular file."""


def read_names(folder: str, ignore: tuple[str, ...] = (), marker: str | None = None) -> Contents:
    """Sort out the names in `folder`. Raises OSError (NotADirectoryError, FileNotFoundError: no such folder).

    `marker`: a track folder without a file of this name is still on its way.
    """
    with os.scandir(folder) as entries:
        names = (Name(entry.name, _is_dir(entry), entry.is_symlink()) for entry in entries)
        return contents(names, ignore, marker, os.path.basename(os.path.normpath(folder)))


def read_sources(folder: str, roles: Sequence[str] = ROLES) -> dict[str, str]:
    """Find the source files of these roles in `folder`, as `read_names` does in twice the time. Raises OSError."""
    with os.scandir(folder) as entries:
        named = (entry for entry in entries if entry.name.partition(".")[0].lower() in roles)
        return sources(Name(entry.name, _is_dir(entry), entry.is_symlink()) for entry in named)


def settled(changed: int) -> int:
    """Take the time in ns at which a directory changed: as long as it stays, so do the names.

    0: it has only just changed, and a change within the same tick of its clock would not show.
    """
    # One that is ahead of our clock may be of this moment, by a server's clock that is ahead as well.
    return 0 if changed > time.time_ns() - _JUST_NOW else in_64_bits(changed)


def is_bare(directory: str) -> bool:
    """Tell whether nothing at all lies in a directory, as below a mount point. Raises OSError."""
    with os.scandir(directory) as entries:
        return next(entries, None) is None


def is_link_below(root: str, path: str) -> bool:
    """Tell whether `path` below `root` leads through a symbolic link: two names would mean two locks."""
    return bool(path) and os.path.realpath(os.path.join(root, path)) != os.path.join(os.path.realpath(root), path)


def walk(root: str, ignore: tuple[str, ...] = ()) -> Iterator[tuple[str, Contents | OSError]]:
    """Yield every directory at and below `root`: its path below it, and its names sorted out; depth first, in order.

    A directory below the root that cannot be read comes with the error instead. Raises OSError for the root.
    """
    stack = [""]
    while stack:
        path = stack.pop()
        try:
            names = read_names(folder_at(root, path), ignore)
        except OSError as error:
            if not path:
                raise
            if not isinstance(error, FileNotFoundError | NotADirectoryError):  # which has gone meanwhile
                yield path, error
            continue
        stack += [os.path.join(path, name) for name in reversed(names.directories)]
        yield path, names


def read_folder(
    folder: str, ignore: tuple[str, ...] = (), marker: str | None = None, *, names_alone: bool = False
) -> Listing:
    """Read `folder` afresh; see `read_names`. `names_alone`: leave out its files, record and permissions.

    Raises OSError (NotADirectoryError and FileNotFoundError: there is no such folder).
    """
    changed = settled(os.stat(folder).st_mtime_ns)
    # Then the names: on NFS that is what makes another machine's record visible (a stat may lie for 45 s).
    found = read_names(folder, ignore, marker)
    if names_alone or not found.sources:
        return Listing(found, {}, "", "", time=changed)
    shape = hashlib.blake2b(digest_size=12)
    access = hashlib.blake2b(digest_size=12)
    stamps = {}
    for role, name in list(found.sources.items()):
        try:
            status = _status(os.path.join(folder, name))
        except FileNotFoundError:
            del found.sources[role]  # it went while we looked; the folder is there all the same
            continue
        size = status.st_size if stat.S_ISREG(status.st_mode) else -1
        stamps[role] = FileStamp(os.fsencode(name), size, in_64_bits(status.st_mtime_ns))
        shape.update(b"%s\0%d %d %d\n" % (os.fsencode(name), size, status.st_mtime_ns, status.st_ino))
        access.update(b"%d %d\n" % (status.st_mode, status.st_ctime_ns))
    for name in found.temporaries:
        shape.update(b"%s\0\n" % os.fsencode(name))
    written = _add_access(access, folder)
    beside = companions(found, os.path.basename(folder))
    return Listing(found, stamps, shape.hexdigest(), access.hexdigest(), beside, changed, written)


def openness(folder: str) -> str:
    """Find what this process may do where a job writes: in the folder, beside it, and to its record and its lock.

    The kernel is asked, for it knows of more than modes: access control lists, a file system that is mounted read-only,
    flags as `chattr` sets them. Next to nothing is read.
    """
    parent, record = os.path.dirname(folder), os.path.join(folder, os.path.basename(folder) + ".INFO")
    ways = [
        _may(folder, os.R_OK | os.W_OK | os.X_OK),
        _may(parent, os.W_OK | os.X_OK),
        _may(record, os.R_OK | os.W_OK),
        _may(folder + ".lock", os.R_OK | os.W_OK),
        _flags(folder),
        _flags(parent),
    ]
    return " ".join(ways)


def _may(path: str, mode: int) -> str:
    """Tell by "+" that `path` may be used so, or is not there; by its kind that it is neither file nor directory."""
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:
        return "+"
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        return f"{kind:o}"
    return "+" if os.access(path, mode, effective_ids=True) else "-"


def _flags(directory: str) -> str:
    """Read the flags that forbid writing in a directory; none where the file system has no such thing."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, _GETFLAGS, bytes(struct.calcsize("l"))))
        return f"{flags & _FORBID:x}"
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _status(path: str) -> os.stat_result:
    """Ask for the status of a file; of the link itself where it leads nowhere (the worker will say so)."""
    try:
        return os.stat(path)
    except OSError:
        return os.lstat(path)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a loop of links


def _add_access(access: hashlib.blake2b, folder: str) -> tuple[int, int, int] | None:
    """Add permissions and the record's status to `access`; the stamp of the record, see `Listing`."""
    status = os.stat(folder)
    access.update(b"%d %d %d\n" % (status.st_mode, status.st_uid, status.st_gid))
    record = os.path.join(folder, os.path.basename(folder) + ".INFO")
    try:
        status = _status(record)
    except OSError:
        return None
    access.update(b"%d %d %d %d\n" % (status.st_mode, status.st_ctime_ns, status.st_ino, status.st_size))
    return (status.st_ino, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None

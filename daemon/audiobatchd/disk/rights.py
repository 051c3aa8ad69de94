"""The rights of a file that replaces another, or none: its owner, group, mode and POSIX ACL.

All of them are best effort: the numbers matter more. An owner or a group that the file cannot have gets an entry of its
ACL instead, with the rights that it had; no other user gets more rights than before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ACL = "system.posix_acl_access"
# The tags of an ACL's entries, in the order in which the kernel wants them (acl(5), linux/posix_acl.h).
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_VERSION = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")
_READ, _WRITE, _ENTER = 4, 2, 1
# EPERM, EACCES: it is not ours to give. EINVAL: an ID that the user namespace does not know. The others: not here.
_NOT_KEPT = frozenset({errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})

_Entries = Mapping[tuple[int, int], int]
"""An ACL: rights by tag and ID."""


@dataclass(frozen=True)
class Rights:
    """The rights of a file."""

    mode: int
    owner: int
    """The UID that it belongs to; -1: that of the process that writes it."""


def take(descriptor: int, folder_fd: int, replaced: str | None, first: Rights) -> None:
    """Give a new file of a folder the rights of the one of this name; where there is none, `first` and its group."""
    try:
        old = os.stat(replaced, dir_fd=folder_fd) if replaced else None
    except FileNotFoundError:
        old = None  # it went away meanwhile, and has none to give
    owner = _known(old.st_uid if old else first.owner, "uid")
    group = _known(old.st_gid if old else os.fstat(folder_fd).st_gid, "gid")
    mode = stat.S_IMODE(old.st_mode) if old else first.mode
    # Only root can give a file away, and only a member give it to a group.
    for who in ((owner, -1), (-1, group)):
        if who != (-1, -1):
            with _best_effort():
                os.fchown(descriptor, *who)
    with _best_effort():
        os.fchmod(descriptor, mode)
    acl = _read(f"/proc/self/fd/{folder_fd}/{replaced}" if old else descriptor)
    plain = acl or _of_mode(mode)
    lost = _entries_of_lost(plain, os.fstat(descriptor), owner, old.st_gid if old else group)
    # A first record that all may read takes nothing from its owner, who can replace it.
    if lost and (old or acl or not mode & stat.S_IROTH):
        acl = lost
    elif old is None:
        return  # it has what the folder gives to every new file
    if not _written(descriptor, acl):
        # Its group's bits were the mask: what the ACL grants to others is not its group's.
        with _best_effort():
            os.fchmod(descriptor, mode & ~stat.S_IRWXG | _effective(plain)[_GROUP_OBJ, _NO_ID] << 3)


def of_group(folder_fd: int) -> int:
    """Find what the group of a folder may do with a file in it, which it could replace; as bits of the file's mode."""
    acl = _effective(_read(folder_fd) or _of_mode(os.fstat(folder_fd).st_mode))
    may = acl.get((_GROUP_OBJ, _NO_ID), 0)
    return (may & (_READ | _WRITE)) << 3 if may & _WRITE and may & _ENTER else 0


def _entries_of_lost(acl: _Entries, now: os.stat_result, owner: int, group: int) -> _Entries | None:
    """Build the ACL of a file as it is `now`, with entries for the owner and the group that it should have.

    None: it has both already.
    root and an ID that is not known here get none, but theirs are not left to another group either.
    """
    if owner in (-1, now.st_uid) and group in (-1, now.st_gid):
        return None
    entries = dict(_effective(acl))
    if owner not in (-1, 0, now.st_uid):
        entries[_USER, owner] = entries.get((_USER, owner), 0) | entries[_USER_OBJ, _NO_ID]
    if group not in (-1, now.st_gid):
        before = entries[_GROUP_OBJ, _NO_ID]
        entries[_GROUP_OBJ, _NO_ID] = entries.pop((_GROUP, now.st_gid), entries[_OTHER, _NO_ID])
        if group and _known(group, "gid") != -1:
            entries[_GROUP, group] = entries.get((_GROUP, group), 0) | before
    return entries


def _known(number: int, kind: str) -> int:
    """Replace the ID that stands for all that this user namespace does not know by -1."""
    return -1 if number == _overflow(kind) else number


@cache
def _overflow(kind: str) -> int:
    try:
        return int(Path(f"/proc/sys/kernel/overflow{kind}").read_text())
    except (OSError, ValueError):
        return 65534


def _of_mode(mode: int) -> _Entries:
    return {(tag, _NO_ID): mode >> shift & 7 for tag, shift in ((_USER_OBJ, 6), (_GROUP_OBJ, 3), (_OTHER, 0))}


def _effective(acl: _Entries) -> _Entries:
    """Apply the mask of an ACL to its entries."""
    mask = acl.get((_MASK, _NO_ID), 7)
    limited = (_USER, _GROUP_OBJ, _GROUP)
    return {(tag, who): may & mask if tag in limited else may for (tag, who), may in acl.items() if tag != _MASK}


def _read(of: int | str) -> _Entries | None:
    """Read the ACL of a file; None where it has none, or cannot have one. Entries of unknown IDs are left out."""
    try:
        content = os.getxattr(of, _ACL)
    except OSError:
        return None
    found = {(tag, who): may for tag, may, who in _ENTRY.iter_unpack(content[len(_VERSION) :])}
    strange = (_NO_ID, _overflow("uid"), _overflow("gid"))
    return {key: may for key, may in found.items() if key[0] not in (_USER, _GROUP) or key[1] not in strange}


def _written(descriptor: int, acl: _Entries | None) -> bool:
    """Give a file this ACL, or none instead of what its folder gives to new files; false where it cannot have one."""
    if acl is None:
        with contextlib.suppress(OSError):  # it has none, or nothing here has
            os.removexattr(descriptor, _ACL)
        return True
    entries = dict(acl)
    if any(tag in (_USER, _GROUP) for tag, _ in entries) and (_MASK, _NO_ID) not in entries:
        limited = [may for (tag, _), may in entries.items() if tag in (_USER, _GROUP_OBJ, _GROUP)]
        entries[_MASK, _NO_ID] = 0
        for may in limited:
            entries[_MASK, _NO_ID] |= may
    content = _VERSION + b"".join(_ENTRY.pack(tag, may, who) for (tag, who), may in sorted(entries.items()))
    try:
        os.setxattr(descriptor, _ACL, content)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _best_effort() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_KEPT:
            raise

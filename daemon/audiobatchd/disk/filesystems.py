"""File systems as locks and renames see them: kinds, mounts and errors. Read from /proc/self/mountinfo."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from audiobatchd.disk import inquiry
from audiobatchd.vocabulary.states import Cause


class Kind(Enum):
    """Reach of the locks on a file system."""

    LOCAL = "local"
    """This machine alone mounts it."""
    NETWORK = "network"
    """Locks are shared between machines."""
    WEAK = "weak"
    """Machines share the files and not the locks, without an error."""


_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "gfs2", "ocfs2", "beegfs", "gpfs"})
_WEAK = frozenset({"9p", "vboxsf", "virtiofs", "afs"})
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_DISK_FAILS = frozenset(
    {
        errno.EIO,
        errno.ENODEV,
        errno.ENOTCONN,  # a FUSE file system whose program died
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.EREMOTEIO,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EUCLEAN,
        errno.EBADMSG,
        errno.ESHUTDOWN,
    }
)
_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_FDINFO = 4096
_MOUNT_NUMBER = re.compile(rb"^mnt_id:\s*([0-9]+)$", re.MULTILINE)
_ESCAPED = re.compile(r"\\([0-7]{3})")
_UNSHARING_OPTIONS = frozenset({"nolock", "local_lock=all", "local_lock=posix", "nobrl"})


def kind_of(descriptor: int) -> Kind:
    """Find the kind of file system that an open file lies on; LOCAL where mountinfo does not tell."""
    kind, _ = _look_up(descriptor)
    return kind


def of(path: str) -> tuple[Kind, str]:
    """Find the kind of the file system that `path` lies on, and its type. Raises OSError where there is no path."""
    with _held(path) as descriptor:
        return _look_up(descriptor)


def with_its_name(error: OSError, folder: str | int, name: str, what: str) -> OSError:
    """Put `error` into words where this `name` of a file, which begins as its `folder` is called, is too long.

    Every other error is returned as it is. `what` is the file in a few words ("its record"). Names are up to 255 bytes
    on most file systems, 143 on eCryptfs.
    """
    if error.errno != errno.ENAMETOOLONG:
        return error
    try:
        most = os.pathconf(folder, "PC_NAME_MAX")
    except OSError:
        return error
    suffix = name[name.rfind(".") :]
    if len(os.fsencode(name)) <= most:
        return error  # its path is too long
    why = f"the folder's name is longer than {what}'s name allows ({most - len(suffix)} bytes)"
    return OSError(errno.ENAMETOOLONG, why, error.filename)


def mount_of(path: str) -> str:
    """Say where the file system of `path` is mounted, and its type: "/srv (ext4)"; empty where that is not known."""
    try:
        with _held(path) as descriptor:
            mount = _mount_below(descriptor)
    except OSError:
        return ""
    return f"{_ESCAPED.sub(_unescaped, mount[4])} ({mount[mount.index('-') + 1]})" if mount else ""


def is_read_only_here(path: str) -> bool:
    """Tell whether a file system can be written to, but not by the mount of `path`: so ProtectSystem= does it."""
    try:
        if not os.statvfs(path).f_flag & os.ST_RDONLY:
            return False
        with _held(path) as descriptor:
            mount = _mount_below(descriptor)
    except OSError:
        return False
    return mount is not None and "ro" in mount[5].split(",") and "ro" not in mount[-1].split(",")


def resolved(path: str, patience: float = 3.0) -> str | None:
    """Make `path` absolute, without links; None where a disk on its way does not answer.

    Where a mount may hang, a process of its own looks: a thread that is caught there could not be ended.
    """
    if _none_may_hang():
        return os.path.realpath(path)
    found = _inquired(patience, "resolve", path)
    return None if found is None else os.fsdecode(found) or os.path.realpath(path)


def answers(path: str, patience: float = 3.0) -> bool:
    """Tell whether the disk of the directory at `path` answers, be it with an error; asked as `resolved` asks."""
    return _none_may_hang() or _inquired(patience, "briefly", path) is not None


def _none_may_hang() -> bool:
    """Tell whether every mount is on a disk of this machine alone."""
    return all(classify(fields[fields.index("-") + 1], set()) is Kind.LOCAL for fields in _mounts())


def _inquired(patience: float, *arguments: str) -> bytes | None:
    """Give what a process of `inquiry` says; None where it has not ended in time, and is left behind."""
    # Our streams stay here: a process that hangs would keep them open, and another program waits for their end.
    process = subprocess.Popen(
        inquiry.command(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        found, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        if process.stdout is not None:
            process.stdout.close()
        inquiry.let_go(process)
        return None
    return found


def without_links(path: str) -> str:
    """Make `path` absolute, without links as far as its disk tells where they lead; see `resolved`."""
    return resolved(path) or os.path.abspath(path)  # noqa: PTH100  # a link that is not followed stays


def mounted_at(path: str) -> str:
    """Find the mount that a path lies on; its ID. The disk is not asked: the path's names tell."""
    found, longest = "", -1
    for fields in _mounts():
        place = _ESCAPED.sub(_unescaped, fields[4])
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= longest:
            found, longest = fields[0], len(place)
    return found


def _unescaped(found: re.Match[str]) -> str:
    """Undo an escape: the kernel writes blanks, tabs, line feeds and backslashes as three octal digits."""
    return chr(int(found[1], 8))


def refusal(filesystem: str) -> str:
    """Say why a dataset on a WEAK file system of this type is not worked on without `alone = true`."""
    return (
        f"locks on {filesystem} are not shared between machines: "
        "set alone = true for this dataset if no other machine works on it"
    )


def _look_up(descriptor: int) -> tuple[Kind, str]:
    mount = _mount_below(descriptor)
    if mount is None:
        return Kind.LOCAL, "unknown"
    separator = mount.index("-")
    options = {*mount[5].split(","), *mount[separator + 3].split(",")}
    filesystem = mount[separator + 1]
    return classify(filesystem, options), filesystem


@contextlib.contextmanager
def _held(path: str) -> Iterator[int]:
    """A descriptor of what is at `path`, which is not opened: that takes no permission to read it. Raises OSError."""
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _mount_below(descriptor: int) -> list[str] | None:
    """The fields of the mount by which an open file was reached; None where mountinfo does not list it.

    Its number decides: files of a btrfs subvolume, and those of overlayfs, have a device that no mount has. The device
    does where the kernel does not tell the number, or the mount lies outside of a chroot.
    """
    number = _mount_number(descriptor)
    device = os.fstat(descriptor).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    by_device = None
    for fields in _mounts():
        if fields[0] == number:
            return fields
        if fields[2] == wanted:
            by_device = fields
    return by_device


def _mount_number(descriptor: int) -> str:
    """The number of the mount by which an open file was reached (proc_pid_fdinfo(5)); empty where that is not told."""
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:
            found = _MOUNT_NUMBER.search(file.read(_FDINFO))
    except OSError:
        return ""
    return found[1].decode() if found else ""


def _mounts() -> Iterator[list[str]]:
    """The fields of each mount, the latest one last (proc_pid_mountinfo(5))."""
    # The kernel escapes blanks and line feeds alone: `splitlines` would end a line at more than these.
    for line in Path("/proc/self/mountinfo").read_bytes().removesuffix(b"\n").split(b"\n"):
        yield os.fsdecode(line).split(" ")


def classify(filesystem: str, options: set[str]) -> Kind:
    """Classify a mount of type `filesystem` with these mount options."""
    # A `fuseblk` has a disk of its own below it, which no other machine can mount: NTFS, exFAT.
    if (filesystem.startswith("fuse") and filesystem != "fuseblk") or filesystem in _WEAK:
        return Kind.WEAK
    if filesystem in _NETWORK:
        return Kind.WEAK if options & _UNSHARING_OPTIONS else Kind.NETWORK
    return Kind.LOCAL


def cause_of(error: OSError) -> Cause:
    """Find what `error` is a sign of: SPACE and IO meet all of a dataset, a SHORTAGE all that this process does."""
    if error.errno in _NO_SPACE:
        return Cause.SPACE
    if error.errno in _SHORTAGE:
        return Cause.SHORTAGE
    return Cause.IO if error.errno in _DISK_FAILS else Cause.NONE


def mount_points() -> set[str]:
    """List the directories where anything is mounted."""
    return {_ESCAPED.sub(_unescaped, fields[4]) for fields in _mounts()}


def names_of(path: str) -> set[str]:
    """List a real path, and every other path by which mounts show the same directory: bind mounts, subvolumes."""
    mounts = [
        (_ESCAPED.sub(_unescaped, fields[4]), _ESCAPED.sub(_unescaped, fields[3]), fields[2]) for fields in _mounts()
    ]
    # Of mounts in one place the latest is what is seen: `max` takes the first that it meets.
    around = [mount for mount in reversed(mounts) if is_at_or_below(path, mount[0])]
    place, root, device = max(around, key=lambda mount: len(mount[0]), default=("/", "/", ""))
    inside = os.path.normpath(os.path.join(root, os.path.relpath(path, place)))
    found = {path}
    for other, top, of_device in mounts:
        if of_device == device and is_at_or_below(inside, top):
            found.add(os.path.normpath(os.path.join(other, os.path.relpath(inside, top))))
    return found


def is_at_or_below(path: str, directory: str) -> bool:
    """Tell whether one normal path is the other, or lies below it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")

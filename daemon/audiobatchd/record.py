"""The record of a track folder, `<folder>/<folder name>.INFO`: reading it, and replacing it so that it is never torn.

So are its companions replaced, `<folder name>.<SUFFIX>`: features that are files of their own. It knows JSON values as
bytes, so that keys which are not ours come out as they went in. What the values mean, and when a record is complete, is
`core.completeness`; who may write is `locks`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from audiobatchd import interrupts, provenance
from audiobatchd.core.discovery import is_companion
from audiobatchd.errors import RecordError, UnclearRecordError
from audiobatchd.provenance import Entry, Provenance

TEMPORARY_PREFIX = ".audiobatch-"
TEMPORARY_SUFFIX = ".tmp"
_ACL = "system.posix_acl_access"
_KEYS = msgspec.json.Decoder(dict[str, Raw])
_MERGE_ATTEMPTS = 20
_TRIAL_BYTES = 1 << 16
_DISK_FAILS = frozenset({errno.EIO, errno.ESTALE})
_Identity = tuple[int, int, int] | None

_making: set[str] = set()
"""The temporary files of this process: a thread that shares the folder's lock must not take them for a dead one's."""


@dataclass(frozen=True)
class Rights:
    """The mode of a file, and the UID that it belongs to (-1: whoever writes it)."""

    mode: int
    owner: int


_ANYBODY = Rights(0o644, -1)


@dataclass(frozen=True)
class Record:
    """A record as it was read: every value as the bytes that stand in the file, and our provenance decoded."""

    values: Mapping[str, Raw] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)

    def present(self) -> frozenset[str]:
        """The keys that hold something: `null` counts as missing."""
        return frozenset(key for key, raw in self.values.items() if bytes(raw) != b"null")


def name_in(folder: str) -> str:
    """The record's file name in `folder`."""
    return os.path.basename(os.path.normpath(folder)) + ".INFO"


def is_temporary(name: str) -> bool:
    """Whether `name` is a record in the making, or what a killed writer left of one."""
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)


def read(name: str, folder_fd: int) -> Record:
    """The record `name` in the directory `folder_fd`; an empty one where there is none.

    Raises RecordError where it is there and is no JSON object, OSError where it cannot be read.
    """
    record, _ = _read(name, folder_fd)
    return record


def read_in(folder: str) -> Record:
    """The record of the directory `folder`. Raises as `read` does, and OSError where there is no such directory."""
    with opened(folder) as descriptor:
        return read(name_in(folder), descriptor)


@contextlib.contextmanager
def opened(folder: str) -> Iterator[int]:
    """A descriptor of the directory `folder`. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def refuse_unwritable(name: str, folder_fd: int) -> None:
    """Raises RecordError where an existing record is to be left alone: it is write-protected, or a link."""
    try:
        mode = os.stat(name, dir_fd=folder_fd).st_mode
    except FileNotFoundError:
        return
    if _is_link(name, folder_fd):
        raise RecordError("cannot replace the record: it is a symbolic link")
    if mode & 0o222 == 0 or not os.access(name, os.W_OK, dir_fd=folder_fd, effective_ids=True):
        raise RecordError("cannot replace the record: it is read-only")


def publish(
    name: str,
    folder_fd: int,
    values: Mapping[str, object],
    entries: dict[str, dict[str, Entry]],
    *,
    files: Mapping[str, str] | None = None,
    drop: Collection[str] = (),
    first: Rights = _ANYBODY,
    gate: Callable[[], None] = lambda: None,
) -> None:
    """Merge `values` and `entries` into the record, without the keys in `drop`, in one step that a crash cannot tear.

    Its companions go before it, one by one: `files` by suffix (".BEATS_GRID"), and those that `drop` names are removed.

    A temporary file in the same folder, fsync, `gate`, rename, fsync of the folder. The merge is over what stands in
    the file at that moment: if it moves before the rename, it is merged again. `gate` raises to forbid the rename.
    What killed writers left goes last, for scripts too. `first` are the rights of a record that replaces none. Raises
    RecordError, OSError, and whatever `gate` raises.
    """
    stem = name.removesuffix(".INFO")
    for suffix, text in (files or {}).items():
        _publish_companion(stem + suffix, folder_fd, text, first, gate)
    for suffix in drop:
        if is_companion(suffix):
            gate()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(stem + suffix, dir_fd=folder_fd)
    for _ in range(_MERGE_ATTEMPTS):
        record, identity = _read(name, folder_fd)
        merged = _merge(record, values, entries, drop)
        with _temporary(folder_fd, merged, name if identity else None, first) as temporary:
            gate()
            if _identity(name, folder_fd) != identity:
                continue
            os.rename(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
            os.fsync(folder_fd)
        with contextlib.suppress(OSError):  # the record is in place, and what stays is in nobody's way
            sweep(folder_fd)
        return
    raise RecordError("cannot replace the record: somebody else keeps writing it")


def _publish_companion(name: str, folder_fd: int, text: str, first: Rights, gate: Callable[[], None]) -> None:
    replaces = name if _status(name, folder_fd) else None
    with _temporary(folder_fd, text.encode(), replaces, first) as temporary:
        gate()
        os.rename(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        os.fsync(folder_fd)


def rights_like(folder_fd: int, sources: Iterable[str]) -> Rights:
    """The rights of a record that replaces none: who may read the full mix may read the numbers; its owner has them.

    `sources` are source files of the folder, best first; one that leads nowhere is passed over. Raises OSError where
    the disk fails: the record would be shut to its readers for good.
    """
    for name in sources:
        try:
            source = os.stat(name, dir_fd=folder_fd)
        except OSError as error:
            if error.errno in _DISK_FAILS:
                raise
            continue
        return Rights(0o600 | (source.st_mode & 0o444), source.st_uid)
    return Rights(0o600, -1)


def try_writing(folder_fd: int) -> None:
    """Write and sync a file of some size in the folder, and remove it. Raises OSError where a record could not be."""
    with _temporary(folder_fd, bytes(_TRIAL_BYTES), None, _ANYBODY):
        pass


def sweep(folder_fd: int) -> None:
    """Remove what killed writers left. Only the holder of the folder's lock may call it."""
    with os.scandir(folder_fd) as entries:
        left = [entry.name for entry in entries if is_temporary(entry.name) and not entry.is_dir(follow_symlinks=False)]
    for name in set(left) - _making:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder_fd)


def _read(name: str, folder_fd: int) -> tuple[Record, _Identity]:
    # O_NONBLOCK: a FIFO of this name would hang the open for ever.
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)
    except FileNotFoundError:
        if _is_link(name, folder_fd):
            raise RecordError("cannot read the record: it is a dangling link") from None
        return Record(), None
    try:
        status = os.fstat(descriptor)
        # `open` refuses a directory and leaves its descriptor open.
        if stat.S_ISDIR(status.st_mode):
            raise RecordError("cannot read the record: it is a directory")
        if not stat.S_ISREG(status.st_mode):
            raise RecordError("cannot read the record: it is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read()
    finally:
        os.close(descriptor)
    try:
        values = _KEYS.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f"cannot understand the record: {error}"
        raise UnclearRecordError(message) from error
    identity = (status.st_ino, status.st_size, status.st_mtime_ns)
    return Record(values, provenance.decode(values.get(provenance.KEY))), identity


def _is_link(name: str, folder_fd: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _identity(name: str, folder_fd: int) -> _Identity:
    status = _status(name, folder_fd)
    return (status.st_ino, status.st_size, status.st_mtime_ns) if status else None


def _status(name: str, folder_fd: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder_fd)
    except FileNotFoundError:
        return None


def _merge(
    record: Record, values: Mapping[str, object], entries: dict[str, dict[str, Entry]], drop: Collection[str]
) -> bytes:
    left_out = {provenance.KEY, *drop}
    merged: dict[str, Raw] = {key: raw for key, raw in record.values.items() if key not in left_out}
    merged.update((key, Raw(msgspec.json.encode(value))) for key, value in values.items())
    if entries or record.provenance.analyzers:
        merged[provenance.KEY] = provenance.merged(record.provenance, entries)
    try:
        return msgspec.json.format(msgspec.json.encode(merged), indent=2) + b"\n"
    except RecursionError as error:
        # One level less deep than what `_read` can take.
        message = f"cannot replace the record: {error}"
        raise RecordError(message) from error


@contextlib.contextmanager
def _temporary(folder_fd: int, content: bytes, replaces: str | None, first: Rights) -> Iterator[str]:
    """The name of a file with this content, which is gone afterwards unless it has got another name."""
    temporary = TEMPORARY_PREFIX + secrets.token_hex(6) + TEMPORARY_SUFFIX
    with interrupts.held_back():
        _making.add(temporary)
        try:
            _write(temporary, folder_fd, content, replaces, first)
            yield temporary
        finally:
            # One that cannot be removed is swept some day. It must not hide what went wrong, nor that all went well.
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder_fd)
            _making.discard(temporary)


def _write(temporary: str, folder_fd: int, content: bytes, replaces: str | None, first: Rights) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(temporary, flags, 0o600, dir_fd=folder_fd), "wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        _take_rights(file.fileno(), folder_fd, replaces, first)
        os.fsync(file.fileno())


def _take_rights(descriptor: int, folder_fd: int, replaces: str | None, first: Rights) -> None:
    """Owner, group, mode and ACL of the record that is replaced; a first one takes `first`, and the folder's group."""
    # One that went away meanwhile has none to give, and `publish` will see that it went.
    old = _status(replaces, folder_fd) if replaces else None
    owner, group = (old.st_uid, old.st_gid) if old else (first.owner, os.fstat(folder_fd).st_gid)
    # Only root can give a file away, and only a member give it to a group; the numbers matter more.
    for who in ((owner, -1), (-1, group)):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, *who)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) if old else first.mode)
    if replaces:
        # ENODATA: it has no ACL; ENOTSUP: nothing here has.
        with contextlib.suppress(OSError):
            os.removexattr(descriptor, _ACL)  # what the folder gives to every new file
        with contextlib.suppress(OSError):
            acl = os.getxattr(f"/proc/self/fd/{folder_fd}/{replaces}", _ACL)
            os.setxattr(descriptor, _ACL, acl)

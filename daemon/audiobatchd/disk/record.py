"""The record of a track folder, `<folder>/<folder name>.INFO`: reading it, and replacing it so that it is never torn.

Its companions, `<folder name>.<SUFFIX>`, features that are files of their own, are replaced in the same way. Values are
bytes here, so that keys of other programs come out as they went in. What the values mean, and when a record is
complete, is the business of `core.assessment`; who may write, that of `locks`.
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

from audiobatchd.core import provenance
from audiobatchd.core.discovery import is_companion
from audiobatchd.core.provenance import Entry, Provenance
from audiobatchd.disk import bounded, filesystems, interrupts, rights
from audiobatchd.disk.members import MalformedError, Member, is_nothing, members
from audiobatchd.disk.rights import Rights
from audiobatchd.errors import RecordError, UnclearRecordError, UnfitFileError
from audiobatchd.vocabulary import quantities
from audiobatchd.vocabulary.files import RECORD_LIMIT
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.states import Cause

TEMPORARY_PREFIX = ".audiobatch-"
TEMPORARY_SUFFIX = ".tmp"
_KEYS = msgspec.json.Decoder(dict[str, Raw])
_MANY_KEYS = 20_000
"""More are not decoded in one go: other threads would wait for that, 0.3 s for a million of them."""
_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"{\0", b"\0{")
_CURE = "mend it or move the file away"
_MERGE_ATTEMPTS = 20
"""How often a record that moves meanwhile is merged again."""
_TRIAL_BYTES = 1 << 16
_Identity = tuple[int, int, int] | None

_making: set[str] = set()
"""The temporary files of this process: a thread that shares the folder's lock must not sweep them."""
_FOR_ALL = Rights(0o644, -1)


@dataclass(frozen=True)
class Record:
    """A record as it was read: every value as the bytes that stand in the file, and the provenance decoded."""

    values: Mapping[str, bytes | Raw] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)

    def present(self) -> frozenset[str]:
        """Find the keys that hold something: `null`, and what is no finite number, count as missing."""
        return frozenset(key for key, raw in self.values.items() if not is_nothing(bytes(raw)))


def name_in(folder: str) -> str:
    """Name the record's file in `folder`."""
    return os.path.basename(os.path.normpath(folder)) + ".INFO"


def is_temporary(name: str) -> bool:
    """Tell whether `name` is a record in the making, or what a killed writer left of one."""
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)


def read(name: str, folder_fd: int, limit: int = RECORD_LIMIT) -> Record:
    """Read the record `name` in the directory `folder_fd`; an empty one where there is none, or an empty file.

    Raises RecordError where it is there and is no JSON object, or has more than `limit` bytes; OSError where it cannot
    be read.
    """
    text, _ = _text(name, folder_fd, limit)
    try:
        few = text.count(b":") <= _MANY_KEYS
        # msgspec is ten times as fast, and takes JSON alone.
        values: Mapping[str, bytes | Raw] = _KEYS.decode(text) if few else _last_of_each(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        values = _last_of_each(text)
    return Record(values, provenance.decode(values.get(provenance.KEY)))


def read_in(folder: str, limit: int = RECORD_LIMIT) -> Record:
    """Read the record of the directory `folder`. Raises as `read` does, and OSError where there is none."""
    with opened(folder) as descriptor:
        return read(name_in(folder), descriptor, limit)


def is_in(folder: str) -> bool:
    """Tell whether the directory `folder` has a record of any kind, or may have one."""
    try:
        os.lstat(os.path.join(folder, name_in(folder)))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def opened(folder: str) -> Iterator[int]:
    """Open the directory `folder`; its descriptor. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def refuse_unwritable(name: str, folder_fd: int) -> None:
    """Raise RecordError where an existing record is to be left alone: it is write-protected, or a link."""
    try:
        mode = os.stat(name, dir_fd=folder_fd).st_mode
    except FileNotFoundError:
        return
    if _is_link(name, folder_fd):
        raise RecordError("cannot replace the record: it is a symbolic link")
    if mode & 0o222 == 0 or not os.access(name, os.W_OK, dir_fd=folder_fd, effective_ids=True):
        raise RecordError("cannot replace the record: it is read-only")


def publish(  # noqa: PLR0913  # all but the first four have a default
    name: str,
    folder_fd: int,
    values: Mapping[str, object],
    entries: dict[str, dict[str, Entry]],
    *,
    files: Mapping[str, str | bytes] | None = None,
    drop: Collection[str] = (),
    first: Rights = _FOR_ALL,
    gate: Callable[[], None] = lambda: None,
    limit: int = RECORD_LIMIT,
) -> None:
    """Merge `values` and `entries` into the record, without the keys in `drop`, in one step that a crash cannot tear.

    Its companions go before it, one by one: `files` by suffix (".BEATS_GRID"), bytes as they are and text as UTF-8, and
    those that `drop` names are removed.

    A temporary file in the same folder, fsync, `gate`, rename, fsync of the folder. The merge is over what stands in
    the file at that moment: if it moves before the rename, it is merged again. `gate` raises to forbid the rename.
    What killed writers left goes last, for scripts too. `first` are the rights of a record that replaces none; one of
    more than `limit` bytes is neither replaced nor made. Raises RecordError, OSError, and whatever `gate` raises.
    """
    _publish_companions(name.removesuffix(".INFO"), folder_fd, files or {}, drop, first, gate)
    for _ in range(_MERGE_ATTEMPTS):
        text, identity = _text(name, folder_fd, limit)
        merged = _merge(list(_members(text)), values, entries, drop)
        if len(merged) > limit:
            why = f"its {len(merged):,} bytes would be more than the {quantities.exact_size(limit)} allowed"
            message = f"cannot replace the record: {why}"
            raise RecordError(message)
        with _temporary(folder_fd, merged, name if identity else None, first) as temporary:
            gate()
            if _identity(name, folder_fd) != identity:
                continue
            os.rename(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
            os.fsync(folder_fd)
        with contextlib.suppress(OSError):  # the record is in place, and what stays harms nothing
            sweep(folder_fd)
        return
    raise RecordError("cannot replace the record: another program keeps writing it")


def _publish_companions(
    stem: str,
    folder_fd: int,
    files: Mapping[str, str | bytes],
    drop: Collection[str],
    first: Rights,
    gate: Callable[[], None],
) -> None:
    for suffix, content in files.items():
        _publish_companion(stem + suffix, folder_fd, content, first, gate)
    for suffix in drop:
        if is_companion(suffix):
            gate()
            _remove_companion(stem + suffix, folder_fd)


def _publish_companion(
    name: str, folder_fd: int, content: str | bytes, first: Rights, gate: Callable[[], None]
) -> None:
    try:
        replaces = name if _status(name, folder_fd) else None
    except OSError as error:
        raise filesystems.with_its_name(error, folder_fd, name, f"its {name[name.rfind('.') :]}") from error
    with _temporary(folder_fd, content.encode() if isinstance(content, str) else content, replaces, first) as temporary:
        gate()
        os.rename(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        os.fsync(folder_fd)


def _remove_companion(name: str, folder_fd: int) -> None:
    try:
        os.unlink(name, dir_fd=folder_fd)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # then there can be none
            raise


def rights_like(folder_fd: int, sources: Iterable[str]) -> Rights:
    """Derive the rights of a record that replaces none from the full mix: its owner and its readers have the numbers.

    The folder's group may also write the record where it may write in the folder.

    `sources` are source files of the folder, best first; one that leads nowhere is passed over. Raises OSError where
    the disk fails: the record would be shut to its readers for good.
    """
    for name in sources:
        try:
            source = os.stat(name, dir_fd=folder_fd)
        except OSError as error:
            if filesystems.cause_of(error) is Cause.IO:
                raise
            continue
        return Rights(0o600 | (source.st_mode & 0o444) | rights.of_group(folder_fd), source.st_uid)
    return Rights(0o600, -1)


def try_writing(folder_fd: int) -> None:
    """Write and sync a file of some size in the folder, and remove it. Raises OSError where a record could not be."""
    with _temporary(folder_fd, bytes(_TRIAL_BYTES), None, _FOR_ALL):
        pass


def sweep(folder_fd: int) -> None:
    """Remove what killed writers left. Only the holder of the folder's lock may call it."""
    with os.scandir(folder_fd) as entries:
        left = [entry.name for entry in entries if is_temporary(entry.name) and not entry.is_dir(follow_symlinks=False)]
    for name in set(left) - _making:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder_fd)


def _text(name: str, folder_fd: int, limit: int) -> tuple[bytes, _Identity]:
    """Read the text of the record, `{}` where there is none; with what tells this file from its successor."""
    try:
        text, status = bounded.read(name, limit, dir_fd=folder_fd)
    except FileNotFoundError:
        if _is_link(name, folder_fd):
            raise RecordError("cannot read the record: it is a dangling link") from None
        return b"{}", None
    except UnfitFileError as error:
        cure = "; move the file away, or raise record_limit" if error.errno == errno.EFBIG else ""
        message = f"cannot read the record: {error}{cure}"
        raise RecordError(message) from error
    except OSError as error:
        raise filesystems.with_its_name(error, folder_fd, name, "its record") from error
    text = text.removeprefix(_MARK)
    if text.startswith(_UTF_16):
        raise RecordError("cannot understand the record: line 1: it is UTF-16; save it as UTF-8 or move the file away")
    # A crash leaves a file without content; a power cut leaves zeros, as many as there were bytes.
    is_nothing_left = not text.strip(b" \t\r\n\0")
    return b"{}" if is_nothing_left else text, (status.st_ino, status.st_size, status.st_mtime_ns)


def _members(text: bytes) -> Iterator[Member]:
    try:
        yield from members(text)
    except MalformedError as error:
        message = f"cannot understand the record: {error}; {_CURE}"
        raise UnclearRecordError(message) from error


def _last_of_each(text: bytes) -> dict[str, bytes]:
    """Collect the values by key; of a key that stands twice the last one counts, as every common parser has it."""
    return {member.key: member.value for member in _members(text)}


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
    found: list[Member], values: Mapping[str, object], entries: dict[str, dict[str, Entry]], drop: Collection[str]
) -> bytes:
    """Build the record: `values` in the places of those that they replace, all of other programs as it is written."""
    lines: list[bytes] = []
    left = dict(values)
    old = None
    for key, written, value in found:
        if key == provenance.KEY:
            old = value
        elif key in left:
            lines.append(_line(key, left.pop(key)))
        elif key not in values and key not in drop:
            lines.append(written + b": " + value)
    lines += [_line(key, value) for key, value in left.items()]
    before = provenance.decode(old)
    if entries or before.analyzers:
        lines.append(_line(provenance.KEY, provenance.merged(before, entries)))
    return b"{\n  " + b",\n  ".join(lines) + b"\n}\n" if lines else b"{}\n"


def _line(key: str, value: object) -> bytes:
    """Write one member, indented."""
    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).replace(b"\n", b"\n  ")
    except RecursionError as error:  # one level less deep than what is read
        message = f"cannot replace the record: key '{shown(key)}' is nested too deeply; {_CURE}"
        raise RecordError(message) from error
    return msgspec.json.encode(key) + b": " + text


@contextlib.contextmanager
def _temporary(folder_fd: int, content: bytes, replaces: str | None, first: Rights) -> Iterator[str]:
    """Write a file with this content; its name. It is gone afterwards unless it was renamed."""
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
        rights.take(file.fileno(), folder_fd, replaces, first)
        os.fsync(file.fileno())

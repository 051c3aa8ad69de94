"""Checks that a file is a model's graph or metadata, and no web page, pointer or half a graph; and its digest."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path

import msgspec

from audiobatchd.errors import ModelError
from audiobatchd.vocabulary.names import shown

LARGEST = 1 << 30
"""Bytes beyond which a file is no model: no published one comes near."""

Check = Callable[[Path], None]
_LARGEST_METADATA = 16 << 20
_HEAD = 512
_TOLD_BY = ("schema", "classes", "inference")
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST_VARINT = 10
_NODE = 1  # `repeated NodeDef node = 1` of graph.proto


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open `path` for reading. Raises ModelError where it is no regular file, too large, or cannot be read."""
    try:
        # A FIFO would otherwise wait for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _refuse_what_is_no_file(path, os.fstat(descriptor))
            with open(descriptor, "rb", closefd=False) as file:
                yield file
        finally:
            os.close(descriptor)
    except OSError as error:
        message = f"cannot read {shown(str(path))}: {error.strerror}"
        raise ModelError(message) from error


def sha256_of(path: Path) -> str:
    """The digest of a whole file, in hexadecimal."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_of(name: str) -> Check:
    """Return the check for a file of this name."""
    return check_graph if name.endswith(".pb") else check_metadata


def check_graph(path: Path) -> None:
    """Raise ModelError unless `path` is, from end to end, a sequence of a TensorFlow graph's fields.

    That tells a whole graph from one that was cut, without TensorFlow, which may end the process over a bad one. What
    is inside the nodes is not looked at: only a digest vouches for that. The format is Protocol Buffers' wire format.
    """
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        _refuse_lookalikes(path, file.read(_HEAD))
        file.seek(0)
        nodes = 0
        while file.tell() < size:
            number, wire = _field(file)
            if not _skip(file, wire, size):
                raise unusable(path, "the graph is cut or damaged" if nodes else "it is no TensorFlow graph")
            nodes += number == _NODE and wire == _COUNTED
        if not nodes:
            raise unusable(path, "it is no TensorFlow graph")


def check_metadata(path: Path) -> None:
    """Raise ModelError unless `path` is a JSON object that tells something of a model."""
    with opened(path) as file:
        content = file.read(_LARGEST_METADATA + 1)
    _refuse_lookalikes(path, content[:_HEAD], text=True)
    try:
        told = msgspec.json.decode(content)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise unusable(path, f"it is not JSON: {error}") from error
    if not isinstance(told, dict) or not any(key in told for key in _TOLD_BY):
        raise unusable(path, f"it is no model's metadata: none of {', '.join(_TOLD_BY)} is in it")


def unusable(path: Path, why: str) -> ModelError:
    """Make the error that says why a file is of no use."""
    return ModelError(f"cannot use {shown(str(path))}: {why}")


def _refuse_what_is_no_file(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise unusable(path, "it is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise unusable(path, "it is no regular file")
    if found.st_size > LARGEST:
        raise unusable(path, f"its {found.st_size:,} bytes are more than the {LARGEST:,} allowed")


def _refuse_lookalikes(path: Path, head: bytes, *, text: bool = False) -> None:
    if not head:
        raise unusable(path, "it is empty")
    if head.startswith(b"version https://git-lfs"):
        raise unusable(path, "it is a Git LFS pointer; the file that it points at was never fetched")
    if head.lstrip().startswith(b"<"):
        raise unusable(path, "it is a web page, or XML")
    if not text and _is_text(head):
        raise unusable(path, "it is text, not a TensorFlow graph")


def _is_text(head: bytes) -> bool:
    # A character may have been cut at the end of the head.
    return all(byte >= ord(" ") or byte in b"\t\n\f\r" for byte in head) and "\ufffd" not in (
        head.decode("utf-8", errors="replace").rstrip("\ufffd")
    )


def _field(file: BufferedReader) -> tuple[int, int]:
    """The number and the wire type of the field that begins here; a type that there is not for what cannot be one."""
    key = _varint(file)
    return (0, -1) if key is None or not key >> 3 else (key >> 3, key & 7)


def _skip(file: BufferedReader, wire: int, size: int) -> bool:
    """Go past a field's value; False where it ends behind the file's end, or is none."""
    if wire == _VARINT:
        return _varint(file) is not None
    length = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(wire)
    if wire == _COUNTED:
        length = _varint(file)
    if length is None or file.tell() + length > size:
        return False
    file.seek(length, os.SEEK_CUR)
    return True


def _varint(file: BufferedReader) -> int | None:
    value = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:  # noqa: PLR2004  # the bit that says "more follows"
            return value
    return None

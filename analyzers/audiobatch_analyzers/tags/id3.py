"""ID3v2 tags (id3.org, versions 2.2, 2.3 and 2.4) reduced to the few frames that are read.

mutagen takes a tag as a whole, pictures too, and for one of a million frames an hour. So the frames are picked here, by
their headers alone, and it is given a small tag with no others. What frames hold is mutagen's business.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Protocol

from mutagen.id3 import ID3, Frames, Frames_2_2, ID3NoHeaderError

HEADER_BYTES = 10

_FRAMES = {"artist": "TPE1", "title": "TIT2", "album": "TALB", "year": "TDRC", "genre": "TCON"}
# The year of version 2.3 is a frame of its own, with day and time beside it, of which mutagen makes the one of 2.4.
_READ = frozenset({*_FRAMES.values(), "TYER", "TDAT", "TIME", "TP1", "TT2", "TAL", "TYE", "TDA", "TIM", "TCO"})
_CLASSES = {name: frame for name, frame in {**Frames, **Frames_2_2}.items() if name in _READ}

_MOST_FRAMES, _MOST_KEPT = 10_000, 64
_LONGEST_KEPT = (1 << 13) + 1
"""Bytes that are kept of a frame: more than the longest value takes in UTF-16."""
_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10
_V1_BYTES = 128 + 8
"""Bytes that may hold an ID3v1 tag, with what mutagen wants to see before it."""


class Source(Protocol):
    """Bytes that can be read at any place."""

    size: int
    """Number of all bytes."""

    def at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes from `offset`, fewer at the end."""


class Bytes:
    """Bytes in memory as a `Source`."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def at(self, offset: int, length: int) -> bytes:
        """See `Source.at`."""
        return self._content[offset : offset + max(0, length)]


def length_at(source: Source, offset: int) -> int:
    """Return the number of bytes of the tag that begins at `offset`; 0 where none does."""
    header = source.at(offset, HEADER_BYTES)
    if len(header) < HEADER_BYTES or header[:3] != b"ID3" or max(header[6:]) > 0x7F:
        return 0
    return HEADER_BYTES + _synchsafe(header[6:]) + (HEADER_BYTES if header[5] & _FOOTER else 0)


def read_id3(source: Source, offset: int = 0, *, load_v1: bool = False) -> dict[str, list[str]]:
    """Read the tag at `offset`, and with `load_v1` the ID3v1 tag at the end of `source`: values by field.

    Raises mutagen's errors where there is a tag of another version, or one that contradicts itself.
    """
    reduced = _reduced(source, offset) if length_at(source, offset) else b""
    behind = source.at(max(0, source.size - _V1_BYTES), _V1_BYTES) if load_v1 else b""
    try:
        tags: Any = ID3(io.BytesIO(reduced + behind), known_frames=_CLASSES, load_v1=load_v1)
    except ID3NoHeaderError:
        return {}
    found = {field: [str(each) for each in tags[frame].text] for field, frame in _FRAMES.items() if frame in tags}
    if "TCON" in tags:
        found["genre"] = list(tags["TCON"].genres)  # names in place of ID3v1's numbers
    return found


def _reduced(source: Source, offset: int) -> bytes:
    """Return the tag at `offset` with the frames that are read, and no others."""
    header = source.at(offset, HEADER_BYTES)
    version, flags, start = header[3], header[5], offset + HEADER_BYTES
    end = start + _synchsafe(header[6:])
    if flags & _UNSYNCHRONISED and version < 4:
        # Before version 2.4 sizes count the bytes of a frame as they were.
        source = Bytes(source.at(start, end - start).replace(b"\xff\x00", b"\xff"))
        start, end = 0, source.size
    if flags & _EXTENDED and version > 2:
        start += _extended(source.at(start, 4), version)
    frames = b"".join(frame.whole(source) for frame in _frames(source, start, min(end, source.size), version))
    kept = flags & _UNSYNCHRONISED if version >= 4 else 0
    return bytes((*header[:5], kept)) + _safe(len(frames)) + frames


def _extended(octets: bytes, version: int) -> int:
    """Return the length of the extended header; 0 where a frame stands there, as careless programs leave it."""
    if octets.isalnum():
        return 0
    return _synchsafe(octets) if version >= 4 else 4 + int.from_bytes(octets, "big")


@dataclass(frozen=True)
class _Frame:
    """Place of one frame."""

    header: bytes
    """Name, size and flags, as they stand in the tag."""
    start: int
    """Offset of its content."""
    length: int
    """Bytes of its content."""
    version: int

    def whole(self, source: Source) -> bytes:
        """Return the frame, cut where it is long, with its size written as its version wants it."""
        content = source.at(self.start, min(self.length, _LONGEST_KEPT))
        if self.version == 2:
            return self.header[:3] + len(content).to_bytes(3, "big") + content
        size = _safe(len(content)) if self.version >= 4 else len(content).to_bytes(4, "big")
        return self.header[:4] + size + self.header[8:] + content


def _frames(source: Source, start: int, end: int, version: int) -> list[_Frame]:
    """List the frames between two offsets that are read, as far as frames can be followed."""
    found: list[_Frame] = []
    name_bytes, header_bytes = (3, 6) if version == 2 else (4, 10)
    for _ in range(_MOST_FRAMES):
        header = source.at(start, header_bytes)
        if len(header) < header_bytes or start >= end or not _is_name(header[:name_bytes]) or len(found) == _MOST_KEPT:
            break
        start += header_bytes
        length = int.from_bytes(header[name_bytes : 2 * name_bytes], "big")
        if version >= 4:
            length = _length_of_v4(source, start, end, header[4:8])
        if header[:name_bytes].decode("ascii") in _READ and start + length <= end:
            found.append(_Frame(header, start, length, version))
        start += length
    return found


def _length_of_v4(source: Source, start: int, end: int, octets: bytes) -> int:
    """Return the length of the frame with its content at `start`.

    Some programs write it as version 2.3 does: which of both it is shows by what stands behind the frame.
    """
    plain, safe = int.from_bytes(octets, "big"), _synchsafe(octets)
    if max(octets) > 0x7F:
        return plain
    return (
        safe
        if plain == safe or _is_border(source, start + safe, end) or not _is_border(source, start + plain, end)
        else plain
    )


def _is_border(source: Source, offset: int, end: int) -> bool:
    """Tell whether a frame can end at `offset`: another one, or padding, or nothing follows."""
    name = source.at(offset, min(4, end - offset))
    return offset == end or (offset < end and (not any(name) or _is_name(name)))


def _is_name(octets: bytes) -> bool:
    return octets.isalnum() and octets.upper() == octets and octets.isascii()


def _synchsafe(octets: bytes) -> int:
    """Return the number in four bytes of seven bits each."""
    number = 0
    for octet in octets:
        number = number << 7 | octet & 0x7F
    return number


def _safe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))

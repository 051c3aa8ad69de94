"""Tags of a source file, by mutagen: what names it. What cannot be read counts as absent, for the path names it then.

mutagen is handed an open file that gives up no more than a limit: a tag may promise any size, and a file may be made to
have it read over and over.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import mutagen

from audiobatchd.disk.leases import open_recalled
from audiobatchd.imports import id3
from audiobatchd.imports.text import clean

_READ_LIMIT = 64 << 20
"""Bytes that are read of a file for its tags: embedded pictures are part of them."""
_LONGEST = 1000
"""Characters of a value that are looked at; a folder's name takes 250 bytes."""

_KEYS: Mapping[str, tuple[str, ...]] = {
    "artist": ("artist", "TPE1", "\xa9ART", "Artist"),
    "albumartist": ("albumartist", "album artist", "TPE2", "aART", "Album Artist"),
    "album": ("album", "TALB", "\xa9alb", "Album"),
    "title": ("title", "TIT2", "\xa9nam", "Title"),
    "track": ("tracknumber", "TRCK", "trkn", "Track"),
    "disc": ("discnumber", "TPOS", "disk", "Disc"),
    "year": ("date", "TDRC", "TYER", "\xa9day", "year", "Year"),
}
"""Where each container keeps a field: Vorbis comments, ID3 (mp3, wav, aiff), MP4, APE."""
_CUE_SHEETS = ("cuesheet", "TXXX:CUESHEET", "Cuesheet")
_HEAD = 8
"""Bytes before the content of an MP4 box: its size and its name."""
_MOST_BOXES = 10_000
"""Boxes of an MP4 file that are looked at for the one that describes its tracks; it is among the first, or the last."""


@dataclass(frozen=True)
class Tags:
    """Tags of a file."""

    values: Mapping[str, str] = field(default_factory=dict)
    """Values by field, each in one line; those that are missing are not there."""
    tracks: int = 0
    """Number of tracks in an embedded cue sheet."""
    is_video: bool = False
    """True where an MP4 file has moving pictures."""


def read(path: str) -> Tags:
    """Read the tags of an audio file. Raises OSError where the file cannot be opened, none for what stands in it."""
    descriptor = open_recalled(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Tags()
        bounded = _Bounded(file, os.path.basename(path))
        try:
            found = mutagen.File(bounded)
            values = {name: text for name, keys in _KEYS.items() if (text := _first(found, keys))}
            block = getattr(found, "cuesheet", None)  # FLAC's own, whose last track is the lead-out
            tracks = len(block.tracks) - 1 if block else _first(found, _CUE_SHEETS, 1 << 20).upper().count("TRACK ")
            return Tags(values, tracks, is_video=path.lower().endswith(".mp4") and _moves(file))
        # The bytes may be anything, and mutagen raises whatever its own code meets in them.
        except Exception:  # noqa: BLE001
            return Tags()


class _Bounded(io.RawIOBase):
    """A file that is read to a limit, its ID3 tags reduced; `name` tells mutagen its extension."""

    def __init__(self, file: io.BufferedReader, name: str) -> None:
        super().__init__()
        self.name = name
        self._file = file
        self._left = _READ_LIMIT
        self._header = b""
        """Header of the ID3 tag that was begun last."""
        self._end = 0
        """Offset at which that tag ends."""

    def read(self, size: int | None = -1) -> bytes:
        """Read as a file does. Raises OSError where the limit is passed."""
        size = -1 if size is None else size
        self._left -= min(size, os.fstat(self._file.fileno()).st_size) if size >= 0 else 0
        if self._left < 0:
            raise OSError("more was read than tags can take")
        content = self._file.read(self._left + 1 if size < 0 else size)
        self._left -= len(content) if size < 0 else 0
        if self._left < 0:
            raise OSError("more was read than tags can take")
        if length := id3.length_of(content):
            self._header, self._end = content, self.tell() + length
        elif self._header and content and self.tell() == self._end:  # mutagen takes a tag as a whole
            content = id3.reduced(self._header, content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seek as a file does."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Tell the place as a file does."""
        return self._file.tell()

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read from any place."""
        return True


def _first(tags: Any, keys: tuple[str, ...], most: int = _LONGEST) -> str:  # noqa: ANN401  # a dict of any container's
    """Find the first of these keys that has a value; several values of one key are joined."""
    for key in keys:
        try:
            value = tags[key]
        except (KeyError, ValueError, TypeError):  # of other containers' keys, and where there are no tags at all
            continue
        text = clean(_text(value)[:most])
        if text:
            return text
    return ""


def _text(value: Any) -> str:  # noqa: ANN401  # a frame, a list of texts, of pairs of numbers
    parts = getattr(value, "text", value)
    if isinstance(parts, list | tuple):
        return ", ".join(str(part[0] or "" if isinstance(part, tuple) else part) for part in parts if part)
    return str(parts)


def _moves(file: BinaryIO) -> bool:
    """Tell whether an MP4 file has a track of pictures: the handler of one is `vide` (ISO/IEC 14496-12, 8.4.3)."""
    at, end = 0, os.fstat(file.fileno()).st_size
    for _ in range(_MOST_BOXES):
        if at + _HEAD > end:
            break
        file.seek(at)
        head = file.read(2 * _HEAD)
        size = int.from_bytes(head[8:16] if head[:4] == b"\0\0\0\1" else head[:4], "big") or end - at
        if head[4:_HEAD] == b"moov":
            file.seek(at + _HEAD)
            moov = file.read(min(size - _HEAD, _READ_LIMIT))
            medias = (media for track in _inside(moov, b"trak") for media in _inside(track, b"mdia"))
            return any(box[8:12] == b"vide" for media in medias for box in _inside(media, b"hdlr"))
        at += max(size, _HEAD)
    return False


def _inside(content: bytes, name: bytes) -> Iterator[bytes]:
    """Yield the contents of the MP4 boxes of this name among those that lie one after the other in `content`."""
    at = 0
    while at + _HEAD <= len(content):
        size = max(int.from_bytes(content[at : at + 4], "big"), _HEAD)
        if content[at + 4 : at + _HEAD] == name:
            yield content[at + _HEAD : at + size]
        at += size

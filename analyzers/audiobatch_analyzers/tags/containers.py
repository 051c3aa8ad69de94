"""Places of the tags in each container, and which of them are artist, title, album, year and genre.

mutagen reads the tags themselves. Its readers of whole files are not asked: they read pictures and look for audio, and
refuse files that are read here all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO

from mutagen import MutagenError
from mutagen.apev2 import APENoHeaderError, APETextValue, APEv2
from mutagen.flac import VCFLACDict
from mutagen.mp4 import MP4Tags
from mutagen.mp4._atom import Atoms
from mutagen.ogg import OggPage

from audiobatch_analyzers.tags import id3
from audiobatch_analyzers.tags.reading import LONGEST_ENTRY, Comments, Rationed, TagsTooLargeError

Tags = Mapping[str, Sequence[str]]
"""Values by field: artist, title, album, year, genre."""

_FIELDS = ("artist", "title", "album", "year", "genre")
# Of two names of one field the first counts first.
_COMMENTS = {"artist": "artist", "title": "title", "album": "album", "date": "year", "year": "year", "genre": "genre"}
_ATOMS = {"\xa9ART": "artist", "\xa9nam": "title", "\xa9alb": "album", "\xa9day": "year", "\xa9gen": "genre"}
_READ_ATOMS = frozenset({*(name.encode("latin-1") for name in _ATOMS), b"gnre"})
_APE_ITEMS = {"Artist": "artist", "Title": "title", "Album": "album", "Year": "year", "Genre": "genre"}
_INFO = {b"IART": "artist", b"INAM": "title", b"IPRD": "album", b"ICRD": "year", b"IGNR": "genre"}
_AIFF_TEXTS = {b"AUTH": "artist", b"NAME": "title"}
_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"}

_MOST_ID3, _MOST_BLOCKS, _MOST_CHUNKS = 16, 4096, 4096
_MOST_APE = 4 << 20
"""Bytes of an APEv2 tag, which mutagen takes as a whole, item by item."""
_MOST_INFO = 1 << 20
"""Bytes of RIFF's INFO that are read."""
_COMMENT_BLOCK = 4
_OGG_HEADS = {b"\x01vorbis": len(b"\x03vorbis"), b"OpusHead": len(b"OpusTags"), b"\x7fFLAC": 4}
"""Beginning of a stream's first packet, and how many bytes stand before the comments in its second."""


def read_tags(file: BinaryIO, size: int) -> Tags:
    """Read the tags of a file of `size` bytes, going by its first bytes and never by its name.

    Where it has several kinds of tags, the container's own come first, and others fill in what these lack. Raises
    TagsTooLargeError, mutagen's errors, and whatever else malformed tags make it raise.
    """
    bounded = Rationed(file, size)
    start = _behind_id3(bounded)
    return _together(_found(bounded, start))


def _together(found: Iterator[Tags]) -> Tags:
    """Put tags together: the first that has a field. Tags that cannot be read take no better ones along."""
    result: dict[str, Sequence[str]] = {}
    try:
        for tags in found:
            for field, values in tags.items():
                if any(value.strip("\0 ") for value in values):
                    result.setdefault(field, values)
            if len(result) == len(_FIELDS):
                break
    except (MutagenError, TagsTooLargeError):
        if not result:
            raise
    return result


def _found(file: Rationed, start: int) -> Iterator[Tags]:
    """Yield the tags of a file with its container at `start`, the best first."""
    head = file.at(start, 12)
    if head.startswith(b"fLaC"):
        yield _flac(file, start + 4)
    elif head.startswith(b"OggS"):
        yield _ogg(file, start)
    elif head[:4] in {b"RIFF", b"RIFX", b"RF64", b"BW64"} and head[8:] == b"WAVE":
        yield from _chunks(file, start + 12, big=head[:4] == b"RIFX")
    elif head[:4] == b"FORM" and head[8:] in {b"AIFF", b"AIFC"}:
        yield from _chunks(file, start + 12, big=True)
    elif head[4:8] in _BOXES:
        yield _mp4(file)
    else:
        yield id3.read_id3(file, load_v1=True)
        yield _ape(file)
        return
    if start:
        yield id3.read_id3(file)


def _texts(value: Iterable[object]) -> list[str]:
    return [str(each) for each in value]


# Around any container


def _behind_id3(file: Rationed) -> int:
    """Return where the ID3 tags at the beginning of a file end."""
    offset = 0
    for _ in range(_MOST_ID3):
        length = id3.length_at(file, offset)
        if not length:
            break
        offset += length
    return offset


def _ape(file: Rationed) -> Tags:
    try:
        items: Any = APEv2(Rationed(file, file.size, _MOST_APE))
    except APENoHeaderError:
        return {}
    found = {field: items[name] for name, field in _APE_ITEMS.items() if name in items}
    return {field: _texts(value) for field, value in found.items() if isinstance(value, APETextValue)}


# Containers


def _flac(file: Rationed, offset: int) -> Tags:
    for _ in range(_MOST_BLOCKS):
        header = file.at(offset, 4)
        if len(header) < 4:
            break
        length = int.from_bytes(header[1:], "big")
        if header[0] & 0x7F == _COMMENT_BLOCK:
            return _comments(file.chunks(offset + 4, length))
        if header[0] & 0x80:
            break
        offset += 4 + length
    return {}


def _ogg(file: Rationed, start: int) -> Tags:
    file.seek(start)
    chunks = _second_packet(file)
    first = next(chunks, b"")
    return _comments(chain((first,), chunks)) if first else {}


def _second_packet(file: Rationed) -> Iterator[bytes]:
    """Yield the second packet of the first stream of audio, without what stands before the comments in it."""
    serial, lead = None, 0
    while True:
        try:
            page: Any = OggPage(file)
        except EOFError:
            return
        if serial is None:
            heads = (length for head, length in _OGG_HEADS.items() if page.packets and page.packets[0].startswith(head))
            lead = next(heads, 0)
            serial = page.serial if lead else None
        elif page.serial == serial and page.packets:
            if piece := page.packets[0][lead:]:
                yield piece
            lead = 0  # a page that does not end the packet has 255 bytes of it or more
            if len(page.packets) > 1 or page.complete:
                return


def _comments(chunks: Iterator[bytes]) -> Tags:
    comments: Any = VCFLACDict(Comments(chunks))
    found: dict[str, list[str]] = {}
    for name, field in _COMMENTS.items():
        found.setdefault(field, []).extend(value for key, value in comments if key.lower() == name)
    return found


def _mp4(file: Rationed) -> Tags:
    atoms: Any = Atoms(file)
    try:
        ilst = atoms.path(b"moov", b"udta", b"meta", b"ilst")[-1]
    except KeyError:
        return {}
    # Pictures stay unread.
    ilst.children = [each for each in ilst.children if each.name in _READ_ATOMS]
    tags: Any = MP4Tags(atoms, file)
    return {field: _texts(tags[name]) for name, field in _ATOMS.items() if name in tags}


def _chunks(file: Rationed, offset: int, *, big: bool) -> Iterator[Tags]:
    """Yield the tags in the chunks of a WAV or AIFF: ID3 first, then what these containers brought themselves."""
    texts: dict[str, list[str]] = {}
    for _ in range(_MOST_CHUNKS):
        header = file.at(offset, 8)
        length = int.from_bytes(header[4:], "big" if big else "little")
        if len(header) < 8 or (header[:4] == b"data" and length == 0xFFFFFFFF):
            break
        start, name = offset + 8, header[:4]
        if name in {b"ID3 ", b"id3 "}:
            yield id3.read_id3(file, start)
        elif name in _AIFF_TEXTS:
            texts.setdefault(_AIFF_TEXTS[name], []).append(_decoded(file.at(start, min(length, LONGEST_ENTRY))))
        elif name == b"LIST" and length >= 4 and file.at(start, 4) == b"INFO":
            _add_info(texts, file.at(start + 4, min(length - 4, _MOST_INFO)), big=big)
        offset = start + length + length % 2
    yield texts


def _add_info(texts: dict[str, list[str]], block: bytes, *, big: bool) -> None:
    offset = 0
    for _ in range(_MOST_CHUNKS):
        if offset + 8 > len(block):
            break
        length = int.from_bytes(block[offset + 4 : offset + 8], "big" if big else "little")
        field = _INFO.get(block[offset : offset + 4])
        if field is not None:
            texts.setdefault(field, []).append(_decoded(block[offset + 8 : offset + 8 + length]))
        offset += 8 + length + length % 2


def _decoded(octets: bytes) -> str:
    """Decode text of an unknown encoding: UTF-8 where it can be, else Latin-1, as these containers were conceived."""
    octets = octets.split(b"\0", 1)[0]
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")

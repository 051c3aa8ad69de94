"""The tags that players hang before and behind the audio: ID3v2, ID3v1, Lyrics3, APEv2.

They belong to no container, and a decoder may take those behind the audio for damaged audio. Only their lengths are
read here, never their content.
"""

from __future__ import annotations

from collections.abc import Callable

from audiobatchd.audio.window import Window

_MOST_TAGS = 16
_ID3_HEADER = 10
_ID3V1_SIZE = 128
_APE_FOOTER = 32
_ID3V1_EXTENDED = 227
_LYRICS_BEGIN = b"LYRICSBEGIN"
_LYRICS_END = b"LYRICS200"
_LYRICS_1_END = b"LYRICSEND"
_MOST_LYRICS_1 = 5100 + 20
_MOST_LYRICS = 1 << 20
_MOST_ZEROS = 4096


def leading_tags(window: Window) -> int:
    """Count the bytes of ID3v2 tags before the audio: several one behind the other, as careless tools leave them."""
    return _row(window, 0, _id3v2_at)


def tags_behind(window: Window, offset: int) -> int:
    """Return where the tags end that begin at `offset`, as far as their beginnings tell, with zeros between."""
    for _ in range(_MOST_TAGS):
        offset = _row(window, offset, _tag_at)
        zeros = window.at(offset, _MOST_ZEROS)
        behind = offset + len(zeros) - len(zeros.lstrip(b"\0"))
        if behind < window.size and not _tag_at(window, behind):
            return offset
        offset = behind
    return offset


def _row(window: Window, offset: int, length_at: Callable[[Window, int], int]) -> int:
    """Return where a row of tags that begins at `offset` ends, by their lengths (0 where none stands)."""
    for _ in range(_MOST_TAGS):
        length = length_at(window, offset)
        if not length or offset + length > window.size:
            break
        offset += length
    return offset


def _id3v2_at(window: Window, offset: int) -> int:
    return _id3v2_length(window.at(offset, _ID3_HEADER))


def _id3v2_length(header: bytes) -> int:
    """The length of the ID3v2 tag with this header (id3.org, ID3v2.4.0 section 3.1), 0 where it is none."""
    if len(header) < _ID3_HEADER or header[:3] != b"ID3" or max(header[6:10]) > 0x7F:
        return 0
    size = header[6] << 21 | header[7] << 14 | header[8] << 7 | header[9]
    return _ID3_HEADER + size + (_ID3_HEADER if header[5] & 0x10 else 0)


def trailing_tags(window: Window) -> int:
    """The offset at which the tags behind the audio begin; the window's size where there are none."""
    end = window.size
    for _ in range(_MOST_TAGS):
        length = next(filter(None, (each(window, end) for each in _BACK)), 0)
        if not 0 < length <= end:
            break
        end -= length
    return end


def _id3v1_length(window: Window, end: int) -> int:
    if window.at(end - _ID3V1_SIZE, 3) != b"TAG":
        return 0
    extended = window.at(end - _ID3V1_SIZE - _ID3V1_EXTENDED, 4) == b"TAG+"
    return _ID3V1_SIZE + (_ID3V1_EXTENDED if extended else 0)


def _id3v1_at(window: Window, offset: int) -> int:
    extended = _ID3V1_EXTENDED if window.at(offset, 4) == b"TAG+" else 0
    return extended + _ID3V1_SIZE if window.at(offset + extended, 3) == b"TAG" else 0


def _ape_length(window: Window, end: int) -> int:
    footer = window.at(end - _APE_FOOTER, _APE_FOOTER)
    if footer[:8] != b"APETAGEX":
        return 0
    has_header = int.from_bytes(footer[20:24], "little") & 0x80000000
    return int.from_bytes(footer[12:16], "little") + (_APE_FOOTER if has_header else 0)


def _ape_at(window: Window, offset: int) -> int:
    header = window.at(offset, _APE_FOOTER)
    return _APE_FOOTER + int.from_bytes(header[12:16], "little") if header[:8] == b"APETAGEX" else 0


def _lyrics_length(window: Window, end: int) -> int:
    footer = window.at(end - 6 - len(_LYRICS_END), 6 + len(_LYRICS_END))
    if footer[6:] == _LYRICS_END and footer[:6].isdigit():
        return int(footer[:6]) + len(footer)
    if not footer.endswith(_LYRICS_1_END):
        return 0
    start = max(0, end - _MOST_LYRICS_1)
    place = window.at(start, end - start).rfind(_LYRICS_BEGIN)
    return end - start - place if place >= 0 else 0


def _lyrics_at(window: Window, offset: int) -> int:
    if window.at(offset, len(_LYRICS_BEGIN)) != _LYRICS_BEGIN:
        return 0
    text = window.at(offset, _MOST_LYRICS)
    ends = [place + len(end) for end in (_LYRICS_END, _LYRICS_1_END) if (place := text.find(end)) >= 0]
    return min(ends, default=0)


def _id3v2_footer(window: Window, end: int) -> int:
    footer = window.at(end - _ID3_HEADER, _ID3_HEADER)
    return _id3v2_length(b"ID3" + footer[3:]) if footer[:3] == b"3DI" else 0


def _tag_at(window: Window, offset: int) -> int:
    return next(filter(None, (each(window, offset) for each in (_id3v2_at, _id3v1_at, _ape_at, _lyrics_at))), 0)


_BACK = (_id3v1_length, _ape_length, _lyrics_length, _id3v2_footer)

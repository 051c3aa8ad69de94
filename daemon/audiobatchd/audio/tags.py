"""Where the tags are that players hang before and behind the audio: ID3v2, ID3v1, Lyrics3, APEv2.

They belong to no container, and a decoder may take what stands behind the audio for damaged audio. What they say is
nobody's business here, only how long they are.
"""

from __future__ import annotations

from audiobatchd.audio.window import Window

_MOST_TAGS = 16
_ID3_HEADER = 10
_ID3V1_SIZE = 128
_APE_FOOTER = 32
_LYRICS_END = b"LYRICS200"


def leading_tags(window: Window) -> int:
    """How many bytes of ID3v2 tags (one behind the other, as careless tools leave them) stand before the audio."""
    offset = 0
    for _ in range(_MOST_TAGS):
        length = _id3v2_length(window.at(offset, _ID3_HEADER))
        if not length or offset + length > window.size:
            break
        offset += length
    return offset


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
        length = _id3v1_length(window, end) or _ape_length(window, end) or _lyrics_length(window, end)
        if not 0 < length <= end:
            break
        end -= length
    return end


def _id3v1_length(window: Window, end: int) -> int:
    return _ID3V1_SIZE if window.at(end - _ID3V1_SIZE, 3) == b"TAG" else 0


def _ape_length(window: Window, end: int) -> int:
    footer = window.at(end - _APE_FOOTER, _APE_FOOTER)
    if footer[:8] != b"APETAGEX":
        return 0
    has_header = int.from_bytes(footer[20:24], "little") & 0x80000000
    return int.from_bytes(footer[12:16], "little") + (_APE_FOOTER if has_header else 0)


def _lyrics_length(window: Window, end: int) -> int:
    footer = window.at(end - 6 - len(_LYRICS_END), 6 + len(_LYRICS_END))
    if footer[6:] != _LYRICS_END or not footer[:6].isdigit():
        return 0
    return int(footer[:6]) + len(footer)

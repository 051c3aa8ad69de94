"""ID3v2 tags (id3.org, versions 2.2, 2.3 and 2.4) reduced to the frames that name a track, before mutagen has them.

mutagen copies the rest of a tag for every frame in it: one of a million frames takes an hour. Frames in chapters are
frames again, and a frame whose length is damaged may be a million empty texts. So the frames are picked here, by their
headers alone; what they hold is mutagen's business.
"""

from __future__ import annotations

from mutagen.id3 import Frames
from mutagen.id3._tags import determine_bpi
from mutagen.id3._util import unsynch

HEADER_BYTES = 10

_READ = frozenset(
    {
        *(b"TPE1", b"TPE2", b"TALB", b"TIT2", b"TRCK", b"TPOS", b"TXXX", b"TDRC", b"TYER", b"TDAT", b"TIME"),
        *(b"TP1", b"TP2", b"TAL", b"TT2", b"TRK", b"TPA", b"TXX", b"TYE", b"TDA", b"TIM"),
    }
)
"""Names of the frames that are kept, those of version 2.2 below. mutagen makes a TDRC of year, day and time."""
_MOST_FRAMES, _MOST_KEPT = 10_000, 200
_LONGEST_KEPT, _MOST_BYTES = 1 << 16, 1 << 18
"""Bytes of a frame, and of all that are kept: the longest of them is a cue sheet of 99 tracks."""
_JUDGED = 1 << 20
"""Bytes by which it is judged how lengths are written: some programs write version 2.4 as they do 2.3."""
_UNSYNCHRONISED = 0x80


def length_of(header: bytes) -> int:
    """Return the bytes behind the `header` of a tag; 0 where it is none."""
    if len(header) != HEADER_BYTES or header[:3] != b"ID3":
        return 0
    return sum((octet & 0x7F) << 7 * place for place, octet in enumerate(reversed(header[6:])))


def reduced(header: bytes, body: bytes) -> bytes:
    """Return the `body` of a tag with the frames that are read first, and zeros for all else: of the same length."""
    major, is_encoded = header[3], header[3] < 4 and header[5] & _UNSYNCHRONISED  # noqa: PLR2004  # version 2.4
    content = body
    if is_encoded:
        try:
            content = unsynch.decode(body)
        except ValueError:  # as mutagen does
            is_encoded = 0
    kept = _kept(content, major)
    if is_encoded:
        kept = unsynch.encode(kept)
    return kept[: len(body)].ljust(len(body), b"\0")


def _kept(content: bytes, major: int) -> bytes:
    letters, head = (3, 6) if major == 2 else (4, 10)  # noqa: PLR2004  # version 2.2
    as_number = determine_bpi(content[:_JUDGED], Frames) if major == 4 else int  # noqa: PLR2004  # version 2.4
    kept: list[bytes] = []
    left = _MOST_BYTES
    place = 0
    for _ in range(_MOST_FRAMES):
        name = content[place : place + letters].rstrip(b"\0")
        if not name or len(kept) == _MOST_KEPT:
            break
        length = int(as_number(int.from_bytes(content[place + letters : place + 2 * letters], "big")))
        end = place + head + length
        if name in _READ and length <= min(_LONGEST_KEPT, left):
            kept.append(content[place:end])
            left -= length
        place = end
    return b"".join(kept)

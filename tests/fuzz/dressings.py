"""Dressings of healthy audio: tags, chunks, zeros, sizes left open, the mark of the end on its own page.

None of it changes a sample, and none of it is damage: what wears it is measured, and has the numbers of its parent.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from typing import Literal

from fuzz.checksums import MARKER, pages, sealed
from support.containers import chunk

Dice = random.Random
Dressing = Callable[[bytes, Dice], tuple[bytes, str]]
"""Takes a file and the dice; gives the file with something around it, and what that is in a few words."""

_SIZES = (1, 3, 100, 5000, 100_000)
_OPEN = (0, 0xFFFFFFFF, 0xFFFFFFD0, 0x7FFFF000)
_ID3V1 = b"TAG".ljust(128, b"x")
_ID3V1_EXTENDED = b"TAG+".ljust(227, b"x") + _ID3V1


def id3v2(dice: Dice, *, footer: bool = False) -> bytes:
    """An ID3v2 tag full of noise."""
    content = dice.randbytes(dice.choice(_SIZES))
    size = bytes(len(content) >> shift & 0x7F for shift in (21, 14, 7, 0))
    head = bytes([4, 0, 0x10 if footer else 0]) + size
    return b"ID3" + head + content + (b"3DI" + head if footer else b"")


def _ape(dice: Dice) -> bytes:
    item = struct.pack("<II", 4, 0) + b"Title\0" + dice.randbytes(4)
    head, foot = (struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(item) + 32, 1, each << 28) for each in (0xA, 8))
    return head + item + foot


def _lyrics(dice: Dice) -> bytes:
    body = b"LYRICSBEGINLYR" + b"%05d" % 9 + b"la la la " * dice.randrange(9)
    return dice.choice((body + b"%06d" % len(body) + b"LYRICS200", body + b"LYRICSEND")) + _ID3V1


def _before(content: bytes, dice: Dice) -> tuple[bytes, str]:
    return id3v2(dice) + content, "ID3v2 before"


def _tags(content: bytes, dice: Dice) -> tuple[bytes, str]:
    tags = dice.choice((_ape(dice), _lyrics(dice), _ID3V1, _ape(dice) + _ID3V1, id3v2(dice, footer=True)))
    return content + tags, f"{len(tags)} bytes of tags behind"


def _tags_between_frames(content: bytes, dice: Dice) -> tuple[bytes, str]:
    tags = b"".join(
        dice.choice((id3v2(dice), _ID3V1, _ID3V1_EXTENDED, _ape(dice))) for _ in range(dice.randrange(1, 4))
    )
    return content + tags, f"{len(tags)} bytes of tags that begin like themselves behind"


def _anything(content: bytes, dice: Dice) -> tuple[bytes, str]:
    size = dice.choice(_SIZES)
    junk = dice.choice((bytes(size), dice.randbytes(size), (b"a text\n" * size)[:size]))
    return content + junk, f"{size} bytes of something behind"


def _zeros(content: bytes, dice: Dice) -> tuple[bytes, str]:
    size = dice.choice((1, 100, 4096))
    return content + bytes(size), f"{size} zeros behind"


# RIFF and FORM


def _order(content: bytes) -> Literal["big", "little"]:
    return "big" if content[:4] in {b"RIFX", b"FORM"} else "little"


def _mark(content: bytes) -> str:
    return ">" if _order(content) == "big" else "<"


def _chunks(dice: Dice, mark: str) -> bytes:
    names = [dice.choice((b"LIST", b"id3 ", b"bext", b"JUNK", b"iXML", b"ID3 ")) for _ in range(dice.randrange(1, 4))]
    return b"".join(chunk(name, dice.randbytes(dice.choice(_SIZES)), order=mark) for name in names)


def _chunk_before(content: bytes, dice: Dice) -> tuple[bytes, str]:
    order, size = _order(content), dice.choice(_SIZES)
    more = chunk(b"JUNK", dice.randbytes(size), order=_mark(content), pad=dice.random() < 0.7)
    outer = int.from_bytes(content[4:8], order) + len(more)
    outer = min(outer, 0xFFFFFFFF)
    return content[:4] + outer.to_bytes(4, order) + content[8:12] + more + content[
        12:
    ], f"a chunk of {size} bytes before"


def _chunks_behind(content: bytes, dice: Dice) -> tuple[bytes, str]:
    order, more = _order(content), bytes(len(content) % 2) + _chunks(dice, _mark(content))
    outer = min(int.from_bytes(content[4:8], order) + len(more), 0xFFFFFFFF)
    return content[:4] + outer.to_bytes(4, order) + content[8:] + more, f"{len(more)} bytes of chunks behind"


def _open(content: bytes, dice: Dice) -> tuple[bytes, str]:
    """The size of the samples as a program leaves it that writes into a pipe; chunks were hung there later."""
    order, size = _order(content), dice.choice(_OPEN)
    place, end = data_of(content)
    chunks = _chunks(dice, _mark(content)) if dice.random() < 0.7 else b""
    outer = dice.choice((size, end + len(chunks) - 8))
    changed = content[:4] + outer.to_bytes(4, order) + content[8 : place + 4] + size.to_bytes(4, order)
    return changed + content[
        place + 8 : end
    ] + chunks, f"a data chunk of the size {size:#x}, then {len(chunks)} bytes of chunks"


def data_of(content: bytes) -> tuple[int, int]:
    """Return where the header of the data chunk of a healthy WAV begins, and where the samples end."""
    order, place = _order(content), 12
    while content[place : place + 4] != b"data":
        size = int.from_bytes(content[place + 4 : place + 8], order)
        place += 8 + size + size % 2
    size = int.from_bytes(content[place + 4 : place + 8], order)
    return place, min(len(content), place + 8 + size)


# Ogg


def _end_page(content: bytes, dice: Dice) -> tuple[bytes, str]:
    start = pages(content)[-2]
    last = bytearray(content[start:])
    last[5] &= ~4
    granule = dice.choice((bytes(8), b"\xff" * 8, bytes(last[6:14])))
    number = int.from_bytes(last[18:22], "little") + 1
    lacing = dice.choice((b"\0", b"\1\0"))
    end = MARKER + b"\0\4" + granule + last[14:18] + number.to_bytes(4, "little") + bytes(4) + lacing
    return sealed(content[:start] + last + end), f"an empty page with the mark of the end, granule {granule.hex()}"


_SIZED: tuple[Dressing, ...] = (_anything, _tags)
_WAV: tuple[Dressing, ...] = (*_SIZED, _chunk_before, _chunks_behind)
_OGG: tuple[Dressing, ...] = (*_SIZED, _end_page)
_DRESSINGS: Mapping[str, tuple[Dressing, ...]] = {
    **dict.fromkeys(("wav", "wav 24", "wav float", "wav big-endian", "wav 24 in 32"), (*_WAV, _open, _open)),
    "wav streamed": (_chunk_before,),
    **dict.fromkeys(("aiff", "aiff float", "aifc 24 little"), _WAV),
    **dict.fromkeys(("ogg", "ogg flac", "opus"), _OGG),
    **dict.fromkeys(("m4a", "m4a alac", "m4a faststart", "m4a fragments"), _SIZED),
    "mp3": (*_SIZED, _tags_between_frames),
    **dict.fromkeys(("mp3 uncounted", "aac"), (_tags, _tags_between_frames, _zeros)),
    **dict.fromkeys(("flac", "flac 24"), (_tags,)),
}
"""Dressings of every kind, behind it or inside."""


def dressed(content: bytes, dice: Dice, kind: str) -> tuple[bytes, str]:
    """A healthy file of `kind` with one thing around it, and often a tag before it."""
    content, what = dice.choice(_DRESSINGS[kind])(content, dice)
    if dice.random() < 0.3:
        content, before = _before(content, dice)
        what = f"{what}, {before}"
    return content, what

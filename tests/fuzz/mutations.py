"""Mutations of a healthy file: flipped bits, lost and doubled blocks, headers that lie, two files in one.

A mutant follows from its seed and its number, and from nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fuzz.checksums import MARKER, sealed
from fuzz.dressings import dressed
from fuzz.originals import KINDS, extension_of

_LONGEST_BLOCK = 4096
_HEAD = 256

Dice = random.Random
Change = Callable[[bytes, Dice, str], tuple[bytes, str]]
"""Takes a file, the dice and the file's kind; gives the changed file, and what was done in a few words."""


@dataclass
class Mutant:
    """File that is to be measured, and how it came to be."""

    seed: int
    number: int
    content: bytes
    extension: str
    kinds: tuple[str, ...]
    """Kinds whose bytes it is made of."""
    done: list[str] = field(default_factory=list)
    sealed: bool = False
    """True where its Ogg pages have right checksums again."""
    harmless: bool = False
    """True where its sound is unchanged: it has to be measured."""
    whole: bool = False
    """True for two healthy files, one behind the other."""

    @property
    def name(self) -> str:
        """Name, as `--replay` takes it."""
        return f"{self.seed}:{self.number}"

    @property
    def told(self) -> str:
        """The mutant in one line, for people."""
        return f"{self.name} ({' and '.join(self.kinds)} as .{self.extension}: {'; '.join(self.done)})"


def mutant(seed: int, number: int, files: Mapping[str, bytes]) -> Mutant:
    """The mutant with this number: one change mostly, seldom as many as four."""
    dice = Dice(f"{seed} {number}")
    kind = dice.choice([*KINDS])
    made = Mutant(seed, number, files[kind], extension_of(kind), (kind,))
    if dice.random() < 0.08:
        _splice(made, dice, files)
    elif dice.random() < 0.2:
        made.content, what = dressed(made.content, dice, kind)
        made.done.append(what)
        made.harmless = True
    else:
        for _ in range(dice.choice((1, 1, 1, 1, 2, 2, 3, 4))):
            change = dice.choices([*_CHANGES], [*_CHANGES.values()])[0]
            made.content, what = change(made.content, dice, kind)
            made.done.append(what)
    if not (made.harmless or made.whole) and made.content.startswith(MARKER) and dice.random() < 0.4:
        made.content = sealed(made.content)
        made.sealed = True
        made.done.append("checksums made right")
    if dice.random() < 0.1:
        made.extension = extension_of(dice.choice([*KINDS]))
    return made


def _splice(made: Mutant, dice: Dice, files: Mapping[str, bytes]) -> None:
    """Two files in one: whole ones or parts, of one kind or of two."""
    kind, other = made.kinds[0], dice.choice([*KINDS, *made.kinds * len(KINDS)])
    whole = dice.random() < 0.3
    end = len(made.content) if whole else _place(made.content, dice)
    start = 0 if whole else _place(files[other], dice)
    made.content = made.content[:end] + files[other][start:]
    made.kinds = (*made.kinds, other)
    # What stands behind samples whose number is not told looks like more of them, unless it is such a file itself.
    made.whole = whole and (kind != "wav streamed" or extension_of(other) in {"wav", "aiff"})
    made.done.append(f"{end} bytes, then the other from byte {start} on")


# Anywhere


def _place(content: bytes, dice: Dice) -> int:
    """Choose a place: in every other case among the first or the last bytes, where headers stand."""
    size = max(1, len(content))
    match dice.randrange(6):
        case 0 | 1:
            return dice.randrange(min(size, _HEAD))
        case 2:
            return max(0, size - 1 - dice.randrange(min(size, _HEAD)))
        case _:
            return dice.randrange(size)


def _block(content: bytes, dice: Dice) -> tuple[int, int]:
    start = _place(content, dice)
    return start, min(len(content), start + min(1 << dice.randrange(13), _LONGEST_BLOCK))


def _flip(content: bytes, dice: Dice, _: str) -> tuple[bytes, str]:
    changed = bytearray(content)
    count = dice.choice((1, 1, 1, 2, 8, 64))
    place = 0
    for _number in range(min(count, len(changed))):
        changed[(place := _place(content, dice))] ^= 1 << dice.randrange(8)
    return bytes(changed), f"{count} bits flipped, the last at byte {place}" if changed else "nothing"


def _overwrite(content: bytes, dice: Dice, _: str) -> tuple[bytes, str]:
    start, end = _block(content, dice)
    how, filler = dice.choice((("0x00", bytes(end - start)), ("0xFF", b"\xff" * (end - start)), ("random bytes", b"")))
    filler = filler or dice.randbytes(end - start)
    return content[:start] + filler + content[end:], f"bytes {start} to {end} overwritten with {how}"


def _delete(content: bytes, dice: Dice, _: str) -> tuple[bytes, str]:
    start, end = _block(content, dice)
    return content[:start] + content[end:], f"bytes {start} to {end} deleted"


def _double(content: bytes, dice: Dice, _: str) -> tuple[bytes, str]:
    start, end = _block(content, dice)
    return content[:end] + content[start:], f"bytes {start} to {end} doubled"


def _swap(content: bytes, dice: Dice, _: str) -> tuple[bytes, str]:
    (start, middle), size = _block(content, dice), 1 << dice.randrange(13)
    swapped = content[middle : middle + size] + content[start:middle]
    return content[:start] + swapped + content[middle + size :], f"blocks at {start} and {middle} swapped"


def _truncate(content: bytes, dice: Dice, _: str) -> tuple[bytes, str]:
    end = _place(content, dice)
    return content[:end], f"cut to {end} bytes"


def _append(content: bytes, dice: Dice, _: str) -> tuple[bytes, str]:
    junk = dice.choice((bytes, dice.randbytes))(dice.choice((1, 3, 100, 5000)))
    return content + junk, f"{len(junk)} bytes appended"


def _prepend(content: bytes, dice: Dice, _: str) -> tuple[bytes, str]:
    junk = dice.choice((bytes, dice.randbytes))(dice.choice((1, 3, 100, 5000)))
    return junk + content, f"{len(junk)} bytes prepended"


# Where the container says something


@dataclass(frozen=True)
class _Field:
    """Number in a header."""

    mark: bytes
    """Bytes behind which it stands, at the first place that has them."""
    offset: int
    """Bytes from the beginning of `mark`."""
    width: int
    """Bytes of the number."""
    every: bool = False
    """True where it may stand at any place that has `mark`."""


_WAV = [
    *(_Field(b"fmt ", offset, 2) for offset in (8, 10, 20, 22)),
    *(_Field(b"fmt ", offset, 4) for offset in (4, 12, 16, 24, 28)),
    *(_Field(b"data", 4, 4), _Field(b"RIFF", 4, 4), _Field(b"fact", 8, 4), _Field(b"LIST", 4, 4)),
]
_AIFF = [
    *(_Field(b"COMM", offset, 2) for offset in (8, 14, 16, 18)),
    *(_Field(b"COMM", offset, 4) for offset in (4, 10, 18, 26)),
    *(_Field(b"SSND", offset, 4) for offset in (4, 8, 12)),
    _Field(b"FORM", 4, 4),
]
_FLAC = [
    *(_Field(b"fLaC", offset, 2) for offset in (8, 10, 18, 20)),
    *(_Field(b"fLaC", offset, 3) for offset in (5, 12, 15, 18)),
    *(_Field(b"fLaC", offset, 4) for offset in (20, 22, 26)),
    _Field(b"\xff\xf8", 2, 1, every=True),
    _Field(b"\xff\xf8", 3, 1, every=True),
    _Field(b"\xff\xf8", 4, 2, every=True),
]
_MP3 = [
    *(_Field(b"Info", offset, 4) for offset in (4, 8, 12, 120)),
    *(_Field(b"Info", offset, 3) for offset in (141, 144)),
    *(_Field(b"\xff\xfb", offset, 1, every=True) for offset in (1, 2, 3, 4, 5, 6)),
    _Field(b"ID3", 6, 4),
]
_OGG = [
    *(_Field(MARKER, offset, 1, every=True) for offset in (4, 5, 26, 27)),
    *(_Field(MARKER, offset, 4, every=True) for offset in (6, 10, 14, 18, 22)),
    *(_Field(b"\x01vorbis", offset, 4) for offset in (7, 12, 16, 20)),
    *(_Field(b"\x01vorbis", offset, 1) for offset in (11, 28)),
    *(_Field(b"\x03vorbis", offset, 4) for offset in (7, 15, 19)),
    *(_Field(b"\x05vorbis", offset, 1) for offset in range(7, 60)),
    *(_Field(b"OpusHead", offset, 1) for offset in (8, 9, 18, 19, 20)),
    *(_Field(b"OpusHead", offset, 2) for offset in (10, 16)),
    *(_Field(b"OpusHead", offset, 4) for offset in (12,)),
    *(_Field(b"\x7fFLAC", offset, 2) for offset in (5, 7, 27, 29)),
]
_MP4 = [
    *(
        _Field(mark, -4, 4)
        for mark in (b"ftyp", b"mdat", b"moov", b"trak", b"stbl", b"stsd", b"stsz", b"esds", b"moof")
    ),
    *(_Field(b"mdhd", offset, 4) for offset in (4, 16, 20)),
    *(_Field(b"mvhd", offset, 4) for offset in (4, 16, 20)),
    *(_Field(b"elst", offset, 4) for offset in (8, 12, 16, 20)),
    *(_Field(b"stsd", offset, 2) for offset in (36, 38, 44)),
    *(_Field(b"stsd", offset, 4) for offset in (8, 12, 16, 44)),
    *(_Field(mark, offset, 4) for mark in (b"stts", b"stsc", b"stco", b"stsz") for offset in (8, 12, 16, 20)),
    *(_Field(b"esds", offset, 1) for offset in range(8, 45)),
    *(_Field(b"alac", offset, 4) for offset in (32, 36, 40, 44, 48, 52, 56)),
    *(
        _Field(mark, offset, 4, every=True)
        for mark in (b"trun", b"tfhd", b"tfdt", b"trex")
        for offset in (4, 8, 12, 16)
    ),
]
_ADTS = [_Field(b"\xff\xf1", offset, 1, every=True) for offset in (1, 2, 3, 4, 5, 6, 7, 8, 9)]
_FIELDS: Mapping[str, list[_Field]] = {
    "wav": _WAV, "aiff": _AIFF, "flac": _FLAC, "mp3": _MP3, "ogg": _OGG, "opus": _OGG, "m4a": _MP4, "aac": _ADTS,
}  # fmt: skip


def _lie(content: bytes, dice: Dice, kind: str) -> tuple[bytes, str]:
    """Write an extreme, or something near to what it was, into a number of the header or of a frame."""
    told = dice.choice(_FIELDS[extension_of(kind)])
    places = _places(content, told)
    if not places:
        return _flip(content, dice, kind)
    start = dice.choice(places) + told.offset
    most = (1 << 8 * told.width) - 1
    order: Literal["big", "little"] = "little" if extension_of(kind) in {"wav", "ogg", "opus"} else "big"
    old = int.from_bytes(content[start : start + told.width], order)
    new = dice.choice(
        (0, 1, 2, 255, most, most >> 1, most // 2 + 1, dice.randint(0, most), old + 1, old - 1, old * 2, old // 2)
    )
    number = (new & most).to_bytes(told.width, order)
    what = f"{told.mark!r} + {told.offset} at byte {start} said {number.hex()}"
    return content[:start] + number + content[start + told.width :], what


def _places(content: bytes, told: _Field) -> list[int]:
    found = []
    place = content.find(told.mark)
    while place >= 0:
        if place + told.offset >= 0:
            found.append(place)
        if not told.every:
            break
        place = content.find(told.mark, place + 1)
    return found


def _units(content: bytes, dice: Dice, kind: str) -> tuple[bytes, str]:
    """Delete, double or swap what the container is made of: pages, frames or boxes, as their marks tell them."""
    marks = {"ogg": MARKER, "opus": MARKER, "mp3": b"\xff\xfb", "aac": b"\xff\xf1", "flac": b"\xff\xf8"}
    mark = marks.get(extension_of(kind), dice.choice((b"moof", b"mdat", b"LIST", b"SSND", b"COMM", b"data")))
    places = [*_places(content, _Field(mark, 0, 0, every=True)), len(content)]
    if len(places) < 3:
        return _double(content, dice, kind)
    number = dice.randrange(len(places) - 2)
    first, second, third = places[number : number + 3]
    one, two = content[first:second], content[second:third]
    how, instead = dice.choice((("gone", two), ("twice", one + one + two), ("behind the next", two + one)))
    return content[:first] + instead + content[third:], f"what begins with {mark!r} at byte {first}: {how}"


_CHANGES: Mapping[Change, int] = {
    _flip: 5, _overwrite: 4, _delete: 2, _double: 2, _swap: 2, _truncate: 3, _append: 1, _prepend: 1, _lie: 8,
    _units: 2,
}  # fmt: skip
"""Changes, with how often each comes."""

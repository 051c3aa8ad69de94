"""Tags before and behind the audio, on bytes made by hand."""

from __future__ import annotations

import pytest

from audiobatchd.audio.tags import leading_tags, trailing_tags
from audiobatchd.audio.window import Literally
from support.frames_by_hand import ID3V1, LYRICS, ape, id3v2


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (b"", 0),
        (b"ID3", 0),
        (id3v2(5) + b"audio", 15),
        (id3v2(300) + b"audio", 310),
        (id3v2(5) + id3v2(200) + b"audio", 15 + 210),
        (id3v2(5, 0x10, footer=True) + b"audio", 25),
        (id3v2(5)[:-1], 0),
        (b"ID3\x04\0\0\0\0\0\x80" + bytes(200), 0),
        (b"x" + id3v2(5), 0),
    ],
)
def test_leading_tags(content: bytes, length: int) -> None:
    assert leading_tags(Literally(content)) == length


@pytest.mark.parametrize(
    ("behind", "kept"),
    [
        (b"", b""),
        (ID3V1, b""),
        (ID3V1[:-1], ID3V1[:-1]),
        (bytes(7) + ape(7), b""),
        (ape(7, 0xA0000000) + bytes(7) + ape(7, 0x80000000), b""),
        (LYRICS + ID3V1, b""),
        (bytes(7) + ape(7) + ID3V1, b""),
        (ID3V1 + ID3V1, b""),
        (b"TAG+".ljust(227, b"x") + ID3V1, b""),
        (b"TAG+".ljust(227, b"x"), b"TAG+".ljust(227, b"x")),
        (b"LYRICSBEGINla laLYRICSEND" + ID3V1, b""),
        (b"la laLYRICSEND" + ID3V1, b"la laLYRICSEND"),
        (id3v2(9, 0x10, footer=True), b""),
        (b"LYRICSBEGIN" + b"x" * 20 + b"00003xLYRICS200", b"LYRICSBEGIN" + b"x" * 20 + b"00003xLYRICS200"),
        (ape(10_000), ape(10_000)),
        (ID3V1 + b"more", ID3V1 + b"more"),
    ],
)
def test_trailing_tags(behind: bytes, kept: bytes) -> None:
    assert trailing_tags(Literally(b"audio" + behind)) == 5 + len(kept)

"""The parser of Ogg's pages and links, on bytes made by hand."""

from __future__ import annotations

import struct

import pytest

from audiobatchd.audio import ogg
from audiobatchd.audio.promise import promised
from audiobatchd.audio.window import Literally
from audiobatchd.errors import DamagedFileError, UnmeasurableError
from support.frames_by_hand import opus, page, stream_info


def vorbis(rate: int = 44100, channels: int = 2, serial: int = 7) -> bytes:
    return page(b"\x01vorbis" + struct.pack("<IBI", 0, channels, rate) + bytes(14), flags=2, serial=serial)


AUDIO = page(b"x" * 300, granule=500)
LAST = page(b"x" * 300, flags=4, granule=1000)
CHANGES = "changes its sample rate or its channels on the way"
NOWHERE = page(b"x" * 300, granule=-1)
NIL = page(b"", flags=4)[:26] + b"\0"
"""A last page without any packet."""


@pytest.mark.parametrize(
    ("content", "links"),
    [
        (vorbis() + AUDIO + LAST, [(44100, 2, 1000, 2)]),
        (vorbis() + NOWHERE + LAST, [(44100, 2, 1000, 1)]),
        (opus() + AUDIO + LAST, [(48000, 2, 688, 2)]),
        (page(b"\x7fFLAC\1\0\0\1fLaC\0\0\0\x22" + stream_info(), flags=2) + LAST, [(44100, 2, 1000, 1)]),
        (vorbis() + LAST + vorbis() + AUDIO + LAST, [(44100, 2, 1000, 1), (44100, 2, 1000, 2)]),
        # A picture stream beside the audio, whose pages do not count.
        (
            vorbis() + page(b"theora", flags=2, serial=8) + page(b"", granule=1 << 40, serial=8) + LAST,
            [(44100, 2, 1000, 1)],
        ),
        (vorbis() + vorbis(serial=8) + LAST + page(b"", flags=4, granule=77, serial=8), [(44100, 2, 1000, 1)]),
        (page(b"skeleton", flags=2) + page(b""), []),
        (vorbis() + LAST + b"tail", [(44100, 2, 1000, 1)]),
        (vorbis() + AUDIO + page(b"", flags=4), [(44100, 2, 500, 1)]),
        (vorbis() + AUDIO + NIL, [(44100, 2, 500, 1)]),
        # The end of a packet of 255 bytes, which is no empty one.
        (vorbis() + AUDIO + page(b"", flags=5, granule=900), [(44100, 2, 900, 2)]),
    ],
    ids=[
        "Vorbis", "page without an end", "Opus", "FLAC", "chain", "beside others", "two at once", "no audio", "tail",
        "an empty packet ends it", "an empty page ends it", "the rest of a packet ends it",
    ],
)  # fmt: skip
def test_ogg(content: bytes, links: list[tuple[int, int, int, int]]) -> None:
    found = ogg.audio_links(Literally(content))
    assert [(link.rate, link.channels, link.end, link.pages) for link in found] == links
    promise = promised(Literally(content))
    assert promise.demuxer == "ogg"
    assert [part.frames for part in (promise, *promise.behind)] == (
        [end for _, _, end, _ in links] if links else [None]
    )


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (vorbis() + AUDIO, DamagedFileError, "ends too early: its last page is missing"),
        (vorbis(), DamagedFileError, "ends too early: its last page is missing"),
        (vorbis() + AUDIO + LAST[:-1], DamagedFileError, "ends too early: inside a page"),
        (vorbis() + AUDIO + LAST[:20], DamagedFileError, "ends too early: inside a page"),
        (vorbis() + AUDIO + b"Og", DamagedFileError, "ends too early: inside a page"),
        (vorbis() + LAST + LAST[:99], DamagedFileError, "ends too early: inside a page"),
        (vorbis() + LAST + vorbis() + AUDIO, DamagedFileError, "ends too early: its last page is missing"),
        (vorbis() + AUDIO + b"junk" + LAST, DamagedFileError, "holds no page at byte 387"),
        (vorbis() + LAST + b"junk" + vorbis() + LAST, DamagedFileError, "holds no page at byte 387"),
        (vorbis() + LAST + vorbis(48000) + LAST, UnmeasurableError, CHANGES),
        (vorbis() + LAST + vorbis(channels=1) + LAST, UnmeasurableError, CHANGES),
    ],
)
def test_damaged_ogg(content: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"^{message}$"):
        promised(Literally(content))

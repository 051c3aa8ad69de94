"""Rows of frames: how far they go, and where they begin."""

from __future__ import annotations

from audiobatchd.audio import adts, frames
from audiobatchd.audio.window import Literally
from support.frames_by_hand import AAC


def test_walk_counts_across_blocks_and_row_finds_its_start() -> None:
    length = adts.length_like(AAC)
    walk = frames.walk(Literally(AAC * 8000), adts.HEADER_BYTES, length)
    assert walk == frames.Walk(8000, 8000 * 300, 0)
    assert frames.walk(Literally(AAC * 8000 + AAC[:5]), adts.HEADER_BYTES, length) == frames.Walk(8000, 8000 * 300, 2)
    assert frames.walk(Literally(b""), adts.HEADER_BYTES, length) == frames.Walk(0, 0, 0)
    behind = Literally(AAC * 2 + b"junk" + AAC * 2)
    assert frames.row(behind, 0, adts.HEADER_BYTES, adts.length_like) == 0
    assert frames.row(behind, 1, adts.HEADER_BYTES, adts.length_like) == 604
    assert frames.row(behind, 605, adts.HEADER_BYTES, adts.length_like) is None


def test_a_file_that_is_shortened_meanwhile_ends_the_walk() -> None:
    class Shorter(Literally):
        def at(self, offset: int, length: int) -> bytes:
            return super().at(offset, length)[:3]

    assert frames.walk(Shorter(AAC * 2), adts.HEADER_BYTES, adts.length_like(AAC)).count == 0

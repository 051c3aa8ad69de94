"""Headers and rows of ADTS frames, on bytes made by hand."""

from __future__ import annotations

import pytest

from audiobatchd.audio import adts
from audiobatchd.audio.promise import promised
from audiobatchd.audio.window import Literally
from audiobatchd.errors import DamagedFileError
from support.frames_by_hand import AAC, adts_frame, id3v2


@pytest.mark.parametrize(
    ("content", "frames_", "rate"),
    [
        (AAC * 5, 5 * 1024, 44100),
        (b"".join(map(adts_frame, (7, 300, 8191, 20))), 4 * 1024, 44100),
        (adts_frame(300, 11) * 5, 5 * 1024, 8000),
        (AAC * 5 + bytes(3000), 5 * 1024, 44100),
        (bytes(50) + AAC * 5, 5 * 1024, 44100),
        (b"junk" + AAC * 5, 5 * 1024, 44100),
        (AAC * 2 + id3v2(9) + AAC * 3, 5 * 1024, 44100),
        (AAC * 3 + adts_frame(300, 3) * 3, 3 * 1024, 44100),
    ],
    ids=[
        "plain", "lengths", "8 kHz", "zeros behind", "zeros before", "junk before", "tags between", "two streams",
    ],
)  # fmt: skip
def test_adts(content: bytes, frames_: int | None, rate: float) -> None:
    promise = promised(Literally(content))
    assert (promise.demuxer, promise.frames, promise.rate) == ("aac", frames_, rate)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (AAC * 5 + AAC[:299], "ends too early: its last frame lacks 1 bytes"),
        (AAC * 5 + AAC[:4], "ends too early: its last frame lacks 3 bytes"),
        (AAC * 2 + b"junk" + AAC * 3, "holds no frame at byte 600"),
        (AAC + bytes(9) + AAC * 3, "holds no frame at byte 300"),
        (AAC * 5 + b"junk", "holds no frame at byte 1500"),
    ],
)
def test_damaged_adts(content: bytes, message: str) -> None:
    with pytest.raises(DamagedFileError, match=rf"^{message}$"):
        promised(Literally(content))


@pytest.mark.parametrize("frame", [adts_frame(300, 13), adts_frame(300, blocks=1), adts_frame(6), b"\xff\xf1"])
def test_no_adts_header(frame: bytes) -> None:
    assert adts.header_at(Literally(frame), 0) is None

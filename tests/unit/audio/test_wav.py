"""The parser of WAV, on bytes made by hand."""

from __future__ import annotations

import struct

import pytest

from audiobatchd.audio import wav
from audiobatchd.audio.promise import promised
from audiobatchd.audio.window import Literally
from audiobatchd.errors import DamagedFileError
from support.frames_by_hand import TEN


def riff(*chunks: tuple[bytes, bytes, int | None], order: str = "<", start: bytes = b"RIFF") -> bytes:
    """Chunks, each with the size that it claims (None: its own)."""
    body = b""
    for kind, content, claimed in chunks:
        size = len(content) if claimed is None else claimed
        body += kind + struct.pack(f"{order}I", size) + content + bytes(len(content) % 2)
    return start + struct.pack(f"{order}I", 4 + len(body)) + b"WAVE" + body


def form(
    tag: int = 1, rate: int = 8000, frame: int = 2, order: str = "<", more: bytes = b"", bits: int = 16
) -> tuple[bytes, bytes, None]:
    return b"fmt ", struct.pack(f"{order}HHIIHH", tag, 1, rate, rate * frame, frame, bits) + more, None


def ds64(size: int) -> tuple[bytes, bytes, None]:
    """The chunk that tells sizes beyond 4 GiB (EBU Tech 3306): here that of the data chunk."""
    return b"ds64", struct.pack("<QQQI", 0, size, 0, 0), None


CANNOT_BE = "says what cannot be in its format chunk: samples of"
EXTENSIBLE = struct.pack("<HHIH", 22, 16, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")


@pytest.mark.parametrize(
    ("content", "frames_", "rate"),
    [
        (riff(form(), (b"data", TEN, None)), 5, 8000),
        (riff((b"JUNK", b"odd", None), form(), (b"LIST", b"INFO", None), (b"data", TEN, None)), 5, 8000),
        (riff(form(3, 44100, 4, bits=32), (b"data", TEN, None)), 2, 44100),
        (riff(form(0xFFFE, more=EXTENSIBLE), (b"data", TEN, None)), 5, 8000),
        (riff(form(order=">"), (b"data", TEN, None), order=">", start=b"RIFX"), 5, 8000),
        (riff(ds64(8), form(), (b"data", TEN, 0xFFFFFFFF), start=b"RF64"), 4, 8000),
        (riff(form(), (b"data", TEN, 0xFFFFFFFF)), 5, 8000),
        (riff(form(), (b"data", TEN[:6], None), (b"tail", b"", None)), 3, 8000),
        (riff(form(7, frame=1, bits=8), (b"data", TEN, None)), 10, 8000),
        (riff(form(2), (b"data", TEN, None)), None, 0.0),
        (riff((b"data", TEN, None), form()), 5, 8000),
    ],
    ids=[
        "plain", "chunks before", "float", "extensible", "big-endian", "RF64", "streamed", "chunk behind",
        "mu-law", "compressed", "format behind",
    ],
)  # fmt: skip
def test_wav(content: bytes, frames_: int | None, rate: float) -> None:
    promise = promised(Literally(content))
    assert (promise.demuxer, promise.frames, promise.rate) == ("wav", frames_, rate)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (riff(form(), (b"data", TEN, 11)), "ends too early: its data chunk promises 11 bytes and 10 are there"),
        (
            riff(ds64(1 << 33), form(), (b"data", TEN, 0xFFFFFFFF), start=b"RF64"),
            "ends too early: its data chunk promises 8589934592 bytes and 10 are there",
        ),
        (riff(form(), (b"JUNK", TEN, 1 << 30)), "holds no samples: its header ends without a data chunk"),
        (riff(form()), "holds no samples: its header ends without a data chunk"),
        (riff((b"data", TEN, None)), "holds no samples: its header ends without a format chunk"),
        (riff(form(0xFFFE), (b"data", TEN, None)), "holds a format chunk of 16 bytes, which is too short for its tag"),
        (riff((b"fmt ", b"short", None), (b"data", TEN, None)), "holds a format chunk of 5 bytes, which is too short"),
        (riff(form(rate=0), (b"data", TEN, None)), f"{CANNOT_BE} 16 bits in frames of 2 bytes, 1 channels, 0 Hz"),
        (riff(form(frame=0), (b"data", TEN, None)), f"{CANNOT_BE} 16 bits in frames of 0 bytes, 1 channels, 8000 Hz"),
        (riff(form(2, order=">"), order=">", start=b"RIFX"), "holds no samples: its header ends without a data chunk"),
        (
            riff(form(2, order=">"), (b"data", TEN, None), order=">", start=b"RIFX"),
            r"is RIFX \(codec 0x0002\), which is not read",
        ),
    ],
    ids=[
        "cut", "RF64 cut", "a chunk beyond the end", "no data", "no format", "extensible cut off", "format cut off",
        "no rate", "no width", "RIFX, no data", "RIFX, compressed",
    ],
)  # fmt: skip
def test_damaged_wav(content: bytes, message: str) -> None:
    with pytest.raises(DamagedFileError, match=rf"^{message}$"):
        wav.wave_data(Literally(content))

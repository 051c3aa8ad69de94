"""FLAC's STREAMINFO, and the MD5 of its samples."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from audiobatchd.audio import flac
from audiobatchd.audio.promise import promised
from audiobatchd.audio.window import Literally
from support.frames_by_hand import ID3V1, id3v2, stream_info


@pytest.mark.parametrize(
    ("block", "info"),
    [
        (stream_info(), flac.StreamInfo(44100, 2, 16, 1000, b"m" * 16)),
        (stream_info(192_000, 8, 24, (1 << 36) - 1), flac.StreamInfo(192_000, 8, 24, (1 << 36) - 1, b"m" * 16)),
        (stream_info(8000, 1, 32, 0, bytes(16)), flac.StreamInfo(8000, 1, 32, None, None)),
        (stream_info(rate=0), None),
        (stream_info()[:-1], None),
    ],
)
def test_stream_info(block: bytes, info: flac.StreamInfo | None) -> None:
    assert flac.parse_stream_info(block) == info


def test_a_flac_promises_what_stream_info_says() -> None:
    content = b"fLaC\0\0\0\x22" + stream_info() + b"\x81\0\0\4pad!" + b"audio"
    promise = promised(Literally(id3v2(3) + content + ID3V1))
    assert (promise.demuxer, promise.frames, promise.rate) == ("flac", 1000, 44100)
    assert promise.audio.at(0, 999) == content
    assert flac.audio_offset(Literally(content)) == flac.AudioOffset(50, stream_info())
    assert promised(Literally(b"fLaC\x80\0\0\x21" + stream_info()[:-1])).frames is None


@pytest.mark.parametrize("bits", [8, 12, 16, 20, 24, 32])
def test_the_md5_of_pcm(bits: int) -> None:
    """Compute it by its definition: every sample in as many whole bytes as it needs, little-endian, signed."""
    values = np.random.default_rng(bits).integers(-(1 << bits - 1), 1 << bits - 1, 600)
    values[:2] = -(1 << bits - 1), (1 << bits - 1) - 1
    stored = (bits + 7) // 8
    expected = hashlib.md5(usedforsecurity=False)
    for value in values.tolist():
        expected.update(value.to_bytes(stored, "little", signed=True))
    # As decoders give them: left-justified.
    samples = (values << 16 - bits).astype(np.int16) if bits <= 16 else (values << 32 - bits).astype(np.int32)
    digest = flac.PcmDigest(bits)
    digest.add(samples[:200])
    digest.add(samples[200:])
    assert digest.digest() == expected.digest()

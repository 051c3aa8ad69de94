"""FLAC (RFC 9639): where the metadata ends, what STREAMINFO promises, and the MD5 of the decoded samples."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audiobatchd.audio.window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARKER = b"fLaC"
_MOST_BLOCKS = 4096
_STREAM_INFO = 0
_INVALID = 127
_STREAM_INFO_BYTES = 34


@dataclass(frozen=True)
class StreamInfo:
    """Content of STREAMINFO (RFC 9639, 8.2)."""

    rate: int
    """Sample rate in Hz."""
    channels: int
    bits: int
    """Bits of a sample."""
    frames: int | None
    """None where the encoder left it unset."""
    md5: bytes | None
    """Digest of the samples; None where the encoder left it unset."""


@dataclass(frozen=True)
class AudioOffset:
    """Place of the first audio frame."""

    offset: int
    """Byte at which it begins, counted from the stream's marker."""
    stream_info: bytes
    """Bytes of the STREAMINFO block before it."""


def audio_offset(window: Window) -> AudioOffset | None:
    """Follow the metadata blocks of a FLAC stream; None where they are malformed or it is none."""
    if window.at(0, len(MARKER)) != MARKER:
        return None
    offset = len(MARKER)
    stream_info = b""
    for index in range(_MOST_BLOCKS):
        header = window.at(offset, 4)
        if len(header) < 4:
            return None
        kind, length = header[0] & 0x7F, int.from_bytes(header[1:], "big")
        if kind == _INVALID or (kind == _STREAM_INFO) != (index == 0):
            return None
        if kind == _STREAM_INFO:
            stream_info = window.at(offset + 4, length)
            if length != _STREAM_INFO_BYTES or len(stream_info) != length:
                return None
        offset += 4 + length
        if header[0] & 0x80:
            return AudioOffset(offset, stream_info) if offset <= window.size else None
    return None


def parse_stream_info(block: bytes) -> StreamInfo | None:
    """The 34 bytes of a STREAMINFO block, or None where they cannot be one."""
    if len(block) != _STREAM_INFO_BYTES:
        return None
    packed = int.from_bytes(block[10:18], "big")
    rate = packed >> 44
    if not rate:
        return None
    md5 = block[18:34]
    return StreamInfo(
        rate=rate,
        channels=(packed >> 41 & 7) + 1,
        bits=(packed >> 36 & 31) + 1,
        frames=packed & (1 << 36) - 1 or None,
        md5=md5 if any(md5) else None,
    )


class PcmDigest:
    """The MD5 that STREAMINFO holds: over the samples, interleaved, little-endian, in whole bytes, sign-extended."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._md5 = hashlib.md5(usedforsecurity=False)

    def add(self, samples: NDArray[np.int16] | NDArray[np.int32]) -> None:
        """Take in interleaved samples as FFmpeg gives them: left-justified in 16 bits, or in 32 above 16 bits."""
        spare = samples.dtype.itemsize * 8 - self._bits
        stored = (self._bits + 7) // 8
        if spare % 8:
            samples = samples >> spare
            spare = (samples.dtype.itemsize - stored) * 8
            samples = samples << spare
        if not spare:
            self._md5.update(samples.data)
            return
        octets = samples.view("u1").reshape(-1, samples.dtype.itemsize)
        packed = np.empty((len(octets), stored), "u1")
        # Takes a quarter of the time of a slice of all columns, which numpy copies row by row.
        for column in range(stored):
            packed[:, column] = octets[:, spare // 8 + column]
        self._md5.update(packed.data)

    def digest(self) -> bytes:
        """The 16 bytes to compare with STREAMINFO's."""
        return self._md5.digest()

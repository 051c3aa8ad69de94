"""AIFF and AIFF-C (Apple, 1989 and 1991): what its samples are, and a plain AIFF-C of them for the decoder."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from audiobatchd.audio.chunks import MOST_CHUNKS, Chunk, check_alone, chunk_behind, trailing_chunks
from audiobatchd.audio.tags import trailing_tags
from audiobatchd.audio.window import Excerpt, Joined, Literally, Swapped, Window
from audiobatchd.errors import DamagedFileError

_NONE = b"NONE"
_BIG = frozenset({_NONE, b"none", b"twos", b"in24", b"in32"})
_LITTLE = frozenset({b"sowt", b"42ni", b"42n1", b"23ni", b"23n1"})
_WIDTHS = {
    b"in24": 3, b"42ni": 3, b"42n1": 3, b"in32": 4, b"23ni": 4, b"23n1": 4, b"fl32": 4, b"FL32": 4, b"fl64": 8,
    b"FL64": 8, b"raw ": 1, b"alaw": 1, b"ALAW": 1, b"ulaw": 1, b"ULAW": 1,
}  # fmt: skip
"""The bytes of a sample, of kinds that have them in their names; those of the others go by the bits that COMM tells."""

_COMMON = 18
_LONGEST_COMMON = 1 << 10
_LONGEST_LAYOUT = 1 << 12
_SSND_HEADER = 8
_OPEN_BYTES = 0x7E000000
"""A writer that could not go back to count the samples leaves a count of 0, or of more bytes than these."""


@dataclass(frozen=True)
class Sound:
    """Samples of an AIFF, as its COMM chunk counts them."""

    frames: int
    """Sample frames, or packets where AIFF-C compresses."""
    rate: float
    """Rate in Hz."""
    is_pcm: bool
    """False where AIFF-C compresses."""
    plain: Window
    """AIFF-C of nothing but the samples."""
    is_swapped: bool = False
    """True where the bytes of every sample are the other way round in the file."""


@dataclass(frozen=True)
class _Common:
    """Content of the COMM chunk."""

    channels: int
    frames: int
    """Sample frames: one sample of every channel each."""
    bits: int
    """Bits of a sample."""
    rate: bytes
    """Rate in Hz, as a number of 80 bits."""
    kind: bytes
    """AIFF-C's name of the codec."""
    rest: bytes
    """Bytes that follow."""

    @property
    def width(self) -> int:
        """Bytes of a sample: whole ones, in which it is left-justified; 0 where that is not told."""
        return _WIDTHS.get(self.kind, (self.bits + 7) // 8 if self.kind in _BIG | _LITTLE else 0)


def sound(window: Window) -> Sound:
    """Find the samples, wherever COMM stands; those that were written as a stream reach to the end of the file.

    Raises DamagedFileError where there are none, where the file ends before they do, and where COMM cannot be read.
    """
    found: dict[bytes, Chunk] = {}
    end = 12
    for _ in range(MOST_CHUNKS):
        chunk = chunk_behind(window, end, "big")
        if chunk is None:
            break
        if chunk.name == b"FORM" or (chunk.name in {b"COMM", b"SSND"} and chunk.name in found):
            message = f"holds another file behind its own, or {chunk.name.decode()} twice: at byte {chunk.offset - 8}"
            raise DamagedFileError(message)
        if chunk.name == b"SSND":
            chunk = Chunk(chunk.name, chunk.offset, _sound_size(window, chunk))
        found.setdefault(chunk.name, chunk)
        end = chunk.end
    for name in (b"COMM", b"SSND"):
        if name not in found:
            message = f"holds no samples: it has no {name.decode()} chunk"
            raise DamagedFileError(message)
    common = _parse_common(window.at(found[b"COMM"].offset, min(found[b"COMM"].size, _LONGEST_COMMON)), window.at(8, 4))
    place = found[b"SSND"]
    lead = _SSND_HEADER + int.from_bytes(window.at(place.offset, 4), "big")
    layout = found.get(b"CHAN")
    return _sound(
        common,
        Excerpt(window, place.offset + lead, place.end),
        window.size - place.offset - lead,
        window.at(layout.offset, min(layout.size, _LONGEST_LAYOUT)) if layout else b"",
        sized=not _was_streamed(window, place.offset),
    )


def _was_streamed(window: Window, offset: int) -> bool:
    """Tell whether the writer of the SSND chunk with its content at `offset` could not go back to fill in its size.

    FFmpeg leaves 0; SoX something around 0x7F000000, others the largest number.
    """
    size = int.from_bytes(window.at(offset - 4, 4), "big")
    return size < _SSND_HEADER or (
        size > window.size - offset and (size >= 0xFFFFFF00 or size >> 16 in {0x7EFF, 0x7F00})
    )


def _sound_size(window: Window, chunk: Chunk) -> int:
    there = window.size - chunk.offset
    if _was_streamed(window, chunk.offset):
        start = min(chunk.offset + _SSND_HEADER, window.size)
        end = trailing_chunks(Excerpt(window, 0, max(start, trailing_tags(window))), start, "big")
        check_alone(window, start, end)
        return end - chunk.offset
    if chunk.size > there:
        message = f"ends too early: its sound chunk promises {chunk.size} bytes and {there} are there"
        raise DamagedFileError(message)
    return chunk.size


def _parse_common(chunk: bytes, form: bytes) -> _Common:
    if len(chunk) < _COMMON + 4 * (form == b"AIFC"):
        message = f"holds a COMM chunk of {len(chunk)} bytes, which is too short"
        raise DamagedFileError(message)
    channels, frames, bits = struct.unpack(">HIH", chunk[:8])
    compressed = form == b"AIFC"
    kind = chunk[_COMMON : _COMMON + 4] if compressed else _NONE
    return _Common(channels, frames, bits, chunk[8:_COMMON], kind, chunk[_COMMON + 4 :] if compressed else b"\0\0")


def _sound(common: _Common, samples: Window, behind: int, layout: bytes, *, sized: bool) -> Sound:
    """Find the `samples`, given the bytes `behind` their beginning; a size of 32 bits may have overflowed."""
    width, kind, bits, frames = common.width, common.kind, common.bits, common.frames
    is_pcm, is_swapped = kind in _BIG | _LITTLE | set(_WIDTHS), False
    if is_pcm:
        frame = width * common.channels
        if not frame or width > 8 or (width > 4 and kind in _BIG | _LITTLE) or bits > 64:
            message = f"says what cannot be in its COMM chunk: {bits} bits a sample, {common.channels} channels"
            raise DamagedFileError(message)
        there = samples.size // frame
        if sized and frames < there:
            message = f"holds more than it promises: {there} samples instead of {frames}"
            raise DamagedFileError(message)
        if sized and frames > there and frames * frame > behind:
            message = f"ends too early: {there} of the {frames} samples that it promises are there"
            raise DamagedFileError(message)
        if not sized and (not frames or frames > max(there, _OPEN_BYTES // frame)):
            # COMM was left open too.
            frames = there
        samples = Excerpt(samples, 0, frames * frame)
        is_swapped = kind in _LITTLE
        if is_swapped:
            samples = Swapped(samples, width)
        if kind in _BIG | _LITTLE:
            kind, bits = _NONE, width * 8
    chunks = [(b"COMM", struct.pack(">HIH", common.channels, frames, bits) + common.rate + kind + common.rest)]
    if layout:
        chunks.append((b"CHAN", layout))
    head = b"".join(name + struct.pack(">I", len(each)) + each + bytes(len(each) % 2) for name, each in chunks)
    size = _SSND_HEADER + samples.size
    head += b"SSND" + struct.pack(">I8x", size & 0xFFFFFFFF)
    plain = Joined(
        Literally(b"FORM" + struct.pack(">I", 4 + len(head) + samples.size & 0xFFFFFFFF) + b"AIFC" + head), samples
    )
    return Sound(frames, _extended(common.rate), is_pcm, plain, is_swapped)


def _extended(octets: bytes) -> float:
    """An 80-bit extended float (IEEE 754, as the SANE of the Macintosh wrote it); 0.0 beyond what a rate can be."""
    exponent = (int.from_bytes(octets[:2], "big") & 0x7FFF) - 16383 - 63
    mantissa = int.from_bytes(octets[2:10], "big")
    return mantissa * 2.0**exponent if -100 < exponent < 0 else 0.0

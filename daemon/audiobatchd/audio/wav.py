"""WAVE in RIFF, RIFX and RF64 (Microsoft's multimedia specification; EBU Tech 3306): the size of the data chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from audiobatchd.audio.window import Window
from audiobatchd.errors import DamagedFileError

_MOST_CHUNKS = 10_000
_UNKNOWN = 0xFFFFFFFF
_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE


@dataclass(frozen=True)
class WaveFormat:
    """Of the format chunk: the rate in Hz, bytes in a frame of all channels, and whether the frames are PCM."""

    rate: int
    frame_bytes: int
    is_pcm: bool


@dataclass(frozen=True)
class WaveData:
    """Where the samples are, and what they are; `form` is None where no format chunk stood before them."""

    offset: int
    length: int
    form: WaveFormat | None


def wave_data(window: Window) -> WaveData:
    """Find the data chunk. One that was written as a stream, with an unknown size, reaches to the end of the file.

    Raises DamagedFileError where there is none, where the file ends before it does, or where what follows it in the
    RIFF is no chunk: then its size is wrong.
    """
    order: Literal["big", "little"] = "big" if window.at(0, 4) == b"RIFX" else "little"
    offset, long_size, form = 12, _UNKNOWN, None
    for _ in range(_MOST_CHUNKS):
        header = window.at(offset, 8)
        if len(header) < 8:
            break
        kind, size = header[:4], int.from_bytes(header[4:], order)
        offset += 8
        if kind == b"data":
            length = _data_size(window, offset, size, long_size)
            _check_end(window, offset + length, int.from_bytes(window.at(4, 4), order))
            return WaveData(offset, length, form)
        if kind == b"ds64":
            long_size = int.from_bytes(window.at(offset + 8, 8), "little")
        elif kind == b"fmt ":
            form = _parse_format(window.at(offset, min(size, 40)), order)
        offset += size + size % 2
    message = "holds no samples: its header ends without a data chunk"
    raise DamagedFileError(message)


def _data_size(window: Window, offset: int, size: int, long_size: int) -> int:
    there = window.size - offset
    if size == _UNKNOWN and long_size < 1 << 63:
        size = long_size if long_size != _UNKNOWN else size
    if _was_streamed(size, there):
        return there
    if size > there:
        message = f"ends too early: its data chunk promises {size} bytes and {there} are there"
        raise DamagedFileError(message)
    return size


def _check_end(window: Window, end: int, riff: int) -> None:
    """Raise DamagedFileError where other things than chunks lie between the `end` of the data and that of the RIFF.

    Zeros do not count, nor what is behind a RIFF of the size `riff`. Not all writers pad odd sizes.
    """
    rest = window.at(end, 9)
    if _was_streamed(riff, window.size) or end + len(rest) > riff + 8 or len(rest) < 9 or not any(rest):
        return
    if not any(_is_chunk_name(rest[start : start + 4]) for start in (end % 2, 0)):
        message = f"holds no chunk at byte {end}, behind its data chunk"
        raise DamagedFileError(message)


def _is_chunk_name(name: bytes) -> bool:
    return name.isascii() and name.decode("ascii").isprintable()


def _was_streamed(size: int, there: int) -> bool:
    """Whether the writer could not go back to fill in the size.

    FFmpeg leaves 0xFFFFFFFF, others that less the headers, or 0; SoX counts down from 0x7FFFF000.
    """
    return size == 0 or (size > there and (0xFFFFFF00 <= size <= _UNKNOWN or 0x7FFFF000 <= size <= 0x7FFFFFFF))


def _parse_format(chunk: bytes, order: Literal["big", "little"]) -> WaveFormat | None:
    if len(chunk) < 16:
        return None

    def number(start: int, end: int) -> int:
        return int.from_bytes(chunk[start:end], order)

    tag = number(0, 2)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = number(24, 26)
    rate, frame_bytes = number(4, 8), number(12, 14)
    return WaveFormat(rate, frame_bytes, is_pcm=tag in {_PCM, _FLOAT, _ALAW, _MULAW} and rate > 0 and frame_bytes > 0)

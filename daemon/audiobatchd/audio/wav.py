"""WAVE in RIFF, RIFX, RF64 and BW64 (Microsoft's multimedia specification; EBU Tech 3306): what its samples are.

Owns where the data chunk really begins and ends, how wide a sample is, and the plain WAV that a decoder is handed
instead of the file: one format chunk and the samples, so that it has no size, chunk or order of bytes to judge.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from audiobatchd.audio.chunks import (
    FILES,
    MOST_CHUNKS,
    Chunk,
    Order,
    check_alone,
    chunk_behind,
    lead_to_end,
    trailing_chunks,
)
from audiobatchd.audio.tags import trailing_tags
from audiobatchd.audio.window import FAR, Excerpt, Joined, Literally, Swapped, Window, only_zeros
from audiobatchd.errors import DamagedFileError

_UNKNOWN = 0xFFFFFFFF
_WRAP = 1 << 32
"""Amount by which a size of 32 bits is too small where its writer let it overflow."""

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
MPEG_AUDIO = frozenset({0x50, 0x55})
"""The tags of MPEG audio, layers I and II, and III."""

_FORMAT = 16
_EXTENSIBLE_FORMAT = 40
_LONGEST_FORMAT = 1 << 16
_GUID = bytes.fromhex("000000001000800000aa00389b71")
_PROBED = 1 << 12

_KNOWN = frozenset(
    (
        b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"axml", b"chna", b"cart", b"cue ", b"fact", b"smpl", b"inst",
        b"plst", b"acid", b"PEAK", b"JUNK", b"junk", b"PAD ", b"FLLR", b"umid", b"_PMX",
    )
)  # fmt: skip
"""The names of chunks that follow the samples of healthy files, even of one that ends inside such a chunk."""


@dataclass(frozen=True)
class WaveFormat:
    """Content of the format chunk."""

    tag: int
    """Number of the codec."""
    rate: int
    """Rate in Hz."""
    frame_bytes: int
    """Bytes of one sample of every channel."""
    is_pcm: bool
    """True where a frame is one sample of every channel."""
    chunk: bytes
    """Format chunk's content that a decoder reads right."""
    swapped: int
    """Width in bytes of samples with the most significant byte first; 1 where no order has to be turned."""


@dataclass(frozen=True)
class WaveData:
    """The bytes of the samples, and what they are."""

    samples: Window
    """Bytes of the samples."""
    form: WaveFormat
    """Form in which they are written."""

    @property
    def plain(self) -> Window:
        """A WAV with nothing but these samples, of unknown size: they end where it ends."""
        chunk, width = self.form.chunk, self.form.swapped
        sizes = struct.Struct("<4sI")
        head = sizes.pack(b"RIFF", _UNKNOWN) + b"WAVE" + sizes.pack(b"fmt ", len(chunk)) + chunk
        return Joined(
            Literally(head + sizes.pack(b"data", _UNKNOWN)),
            self.samples if width == 1 else Swapped(self.samples, width),
        )


def wave_data(window: Window) -> WaveData:
    """Find the samples. Those that were written as a stream, with no size, reach to the chunks at the end of the file.

    Raises DamagedFileError where there are none, where the file ends before they do, where its sizes contradict each
    other or what stands there, and where the format is one that says two things or that is not read.
    """
    order: Order = "big" if window.at(0, 4) == b"RIFX" else "little"
    found: dict[bytes, Chunk] = {}
    riff, long_size, end = int.from_bytes(window.at(4, 4), order), None, 12
    for _ in range(MOST_CHUNKS):
        chunk = chunk_behind(window, end, order)
        if chunk is None:
            break
        if chunk.name in FILES or (chunk.name in {b"data", b"fmt "} and chunk.name in found):
            name = chunk.name.decode().strip()
            message = f"holds another file behind its own, or {name} twice: at byte {chunk.offset - 8}"
            raise DamagedFileError(message)
        found.setdefault(chunk.name, chunk)
        end = chunk.end
        if chunk.name == b"ds64" and chunk.size >= 16:
            riff, long_size = struct.unpack("<QQ", window.at(chunk.offset, 16).ljust(16, b"\0"))
        elif chunk.name == b"data":
            found[chunk.name] = chunk = Chunk(b"data", chunk.offset, _data_size(window, chunk, riff, long_size, order))
            end = chunk.end
    data, form = found.get(b"data"), found.get(b"fmt ")
    if data is None or form is None:
        missing = "data" if data is None else "format"
        message = f"holds no samples: its header ends without a {missing} chunk"
        raise DamagedFileError(message)
    samples = Excerpt(window, data.offset, data.end)
    parsed = _parse_format(window.at(form.offset, min(form.size, _LONGEST_FORMAT)), order)
    if parsed.is_pcm:
        _check_content(samples.at(0, 12))
        samples = Excerpt(samples, 0, samples.size - samples.size % parsed.frame_bytes)
    return WaveData(samples, parsed)


def _data_size(window: Window, chunk: Chunk, riff: int, long_size: int | None, order: Order) -> int:
    """Return how many bytes of samples there are in truth."""
    there, size = window.size - chunk.offset, chunk.size
    if long_size is not None and size == _UNKNOWN:
        size = long_size
    elif long_size not in {None, 0, _UNKNOWN, size}:
        message = f"says two sizes of its samples: {size} bytes in its data chunk, {long_size} in its ds64 chunk"
        raise DamagedFileError(message)
    if _was_streamed(size) and not (0 < size <= there and lead_to_end(window, chunk.offset + size, order)):
        return _streamed_size(window, chunk.offset, order)
    if size > there:
        message = f"ends too early: its data chunk promises {size} bytes and {there} are there"
        raise DamagedFileError(message)
    _check_end(window, chunk.offset + size, riff, order)
    return size


def _streamed_size(window: Window, start: int, order: Order) -> int:
    """Size of samples that reach to the end, but for chunks and tags that another program put there."""
    end = trailing_chunks(Excerpt(window, 0, max(start, trailing_tags(window))), start, order)
    check_alone(window, start, end)
    return end - start


def _check_end(window: Window, end: int, riff: int, order: Order) -> None:
    """Raise DamagedFileError where samples go on behind the `end` of the data: then its size is wrong.

    They do where a size overflowed its 32 bits, and where something else than chunks and zeros follows inside the RIFF
    of the size `riff`. What is behind the RIFF is left alone, unless it is as much as an overflow leaves out.
    """
    behind = window.size - end
    if behind >= _WRAP and (
        not only_zeros(window, end, end + _PROBED) or lead_to_end(window, end + behind // _WRAP * _WRAP, order)
    ):
        message = (
            f"says sizes that overflowed: {behind} bytes follow its data chunk, and 4 GiB are the most a WAV can say"
        )
        raise DamagedFileError(message)
    if behind < 9 or end + 9 > riff + 8 or (_was_streamed(riff) and riff > window.size):
        return
    chunk = chunk_behind(window, end, order)
    known = chunk is not None and chunk.name in _KNOWN
    # Four characters by themselves are no proof: one of 25 places among samples looks like a name.
    if not known and not only_zeros(window, end, min(riff + 8, end + FAR)) and not lead_to_end(window, end, order):
        message = f"holds no chunk at byte {end}, behind its data chunk"
        raise DamagedFileError(message)


def _was_streamed(size: int) -> bool:
    """Tell whether the writer could not go back to fill in the size.

    FFmpeg leaves 0xFFFFFFFF, others that less the headers, or 0; SoX counts down from 0x7FFFF000.
    """
    return size == 0 or 0xFFFFFF00 <= size <= _UNKNOWN or 0x7FFFF000 <= size <= 0x7FFFFFFF


def _check_content(head: bytes) -> None:
    """Raise DamagedFileError where the samples are a file in themselves: a decoder would play its header."""
    if (head[:4] in FILES and head[8:12] == b"WAVE") or head[:4] in {b"fLaC", b"OggS"}:
        message = f"holds another file where its samples should be: {head[:4].decode('ascii')}"
        raise DamagedFileError(message)


# The format


def _parse_format(chunk: bytes, order: Order) -> WaveFormat:
    if len(chunk) < _FORMAT:
        message = f"holds a format chunk of {len(chunk)} bytes, which is too short"
        raise DamagedFileError(message)
    mark = ">" if order == "big" else "<"
    tag, channels, rate, _, frame, bits = struct.unpack(f"{mark}HHIIHH", chunk[:_FORMAT])
    extended = tag == _EXTENSIBLE
    if extended:
        if len(chunk) < _EXTENSIBLE_FORMAT:
            message = f"holds a format chunk of {len(chunk)} bytes, which is too short for its tag"
            raise DamagedFileError(message)
        tag = int.from_bytes(chunk[24:28], order)
        # SoX writes two of the four bytes in the order of the file.
        tag = tag >> 16 if tag > 0xFFFF else tag
    is_pcm = tag in {_PCM, _FLOAT, _ALAW, _MULAW}
    if is_pcm:
        _check_width(tag, channels, frame, bits, rate)
        bits = frame // channels * 8
    elif order == "big":
        message = f"is RIFX (codec 0x{tag:04x}), which is not read"
        raise DamagedFileError(message)
    else:
        return WaveFormat(tag, rate, frame, is_pcm=False, chunk=chunk, swapped=1)
    head = struct.pack(
        "<HHIIHH", _EXTENSIBLE if extended else tag, channels, rate, rate * frame & _UNKNOWN, frame, bits
    )
    if extended:
        # As wide as its container: samples are left-justified, so that it does not matter how many bits are valid.
        mask = int.from_bytes(chunk[20:24], order)
        guid = struct.pack("<H", tag) + _GUID if order == "big" else chunk[24:_EXTENSIBLE_FORMAT]
        head += struct.pack("<HHI", 22, bits, mask) + guid
    elif order == "little":
        head += chunk[_FORMAT:]
    return WaveFormat(tag, rate, frame, is_pcm=True, chunk=head, swapped=bits // 8 if order == "big" else 1)


def _check_width(tag: int, channels: int, frame: int, bits: int, rate: int) -> None:
    """Raise DamagedFileError where the numbers of the format chunk contradict each other, or make no samples.

    Samples fill whole bytes, left-justified. Of integers in slots wider than they need some writers mean floats.
    """
    width = (bits + 7) // 8
    widths = {_PCM: {1, 2, 3, 4, 8}, _FLOAT: {4, 8}}.get(tag, {1})
    if rate and channels and width in widths and channels * width < frame <= channels * 8 and not frame % channels:
        message = (
            f"holds samples of {bits} bits in slots of {frame // channels * 8} without saying where they lie in them: "
            "integers or floats, and only WAVE_FORMAT_EXTENSIBLE tells"
        )
        raise DamagedFileError(message)
    if not rate or not channels or width not in widths or frame != channels * width:
        message = (
            f"says what cannot be in its format chunk: samples of {bits} bits in frames of {frame} bytes, "
            f"{channels} channels, {rate} Hz"
        )
        raise DamagedFileError(message)

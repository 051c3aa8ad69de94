"""Makes RIFF and FORM files byte by byte: what no program at hand writes, and what is wrong in one place."""

from __future__ import annotations

import struct

PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
"""The subformat of WAVE_FORMAT_EXTENSIBLE that stands for PCM."""


def form(
    tag: int = 1, bits: int = 16, slot: int | None = None, *, rate: int = 44100, order: str = "<", channels: int = 2,
    more: bytes = b"",
) -> bytes:  # fmt: skip
    """The content of a format chunk: `bits` a sample in slots of `slot` bytes (None: no wider than they need)."""
    frame = channels * ((bits + 7) // 8 if slot is None else slot) & 0xFFFF
    return struct.pack(f"{order}HHIIHH", tag, channels, rate, rate * frame & 0xFFFFFFFF, frame, bits) + more


def extensible(bits: int, valid: int, *, rate: int = 44100, order: str = "<", guid: bytes = PCM_GUID) -> bytes:
    """The same for samples in stereo of which `valid` bits are said to count."""
    return form(0xFFFE, bits, rate=rate, order=order, more=struct.pack(f"{order}HHI", 22, valid, 3) + guid)


def chunk(name: bytes, content: bytes, size: int | None = None, order: str = "<", *, pad: bool = True) -> bytes:
    """A chunk that claims `size` bytes (None: as many as it has)."""
    head = name + struct.pack(f"{order}I", len(content) if size is None else size)
    return head + content + bytes(pad and len(content) % 2)


def riff(*chunks: bytes, size: int | None = None, start: bytes = b"RIFF", order: str = "<") -> bytes:
    """A WAV of these chunks that claims `size` bytes."""
    body = b"WAVE" + b"".join(chunks)
    return start + struct.pack(f"{order}I", len(body) if size is None else size) + body


def wave(data: bytes, shape: bytes | None = None, size: int | None = None, behind: bytes = b"") -> bytes:
    """A WAV of the format `shape` (None: 16 bits in stereo at 44.1 kHz) in which the data chunk claims `size` bytes."""
    return riff(chunk(b"fmt ", form() if shape is None else shape), chunk(b"data", data, size), behind)


def rifx(data: bytes, shape: bytes) -> bytes:
    """A WAV of the format `shape` with the most significant bytes first."""
    return riff(chunk(b"fmt ", shape, order=">"), chunk(b"data", data, order=">"), start=b"RIFX", order=">")


def aifc(
    data: bytes, bits: int = 16, kind: bytes = b"NONE", *, frames: int | None = None, size: int | None = None,
    rate: int = 44100,
) -> bytes:  # fmt: skip
    """An AIFF-C of two channels that counts `frames`, and has a sound chunk that claims `size` bytes."""
    count = len(data) // (2 * ((bits + 7) // 8)) if frames is None else frames
    extended = struct.pack(">HQ", 16383 + rate.bit_length() - 1, rate << 64 - rate.bit_length())
    common = struct.pack(">HIH", 2, count, bits) + extended + kind + b"\0\0"
    body = b"AIFC" + chunk(b"COMM", common, order=">") + chunk(b"SSND", bytes(8) + data, size, ">")
    return b"FORM" + struct.pack(">I", len(body)) + body

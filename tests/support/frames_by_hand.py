"""Frames and other bytes of audio files, made by hand."""

from __future__ import annotations

import struct


def id3v2(size: int, flags: int = 0, *, footer: bool = False) -> bytes:
    header = bytes([4, 0, flags, *(size >> shift & 0x7F for shift in (21, 14, 7, 0))])
    return b"ID3" + header + bytes(size) + (b"3DI" + header if footer else b"")


def ape(size: int, flags: int = 0) -> bytes:
    return struct.pack("<8sIIII8x", b"APETAGEX", 2000, size + 32, 1, flags)


ID3V1 = b"TAG".ljust(128, b"x")
LYRICS = b"LYRICSBEGIN" + b"x" * 20 + b"000031LYRICS200"


TEN = b"0123456789"


def adts_frame(length: int, rate: int = 4, blocks: int = 0) -> bytes:
    """MPEG-4 AAC LC in stereo, without a checksum; 4 stands for 44.1 kHz."""
    header = bytes(
        [0xFF, 0xF1, 1 << 6 | rate << 2, 2 << 6 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F]
    )
    return (header + bytes([0xFC | blocks])).ljust(length, b"\0")


AAC = adts_frame(300)


def stream_info(
    rate: int = 44100, channels: int = 2, bits: int = 16, count: int = 1000, md5: bytes = b"m" * 16
) -> bytes:
    packed = rate << 44 | channels - 1 << 41 | bits - 1 << 36 | count
    return struct.pack(">HH6x", 4608, 4608) + packed.to_bytes(8, "big") + md5


def page(packet: bytes, *, flags: int = 0, granule: int = 0, serial: int = 7) -> bytes:
    """A page of one packet; its checksum is not checked here."""
    segments = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    return struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, serial, 0, 0, len(segments)) + segments + packet


def opus(skip: int = 312, channels: int = 2) -> bytes:
    return page(b"OpusHead" + struct.pack("<BBHIHB", 1, channels, skip, 44100, 0, 0), flags=2)

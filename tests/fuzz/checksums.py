"""Ogg's pages (RFC 3533, 6), and their checksums made right."""

from __future__ import annotations

from functools import cache

MARKER = b"OggS"
_OGG_HEADER = 27


def pages(content: bytes) -> list[int]:
    """List where the pages of a healthy file begin, and where the last one ends."""
    offsets = [0]
    while offsets[-1] < len(content):
        body = offsets[-1] + _OGG_HEADER + content[offsets[-1] + 26]
        offsets.append(body + sum(content[offsets[-1] + _OGG_HEADER : body]))
    return offsets


def sealed(content: bytes) -> bytes:
    """The same Ogg file with right checksums in all its pages: what is wrong inside gets to the decoder."""
    changed = bytearray(content)
    offset = 0
    while changed[offset : offset + 4] == MARKER and offset + _OGG_HEADER <= len(changed):
        body = offset + _OGG_HEADER + changed[offset + 26]
        end = body + sum(changed[offset + _OGG_HEADER : body])
        changed[offset + 22 : offset + 26] = bytes(4)
        changed[offset + 22 : offset + 26] = _checksum(bytes(changed[offset:end])).to_bytes(4, "little")
        offset = end
    return bytes(changed)


def _checksum(page: bytes) -> int:
    """CRC-32 by the polynomial 0x04c11db7, most significant bit first (RFC 3533, 6)."""
    table, checksum = _table(), 0
    for octet in page:
        checksum = (checksum << 8 & 0xFFFFFFFF) ^ table[checksum >> 24 ^ octet]
    return checksum


@cache
def _table() -> tuple[int, ...]:
    rows = []
    for row in range(256):
        value = row << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
        rows.append(value)
    return tuple(rows)

"""A disk with a volatile write cache, served to the guest by NBD.

What the guest has not flushed is lost when the power goes, or kept: block by block, in any order, as chance has it. A
plain image file would lose nothing of it: what a killed qemu wrote is still in this machine's page cache.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

BLOCK = 4096
"""Bytes that are written whole or not at all: the physical sector of today's disks."""

_GREETING = struct.pack(">8s8sH", b"NBDMAGIC", b"IHAVEOPT", 1 | 2)  # fixed newstyle, no zeroes
_OPTION, _OPTION_REPLY = struct.Struct(">8sII"), struct.Struct(">QIII")
_REQUEST, _REPLY = struct.Struct(">IHHQQI"), struct.Struct(">IIQ")
_OPTION_REPLY_MAGIC, _REPLY_MAGIC = 0x3E889045565A9, 0x67446698
_ABORT, _GO = 2, 7
_ACK, _INFO, _UNSUPPORTED = 1, 3, 1 << 31 | 1
_EXPORT_FLAGS = 1 | 4 | 8  # the flags count; it can flush; it can write through
_READ, _WRITE, _DISCONNECT, _FLUSH = range(4)
_WRITE_THROUGH = 1


@dataclass
class Counts:
    """Counters of the cache over all power cuts: blocks that were pending at a cut, and those of them lost."""

    flushes: int = 0
    pending: int = 0
    lost: int = 0


@dataclass
class Disk:
    """The disk whose platter is the file `image`. A `lying` one says that it has flushed, and has not."""

    image: Path
    listener: socket.socket
    lying: bool = False
    counts: Counts = field(default_factory=Counts)
    _cache: dict[int, list[bytes]] = field(default_factory=dict)
    _platter: int = -1
    _thread: threading.Thread | None = None

    def switch_on(self) -> None:
        """Serve the next client that connects."""
        self._platter = os.open(self.image, os.O_RDWR | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def power_cut(self, dice: random.Random) -> None:
        """Lose what was not flushed, except for what chance keeps, when the client has been killed."""
        assert self._thread is not None
        self._thread.join(30)
        assert not self._thread.is_alive(), "the disk's client is still there"
        kept = dice.choice([0.0, dice.random(), 1.0])
        for block, versions in self._cache.items():
            self.counts.pending += 1
            if dice.random() < kept:
                # Not always the last version: a cache may have written an earlier one and lost the later.
                os.pwrite(self._platter, dice.choice(versions), block * BLOCK)
            else:
                self.counts.lost += 1
        self._cache.clear()
        os.close(self._platter)

    def _serve(self) -> None:
        client, _ = self.listener.accept()
        with client, cast("BinaryIO", client.makefile("rwb")) as stream:
            try:
                if self._agree(stream):
                    while self._answer(stream):
                        stream.flush()
            except (EOFError, ConnectionError):
                return

    def _agree(self, stream: BinaryIO) -> bool:
        """The handshake; False where the client went away."""
        stream.write(_GREETING)
        stream.flush()
        _exactly(stream, 4)
        while True:
            _, option, length = _OPTION.unpack(_exactly(stream, _OPTION.size))
            _exactly(stream, length)
            if option == _GO:
                export = struct.pack(">HQH", 0, os.fstat(self._platter).st_size, _EXPORT_FLAGS)
                stream.write(_OPTION_REPLY.pack(_OPTION_REPLY_MAGIC, option, _INFO, len(export)) + export)
            kind = _ACK if option in (_GO, _ABORT) else _UNSUPPORTED
            stream.write(_OPTION_REPLY.pack(_OPTION_REPLY_MAGIC, option, kind, 0))
            stream.flush()
            if option in (_GO, _ABORT):
                return bool(option == _GO)

    def _answer(self, stream: BinaryIO) -> bool:
        """Answer one request; False where the client says goodbye."""
        _, flags, kind, handle, offset, length = _REQUEST.unpack(_exactly(stream, _REQUEST.size))
        content = b""
        if kind == _READ:
            content = self._read(offset, length)
        elif kind == _WRITE:
            self._write(offset, _exactly(stream, length))
            if flags & _WRITE_THROUGH:
                self._flush(range(offset // BLOCK, -(-(offset + length) // BLOCK)))
        elif kind == _FLUSH:
            self.counts.flushes += 1
            self._flush(list(self._cache))
        stream.write(_REPLY.pack(_REPLY_MAGIC, 0, handle) + content)
        return bool(kind != _DISCONNECT)

    def _read(self, offset: int, length: int) -> bytes:
        content = bytearray(os.pread(self._platter, length, offset))
        for block, start, end in _blocks(offset, length):
            if block in self._cache:
                at = block * BLOCK + start - offset
                content[at : at + end - start] = self._cache[block][-1][start:end]
        return bytes(content)

    def _write(self, offset: int, content: bytes) -> None:
        for block, start, end in _blocks(offset, len(content)):
            whole = bytearray(self._read(block * BLOCK, BLOCK))
            at = block * BLOCK + start - offset
            whole[start:end] = content[at : at + end - start]
            self._cache.setdefault(block, []).append(bytes(whole))

    def _flush(self, blocks: list[int] | range) -> None:
        if self.lying:
            return
        for block in blocks:
            os.pwrite(self._platter, self._cache.pop(block)[-1], block * BLOCK)


def _blocks(offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """The blocks that a stretch touches: number, and where in the block it starts and ends."""
    for block in range(offset // BLOCK, -(-(offset + length) // BLOCK)):
        base = block * BLOCK
        yield block, max(offset, base) - base, min(offset + length, base + BLOCK) - base


def _exactly(stream: BinaryIO, length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content

"""The life of the process that makes pictures: one order at a time until the socket ends, behind all other work."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from typing import Protocol

import msgspec
import psutil

from audiobatchd.audio.decode import Receiver, decode_into
from audiobatchd.audio.source import SourceFile
from audiobatchd.disk import interrupts
from audiobatchd.errors import DamagedFileError, UnmeasurableError
from audiobatchd.vocabulary.names import printable
from audiobatchd.worker.orders import ORDER_LIMIT, RESULT_LIMIT, Kind, Made, Order, Working
from audiobatchd.worker.process.media.loudness import LoudnessReceiver
from audiobatchd.worker.process.media.spectrogram import SpectrogramReceiver
from audiobatchd.worker.process.media.waveform import WaveformReceiver

_LOG = logging.getLogger(__name__)
_MEMORY = 1 << 30
"""Bytes of its own that this process may have: beyond them it is given none, which damages no other."""
_NICEST = 19
_DESCRIPTORS = 2
"""Descriptors that come with an order: the source file, and the file for the result."""
_TELLING = 0.5
"""Seconds between two signs of progress."""


class Picture(Receiver, Protocol):
    """Takes a file while it is decoded, and makes the result of it."""

    def finish(self) -> bytes:
        """Make the result, of a file that was found to be whole. Raises UnmeasurableError where there is none."""


_PICTURES: dict[Kind, Callable[[], Picture]] = {
    Kind.WAVEFORM: WaveformReceiver,
    Kind.SPECTROGRAM: SpectrogramReceiver,
    Kind.LOUDNESS: LoudnessReceiver,
}


def main() -> None:
    """Work until the socket ends; its descriptor and the service's PID are the arguments."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    interrupts.die_with(parent)
    interrupts.stand()
    _step_back()
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    with socket.socket(fileno=descriptor) as channel:
        serve(channel)


def serve(channel: socket.socket) -> None:
    """Carry out orders until the other end closes."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who asked has gone
        _send(channel, Working())
        while True:
            packet, descriptors, _, _ = socket.recv_fds(channel, ORDER_LIMIT, _DESCRIPTORS)
            if not packet:
                return
            source, result = descriptors
            try:
                made = _made(msgspec.json.decode(packet, type=Order), source, result, channel)
            finally:
                os.close(result)
            _send(channel, made)


def _made(order: Order, descriptor: int, result: int, channel: socket.socket) -> Made:
    """Carry out one order. What the file or its decoder brings about is the answer."""
    try:
        with SourceFile(-1, order.name, descriptor, _Signs(channel)) as source:
            picture = _PICTURES[order.kind]()
            decode_into(source, order.max_duration, picture)
            content = picture.finish()
    except (DamagedFileError, UnmeasurableError) as error:
        return Made(str(error))
    except OSError as error:
        return Made(f"cannot be read: {error.strerror}", lasting=False)
    except MemoryError:
        return Made("takes more memory than there is for pictures")
    except Exception as error:  # noqa: BLE001  # logged, and answered: one file must not end the process for others
        _LOG.exception("order %s", order.kind)
        return Made(f"cannot be drawn: {printable(f'{type(error).__name__}: {error}')[:200]}")
    if len(content) > RESULT_LIMIT:
        return Made("makes too large a picture")
    view = memoryview(content)
    while view:
        view = view[os.write(result, view) :]
    return Made()


class _Signs:
    """Tells, now and then, that work goes on: called often."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._last = time.monotonic()

    def __call__(self) -> None:
        if (now := time.monotonic()) - self._last >= _TELLING:
            self._last = now
            _send(self._channel, Working())


def _send(channel: socket.socket, message: Working | Made) -> None:
    channel.send(msgspec.json.encode(message))


def _step_back() -> None:
    """Give way to all other work, as far as a sandbox lets it, and take no more memory than there is for pictures."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICEST)
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

"""A command that is told: without a shell, in a process group of its own that ends at the timeout, or with the command.

What it writes is read, so that it never waits for that, and thrown away but for the last words. Nothing here blocks.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from audiobatchd.disk import inquiry
from audiobatchd.hooks import starter
from audiobatchd.hooks.message import environment
from audiobatchd.vocabulary.names import printable

_PIECE, _BETWEEN_PIECES = 1 << 16, 0.02
"""Bytes that are read at once, and seconds between two such: what writes without end takes 0.3 % of a core here."""
_UNTIL_DEAD = 5.0
"""Seconds for which the end of a process is waited for that was killed."""
_WORDS = 300
"""Bytes of the last words."""


async def run(command: Sequence[str], body: bytes, timeout: float) -> str:  # noqa: ASYNC109  # what is late is killed
    """Run a command with `body` as its standard input; why it failed, empty where it did not."""
    try:
        process, output = _started(command, body)
    except (OSError, ValueError) as error:
        return f"cannot start a process: {getattr(error, 'strerror', None) or error}"
    words = _Words(output)
    try:
        async with asyncio.timeout(timeout):
            await _end_of(process.pid)
    except TimeoutError:
        return f"it took more than {timeout:g} s and was ended{words.told()}"
    except OSError as error:
        return f"cannot wait for a process: {error.strerror}"
    finally:
        # Not waited for by anything yet, so the number is still its own.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            code = await _code_of(process)
        finally:
            words.end()
    if code == 0:
        return ""
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return f"{how}{words.told()}"


async def _code_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process that was killed; what hangs in the kernel, over a disk, is left to it."""
    try:
        async with asyncio.timeout(_UNTIL_DEAD):
            await _end_of(process.pid)
    except OSError:  # TimeoutError too
        inquiry.let_go(process)
        return -signal.SIGKILL
    return process.wait()


def _started(command: Sequence[str], body: bytes) -> tuple[subprocess.Popen[bytes], int]:
    """Start the process; our end of the pipe that it writes to. Raises OSError where the machine cannot."""
    # A file in memory: a command that does not read, or closes it, is nothing to be dealt with.
    with open(os.memfd_create("hook", os.MFD_CLOEXEC), "w+b", buffering=0) as file:
        file.write(body)
        file.seek(0)
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(
                starter.command(*command),
                stdin=file,
                stdout=writing,
                stderr=writing,
                cwd="/",
                env=environment(body, os.environb),
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
    os.set_blocking(reading, False)
    return process, reading


async def _end_of(pid: int) -> None:
    """Wait for the end of a process, which stays to be waited for."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


class _Words:
    """The last words of a command, out of the pipe `output`, which is closed at the `end`."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._last = b""
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_reader(output, self._hear)

    def told(self) -> str:
        """Give the last line, fit to follow what has happened."""
        with suppress(OSError):
            self._take()
        lines = self._last.decode(errors="backslashreplace").strip().splitlines()
        return f" ({printable(lines[-1][:_WORDS])})" if lines else ""

    def end(self) -> None:
        """Read nothing more."""
        with suppress(OSError):
            self._take()
        self._loop.remove_reader(self._output)
        if self._pause is not None:
            self._pause.cancel()
        os.close(self._output)
        self._output = -1

    def _hear(self) -> None:
        self._loop.remove_reader(self._output)
        with suppress(OSError):
            if self._take():
                self._pause = self._loop.call_later(_BETWEEN_PIECES, self._loop.add_reader, self._output, self._hear)

    def _take(self) -> bool:
        """Read once, as far as there is something; False at the end."""
        if self._output < 0:
            return False
        piece = os.read(self._output, _PIECE)
        self._last = (self._last + piece)[-_WORDS:]
        return bool(piece)

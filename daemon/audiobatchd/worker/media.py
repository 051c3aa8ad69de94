"""The process that makes pictures of audio, from outside: started when asked for, ended when idle, hanging, or broken.

Everything is called in the event loop, in the main thread: the parent-death signal fires when the thread that has
started a process ends. Neither a decoder nor numpy is loaded here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque

import msgspec

from audiobatchd.disk import interrupts
from audiobatchd.errors import AudiobatchError
from audiobatchd.vocabulary.names import printable
from audiobatchd.worker.orders import ORDER_LIMIT, RESULT_LIMIT, Made, Order, Working
from audiobatchd.worker.pool import THREAD_CAPS, how_it_ended, offer_to_the_oom_killer

STANDSTILL = 120.0
"""Seconds without a sign of progress after which the process counts as hanging: behind all other work it may wait."""
LONGEST = 900.0
"""Seconds that one picture may take in all."""
IDLE = 60.0
"""Seconds without an order after which the process is ended."""
_LAST_WORDS = 2000
"""Bytes of what it wrote last that are looked at."""
_decode = msgspec.json.Decoder(Working | Made).decode


class PictureError(AudiobatchError):
    """There is no picture of a file; the text says why."""

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting
        """True where that is so as long as the file stays as it is."""


class PictureMaker:
    """At most one process, for one order at a time: `make` is not called before the last call of it has ended."""

    def __init__(self, standstill: float = STANDSTILL, longest: float = LONGEST, idle: float = IDLE) -> None:
        self._standstill, self._longest, self._idle = standstill, longest, idle
        self._process: _Process | None = None
        self._end: asyncio.TimerHandle | None = None
        """Ends the process when it has been idle for long enough."""

    @property
    def pid(self) -> int | None:
        """PID of the process; None where none runs."""
        return self._process.popen.pid if self._process else None

    async def make(self, order: Order, source: int) -> bytes:
        """Make a picture of the file that is open as `source`, which the caller closes. Raises PictureError."""
        if self._end is not None:
            self._end.cancel()
        try:
            result = os.memfd_create("picture", os.MFD_CLOEXEC)
        except OSError as error:
            raise _cannot(error) from error
        try:
            made = await self._ask(order, source, result)
            if made.failure:
                raise PictureError(made.failure, lasting=made.lasting)
            content = os.pread(result, RESULT_LIMIT + 1, 0)
            if len(content) > RESULT_LIMIT:
                raise PictureError("makes too large a picture", lasting=True)
            return content
        finally:
            os.close(result)

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._end is not None:
            self._end.cancel()
        process, self._process = self._process, None
        if process is not None:
            process.end()

    async def _ask(self, order: Order, source: int, result: int) -> Made:
        deadline = time.monotonic() + self._longest
        try:
            if self._process is None or self._process.has_ended:
                self.close()
                self._process = _Process()
                await self._hear(self._process, deadline)
            process = self._process
            socket.send_fds(process.channel, [msgspec.json.encode(order)], [source, result])
            while isinstance(told := await self._hear(process, deadline), Working):
                pass
        except BaseException as error:  # cancelled as well: what it still says answers no later order
            has_ended = isinstance(error, _EndedError | ConnectionError)
            words = self._process.last_words() if self._process and has_ended else ""
            self.close()
            if has_ended:
                message = f"cannot be drawn: the process that makes pictures has ended: {words}"
                raise PictureError(message, lasting=False) from error
            if isinstance(error, TimeoutError):
                message = "cannot be drawn: the process that makes pictures did not come to an end in time"
                raise PictureError(message, lasting=False) from error
            if isinstance(error, OSError):
                raise _cannot(error) from error
            raise
        self._end = asyncio.get_running_loop().call_later(self._idle, self.close)
        return told

    async def _hear(self, process: _Process, deadline: float) -> Working | Made:
        """Wait for a message. Raises TimeoutError where it hangs, _EndedError where it has ended, and OSError."""
        left = deadline - time.monotonic()
        async with asyncio.timeout(min(self._standstill, max(left, 0.0))):
            try:
                return _decode(await asyncio.get_running_loop().sock_recv(process.channel, ORDER_LIMIT))
            except (ConnectionError, msgspec.MsgspecError) as error:  # nothing at all is no message either
                raise _EndedError from error


class _EndedError(Exception):
    """The process has ended, or talks nonsense."""


class _Process:
    """One process. Raises OSError where the machine cannot start it."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as opened:
            self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            opened.callback(self.channel.close)
            # No pipe: nothing waits for it to be read, and nothing has to be read.
            self._errors = opened.enter_context(tempfile.TemporaryFile())
            with theirs, interrupts.kept_pending():
                self.popen = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "audiobatchd.worker.process.media"),
                        *(str(theirs.fileno()), str(os.getpid())),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=self._errors,
                    stderr=self._errors,
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, **dict.fromkeys(THREAD_CAPS, "1")},
                    process_group=0,
                )
            opened.pop_all()
        self.channel.setblocking(False)
        offer_to_the_oom_killer(self.popen.pid)

    @property
    def has_ended(self) -> bool:
        """Tell whether it has ended."""
        return self.popen.poll() is not None

    def last_words(self) -> str:
        """Say how it ended, with the last line that it wrote."""
        self._kill()
        code = self.popen.wait()
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - _LAST_WORDS))
        lines = self._errors.read(_LAST_WORDS).decode(errors="backslashreplace").strip().splitlines()
        return printable(how_it_ended(code, deque(lines), out_of_memory=False))

    def end(self) -> None:
        """End it, with whatever it has started."""
        self._kill()
        self.popen.wait()
        self.channel.close()
        self._errors.close()

    def _kill(self) -> None:
        if self.popen.returncode is None:  # not reaped, so the number is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)


def _cannot(error: OSError) -> PictureError:
    message = f"cannot be drawn: cannot start the process that makes pictures: {error.strerror}"
    return PictureError(message, lasting=False)

"""Steps that Ctrl-C must not cut in two.

Python runs a signal's handler between any two steps of the main thread, and KeyboardInterrupt leaves from there: say,
between the making of a lock file and the note that it is ours. A `try` comes too late for that.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENOUGH = 3
"""Presses after which it is not held back any longer: the disk that is waited for may never answer."""


class _Recorder:
    """A handler that takes the place of `handler`, and keeps for it what comes."""

    def __init__(self, handler: Callable[[int, FrameType | None], object]) -> None:
        self.handler = handler
        self.thread = threading.get_ident()
        self._came: list[FrameType | None] = []

    def __call__(self, _: int, frame: FrameType | None) -> None:
        """Keep it."""
        self._came.append(frame)
        if len(self._came) >= _ENOUGH:
            self.deliver()

    def deliver(self) -> None:
        """Have `handler` do, once, what it would have done."""
        came, self._came = self._came, []
        if came:
            self.handler(signal.SIGINT, came[0])

    def give_place(self) -> None:
        """Put `handler` back."""
        try:
            signal.signal(signal.SIGINT, self.handler)
        finally:
            # Other signals are handled before anything is set, and what their handlers raise leaves from there.
            if isinstance(still := signal.getsignal(signal.SIGINT), _Recorder):
                still.give_place()


@contextmanager
def held_back() -> Iterator[None]:
    """Within, what Python code does on Ctrl-C waits; it is done, and may raise, when all within is at its end."""
    handler = signal.getsignal(signal.SIGINT)
    # Only the main thread runs handlers, and only it may set them.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not callable(handler) or isinstance(handler, _Recorder):
        yield
        return
    recorder = _Recorder(handler)
    try:
        signal.signal(signal.SIGINT, recorder)
        yield
    finally:
        recorder.give_place()
        recorder.deliver()


def _in_a_child() -> None:
    """Another thread forked meanwhile: in the child nobody is within, and nobody would put the handler back."""
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, _Recorder) and handler.thread != threading.get_ident():
        handler.give_place()


os.register_at_fork(after_in_child=_in_a_child)

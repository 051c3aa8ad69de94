"""Steps that Ctrl-C must not cut in two.

Python runs a signal's handler between any two steps of the main thread, and KeyboardInterrupt leaves from there: say,
between the making of a lock file and the note that it is ours. A `try` comes too late for that.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Iterator[None]:
    """Within, what Python code does on Ctrl-C waits; it is done, and may raise, when all within is at its end."""
    handler = signal.getsignal(signal.SIGINT)
    # Only the main thread runs handlers, and only it may set them.
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[FrameType | None] = []
    try:
        signal.signal(signal.SIGINT, lambda _, frame: came.append(frame))
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(signal.SIGINT, came[0])

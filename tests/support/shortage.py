"""A process that is short of descriptors or threads, and what takes note of it."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LEAST = 3
"""Descriptors that a process keeps in any case: those of its three streams."""


@contextmanager
def descriptors(soft: int) -> Iterator[Callable[[], None]]:
    """No descriptor from this number on can be had; what is given gives them back, as the end does."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, before)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Shortage:
    """Takes note of a shortage, and ends it at the third time."""

    def __init__(self, end: Callable[[], None]) -> None:
        self.end = end
        self.met: list[int | None] = []

    def __call__(self, error: OSError) -> None:
        self.met.append(error.errno)
        if len(self.met) == 3:
            self.end()


def no_thread(thread: threading.Thread) -> None:
    """Refuse to start a thread, in place of `threading.Thread.start`."""
    message = "can't start new thread"
    raise RuntimeError(message)

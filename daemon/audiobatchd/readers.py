"""Threads that read disks, a few for each dataset: a mount that hangs keeps its own dataset waiting, and nothing else.

The pools of `concurrent.futures` are waited for when Python ends; a read from a dead mount would keep it from ending.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_Result = TypeVar("_Result")
_Work = tuple[Callable[[], object], Future[object]]


class Readers:
    """`count` threads that take one piece of work after the other."""

    def __init__(self, name: str, count: int) -> None:
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, name=f"reader {name} {number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], _Result]) -> Future[_Result]:
        """Have `work` done; what it returns or raises is the future's."""
        future: Future[_Result] = Future()
        self._work.put((work, future))  # type: ignore[arg-type]  # one queue for results of every type
        return future

    def end(self) -> None:
        """Have them end when they have done what they were asked so far."""
        for _ in self._threads:
            self._work.put(None)

    def stop(self, patience: float) -> None:
        """Let them finish what they were asked, for `patience` seconds at most; what hangs is left behind."""
        deadline = time.monotonic() + patience
        self.end()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            work, future = item
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  # it is the future's to tell
                future.set_exception(error)

"""Questions to the service from a thread of their own: a screen and its keys never wait for an answer."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from functools import partial

from audiobatchd.control.client import ControlClient
from audiobatchd.control.status import Status
from audiobatchd.errors import AudiobatchError, NoDaemonError

_INTERVAL = 1.0
SILENT = 3.0
"""Seconds without an answer from which on the service counts as one that hangs."""

_GONE, _HANGS = "has been gone", "has not answered"


class Asker:
    """Asks for the status every second, and for what else is wanted, one after the other."""

    def __init__(self, client: ControlClient, status: Status, silent: float = SILENT) -> None:
        self.client = client
        self.status = status
        """The last status that was told."""
        self.answers: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()
        """Answers to what else was asked for: whether it was done, and in words what came of it."""
        self._silent = silent
        self._trouble = ""
        """Trouble that the last question met: no service, or one that does not answer."""
        self._asked_at: float | None = None
        """Time at which the present question was asked; None between two."""
        self._lost_since = ""
        self._wanted: queue.SimpleQueue[Callable[[], str] | None] = queue.SimpleQueue()
        """Questions beside the status; None ends the thread."""
        self._thread = threading.Thread(target=self._work, name="ask", daemon=True)
        self._thread.start()

    def want(self, question: Callable[[], str]) -> None:
        """Have something asked; what it returns, or why it was refused, comes to `answers`."""
        self._wanted.put(question)

    def close(self, patience: float = 0.0) -> None:
        """Ask for nothing more; a question that is under way is waited for no longer than that."""
        self._wanted.put(None)
        self._thread.join(patience)

    def lost(self) -> str:
        """Say since when there is no service, or none that answers; empty where there is one."""
        asked, trouble = self._asked_at, self._trouble
        if not trouble and asked is not None and time.monotonic() - asked > self._silent:
            trouble = _HANGS
        if not trouble:
            self._lost_since = ""
            return ""
        self._lost_since = self._lost_since or time.strftime("%H:%M")
        return f"the service {trouble} since {self._lost_since}; waiting for it"

    def _work(self) -> None:
        while True:
            try:
                question = self._wanted.get(timeout=_INTERVAL)
            except queue.Empty:
                self._ask(self._look)
            else:
                if question is None:
                    return
                self._ask(partial(self._answer, question))
                self._ask(self._look)

    def _ask(self, question: Callable[[], None]) -> None:
        self._asked_at = time.monotonic()
        try:
            question()
        finally:
            self._asked_at = None

    def _look(self) -> None:
        try:
            self.status = self.client.status()
            self._trouble = ""
        except AudiobatchError as error:
            # It may be started again, by another version even: the screen waits for it.
            self._trouble = _trouble(error)

    def _answer(self, question: Callable[[], str]) -> None:
        try:
            self.answers.put((True, question()))
        except AudiobatchError as error:
            if isinstance(error, NoDaemonError):
                self._trouble = _trouble(error)
            self.answers.put((False, str(error)))


def _trouble(error: AudiobatchError) -> str:
    return _HANGS if isinstance(error.__cause__, TimeoutError) else _GONE

"""The guard of a watch: a thread that finds out again and again whether events still arrive, and sweeps up."""

from __future__ import annotations

import os
import threading

from audiobatchd.scan.watch.descriptor import PATIENCE
from audiobatchd.scan.watch.inotify import Instance
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.names import shown

GUARD_INTERVAL = 5.0
"""Seconds between two looks whether a dataset's root is still the one that is watched."""


class Guard:
    """Guards one instance, whose root is the directory of this `identity`, until it is stopped.

    Not everything sends an event: not an unmount of a bind mount, nor a mount over the root, nor a queue that is not
    read. To know the last, a file that is in memory alone, the sentinel, is watched on the same instance. Opening it
    sends an event and writes nothing: a sleeping disk goes on sleeping, and nothing stays behind when the service dies.
    """

    def __init__(self, instance: Instance, identity: FileId) -> None:
        self.identity = identity
        self._instance = instance
        self._ending = threading.Event()
        self._file: int | None = None
        """The descriptor of the sentinel; None where there is none."""
        self._asked = False
        """True where the sentinel was opened since the last look."""
        self._answered = False
        """True once an opening of it was heard: only then does silence mean anything."""
        self._thread = threading.Thread(target=self._run, name=f"guard {instance.root}", daemon=True)
        self._thread.start()  # which may not be possible; the first look is an interval away
        self._ask()

    def stop(self) -> None:
        """Guard no more."""
        self._ending.set()
        self._thread.join(PATIENCE)
        self._forget_file()

    def _run(self) -> None:
        while not self._ending.wait(GUARD_INTERVAL):
            trouble = self._trouble()
            if trouble:
                self._instance.lose(trouble)
            self._instance.sweep()
            self._ask()

    def _trouble(self) -> str:
        try:
            identity = FileId.of(os.stat(self._instance.root))
        except OSError as error:
            return f"cannot read the root: {error.strerror}"
        if (place := os.path.realpath(self._instance.root)) != self._instance.place:
            return f"it leads to {shown(place)} now"
        if identity != self.identity:
            return "another directory has taken the root's place"
        if not self._instance.is_alive():
            return "its thread has ended"
        self._answered |= self._instance.heard_sentinel
        if self._asked and self._answered and not self._instance.heard_sentinel:
            return "events no longer arrive"
        return ""

    def _ask(self) -> None:
        self._asked = False
        try:
            if self._file is None:
                self._file = os.memfd_create("audiobatchd-watch")
                self._instance.watch_sentinel(_path(self._file))
            self._instance.heard_sentinel = False
            os.close(os.open(_path(self._file), os.O_RDONLY))
            self._asked = True
        except OSError:
            # No room for a watch, no descriptor free: that says nothing of the dataset's events.
            self._forget_file()

    def _forget_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"

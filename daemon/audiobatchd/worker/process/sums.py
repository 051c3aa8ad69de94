"""A sum of a folder's files, from the first one that is decoded to the analyzers that read it.

Owns whether all of its files were whole, whether the sum fits into memory, and which analyzers are left out as theirs
does not. What is added, and how, is `audio.sums`'.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from audiobatchd.audio.blocks import Block
from audiobatchd.audio.sums import Sum, Summed
from audiobatchd.core.passes import Members
from audiobatchd.plugin_api import Analyzer, Stream, View
from audiobatchd.vocabulary.files import Fingerprint
from audiobatchd.worker.process.memory import SPARE, resident, views_size

Task = tuple[Analyzer, str]
"""Analyzer that reads the sum, and the role of the features that it gives."""
_MONO = ("FC",)
_STEP = 60.0
"""Seconds by which a file may grow beyond what was foreseen before the sum is reckoned again."""


class FolderSum:
    """Sum of the files of `members` for these `tasks`. `limit`: bytes that this process may take; None: any number."""

    def __init__(self, members: Members, tasks: Sequence[Task], limit: int | None) -> None:
        self.members = members
        self.names: dict[str, str] = {}
        """Names of its files, by role, as far as they were read."""
        self.fingerprints: dict[str, Fingerprint] = {}
        self.refusal = ""
        """Reason why the sum cannot be measured: a file in it cannot."""
        self.beyond_limit: float | None = None
        """Seconds of a file that is longer than the configuration allows."""
        self.left_out: dict[Task, int] = {}
        """Bytes of memory that it would have taken, by tasks for which there is not so much."""
        self._tasks = list(tasks)
        self._limit = limit
        self._sum: Sum | None = Sum(self._views(self._tasks))
        self._views_left: dict[View, object] = {}
        self._resident = 0
        self._reckoned = 0.0
        """Seconds for which it was found to fit."""
        self._rate = 0
        self._frames = 0

    # A file that is decoded

    def begin(self, rate: int, channels: tuple[str, ...], promised: float | None) -> None:
        """Begin to add a file; see `decode.Receiver`."""
        self._rate, self._frames = rate, 0
        self._resident = resident()
        self._reckon(max(promised or 0.0, self._sum.seconds if self._sum else 0.0))
        if self._sum is not None:
            self._sum.begin(rate, channels, promised)

    def feed(self, block: Block) -> None:
        """Add the next samples; see `decode.Receiver`."""
        self._frames += len(block)
        if self._sum is not None and self._frames / self._rate > self._reckoned:
            self._reckon(self._frames / self._rate + _STEP)
        if self._sum is not None:
            self._sum.feed(block)

    def growth(self, seconds: float) -> int:
        """Bytes that it will take beyond those that it holds, when a file of so many `seconds` is added."""
        if self._sum is None:
            return 0
        return max(0, self._size(self._tasks, max(seconds, self._sum.seconds)) - self._sum.held())

    def end(self, role: str, fingerprint: Fingerprint) -> None:
        """End the file of `role`, which is whole."""
        self.fingerprints[role] = fingerprint
        if self._sum is not None:
            self._sum.end()

    def refuse(self, role: str, fingerprint: Fingerprint, reason: str, beyond_limit: float | None) -> None:
        """Take note that the file of `role` cannot be measured, for this `reason`."""
        self.fingerprints[role] = fingerprint
        self.refusal = self.refusal or f"{fingerprint.file}: {reason}"
        self.beyond_limit = max(filter(None, (self.beyond_limit, beyond_limit)), default=None)
        self._sum = None

    # The whole

    @property
    def is_whole(self) -> bool:
        """Tell whether every file of it was read, and found healthy."""
        return len(self.fingerprints) == len(self.members)

    @property
    def seconds(self) -> float:
        """Length of the sum."""
        return self._sum.seconds if self._sum is not None else 0.0

    @property
    def shown(self) -> str:
        """The names of its files."""
        return " + ".join(self.fingerprints[role].file for role in self.members)

    def audio(self, role: str) -> Summed | None:
        """Give what analyzers of `role` read; None where none of them is left."""
        if self._sum is None:
            return None
        tasks = [task for task in self._tasks if task[1] == role]
        others = self._views([task for task in self._tasks if task[1] != role])
        self._tasks = [task for task in self._tasks if task[1] != role]
        rate, seconds = self._sum.rate, self._sum.seconds
        views = self._sum.take(self._views(tasks), others)
        return Summed(role, views, rate, seconds)

    def _reckon(self, seconds: float) -> None:
        """Leave out analyzers, the largest first, until the others fit into memory with a sum of so many seconds."""
        self._reckoned = seconds
        if self._limit is None:
            return
        while self._tasks and (needs := self._needs(seconds)) > self._limit:
            largest = max(self._tasks, key=lambda task: self._size([task], seconds) + self._working(task, seconds))
            self.left_out[largest] = needs
            self._tasks.remove(largest)
            if self._sum is not None:
                self._sum.keep(self._views(self._tasks))
        if not self._tasks:
            self._sum = None

    def _needs(self, seconds: float) -> int:
        """Bytes that this process takes at most while the sum grows and is read."""
        working = max(self._working(task, seconds) for task in self._tasks)
        return int((self._resident + self.growth(seconds) + working) * SPARE)

    def _working(self, task: Task, seconds: float) -> float:
        """Bytes that an analyzer takes beside the sum."""
        analyzer, role = task
        stream = Stream(role, self._rate, _MONO, seconds)
        if hasattr(analyzer, "working_memory"):
            return float(analyzer.working_memory(stream, seconds))
        return self._size([task], seconds)

    def _size(self, tasks: Sequence[Task], seconds: float) -> int:
        return views_size(self._views(tasks), self._rate, 1, seconds)

    @staticmethod
    def _views(tasks: Iterable[Task]) -> set[View]:
        return {view for analyzer, role in tasks for view in analyzer.views(role)}

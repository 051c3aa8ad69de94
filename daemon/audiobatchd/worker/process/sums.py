"""A sum of a folder's files, from the first one that is decoded to the analyzers that read it.

Owns whether all of its files were whole, whether the sum fits into memory, and which analyzers are left out as theirs
does not. What is added, and how, is `audio.sums`'.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from audiobatchd.audio.blocks import Block
from audiobatchd.audio.sums import Sum, Summed
from audiobatchd.audio.views import Samples, size
from audiobatchd.core.passes import Members
from audiobatchd.plugin_api import Analyzer, Stream, View
from audiobatchd.vocabulary.files import Fingerprint
from audiobatchd.worker.process.charge import charged
from audiobatchd.worker.process.readers import SPARE, resident, working_memory

Task = tuple[Analyzer, str]
"""Analyzer that reads the sum, and the role of the features that it gives."""
_MONO = ("FC",)
_STEP = 60.0
"""Seconds by which a file may grow beyond what was foreseen before the sum is reckoned again."""


class FolderSum:
    """Sum of the files of `members` for these `tasks`. `limit`: bytes that this process may take; None: any number."""

    def __init__(self, members: Members, tasks: Sequence[Task], limit: int | None) -> None:
        self.members = members
        self.fingerprints: dict[str, Fingerprint] = {}
        """Its files, by role, as far as they were read and found healthy."""
        self.refusal = ""
        """Reason why the sum cannot be measured: a file in it cannot."""
        self.beyond_limit: float | None = None
        """Seconds of a file that is longer than the configuration allows."""
        self.needs: dict[tuple[str, str], int] = {}
        """Bytes of memory that are not there, by the analyzer that would have taken them, and role."""
        self.faults: dict[tuple[str, str], str] = {}
        """Faults of analyzers that cannot say how much they take, likewise."""
        self.costs: dict[str, float] = {}
        """Seconds of processor time, by analyzer."""
        self._tasks = list(tasks)
        self._limit = limit
        self._sum: Sum | None = Sum(self._views(self._tasks))
        self._views_held: dict[View, Samples] = {}
        """Views of the whole."""
        self._resident = 0
        """Bytes that this process took when the file was begun."""
        self._held = 0
        """Bytes of them that held the sum."""
        self._reckoned = 0.0
        """Seconds for which it was found to fit."""
        self._rate = 1
        self._frames = 0
        """Frames of the file that is being added."""

    # A file that is decoded

    def begin(self, rate: int, channels: tuple[str, ...], promised: float | None) -> None:
        """Begin to add a file; see `decode.Receiver`."""
        self._rate, self._frames = rate, 0
        if self._sum is not None:
            self._resident, self._held = resident(), self._sum.held()
            self._reckon(max(promised or 0.0, self._sum.seconds))
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
        """See `readers.Addition`."""
        if self._sum is None:
            return 0
        return max(0, self._size(self._tasks, max(seconds, self._sum.seconds)) - self._held)

    def end(self, role: str, fingerprint: Fingerprint) -> None:
        """End the file of `role`, which is whole."""
        self.fingerprints[role] = fingerprint
        if self._sum is not None:
            self._sum.end()

    def refuse(self, role: str, fingerprint: Fingerprint, reason: str, beyond_limit: float | None) -> None:
        """Take note that the file of `role` cannot be measured, for this `reason`."""
        self.fingerprints[role] = fingerprint
        self.refusal = self.refusal or f"{fingerprint.file}: {reason}"
        known = [each for each in (self.beyond_limit, beyond_limit) if each is not None]
        self.beyond_limit = max(known, default=None)
        self._sum = None

    def spoil(self) -> None:
        """Free what there is: a file of it could not be read to its end."""
        self._sum = None

    # The whole

    @property
    def is_whole(self) -> bool:
        """Tell whether every file of it was read, and found healthy."""
        return self.fingerprints.keys() == set(self.members)

    @property
    def shown(self) -> str:
        """The names of its files."""
        return " + ".join(self.fingerprints[role].file for role in self.members)

    def audio(self, role: str, *, is_last: bool) -> Summed:
        """Give what analyzers of `role` read; nothing of it is kept where that `is_last`."""
        assert self._sum is not None
        self._views_held |= self._sum.views()
        audio = Summed(role, self._views_held, self._sum.rate, self._sum.seconds)
        if is_last:
            self._views_held, self._sum = {}, None
        return audio

    # Memory

    def _reckon(self, seconds: float) -> None:
        """Leave out analyzers, the largest first, until the others fit into memory with a sum of so many seconds."""
        self._reckoned = seconds
        if self._limit is None or self._sum is None:
            return
        working: dict[tuple[str, str], float] = {}
        for task in list(self._tasks):
            faults: dict[str, str] = {}
            with charged(task[0], self.costs, faults):
                stream = Stream(task[1], self._rate, _MONO, seconds)
                working[_key(task)] = working_memory(task[0], stream, seconds, self._size([task], seconds))
            if faults:
                self.faults[_key(task)] = faults[task[0].name]
                self._tasks.remove(task)
        while self._tasks:
            most = max(working[_key(task)] for task in self._tasks)
            needs = int((self._resident + self.growth(seconds) + most) * SPARE)
            if needs <= self._limit:
                break
            largest = max(self._tasks, key=lambda task: self._size([task], seconds) + working[_key(task)])
            self.needs[_key(largest)] = needs
            self._tasks.remove(largest)
            self._sum.keep(self._views(self._tasks))
        if not self._tasks:
            self._sum = None

    def _size(self, tasks: Sequence[Task], seconds: float) -> int:
        return sum(size(view, self._rate, 1, seconds) for view in self._views(tasks))

    @staticmethod
    def _views(tasks: Iterable[Task]) -> set[View]:
        return {view for analyzer, role in tasks for view in analyzer.views(role)}


def _key(task: Task) -> tuple[str, str]:
    return task[0].name, task[1]

"""The work that is due in one folder, step by step: files that are decoded, and sums of them.

Owns the sums while they grow, and what each step has to know of the others. What becomes of a file that cannot be read
is for the caller to say: whatever needs it is left undone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from audiobatchd.core.assessment import Due
from audiobatchd.core.passes import Decoding, Members, Summing, steps
from audiobatchd.plugin_api import Analyzer
from audiobatchd.vocabulary.files import FileStamp
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.measure import FileResult, measure, measure_sum
from audiobatchd.worker.process.readers import Beside, Report
from audiobatchd.worker.process.results import Results, Stored
from audiobatchd.worker.process.sums import FolderSum, Task


class FolderPhase:
    """Work that is `due` in the open directory `folder` with these `stamps` of its files, by role."""

    def __init__(
        self,
        folder: int,
        stamps: Mapping[str, FileStamp],
        due: Mapping[str, tuple[Due, ...]],
        bench: Bench,
        stored: Stored,
        report: Report,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._stamps = stamps
        self._bench = bench
        self._report = report
        self._on_progress = on_progress
        self._results = Results(bench.offers, stamps, due, stored)
        self.steps = steps(due, bench.offers, tuple(stamps))
        """Steps, to be done in this order."""
        turns = [step for step in self.steps if isinstance(step, Summing)]
        self._turns = Counter(step.members for step in turns)
        """Number of turns that are still to come, by sum."""
        self._sums = {members: self._sum(members, turns) for members in self._turns}
        self._lost: set[str] = set()
        """Roles of files that could not be read."""

    def decode(self, step: Decoding) -> FileResult | None:
        """Do a step; None where the file is known to be lost. Raises as `measure` does."""
        if step.role in self._lost:
            return None
        sums = [self._sums[members] for members in step.sums]
        stamp, place = self._stamps[step.role], partial(self._place, step.role, sums)
        try:
            result = measure(
                self._folder, step.role, stamp, step.work, self._bench, self._report, self._on_progress, place=place
            )
        except Exception:
            self._lost.add(step.role)
            for each in sums:
                each.spoil()
            raise
        for each in sums:
            if result.refusal:
                each.refuse(step.role, result.fingerprint, result.refusal, result.beyond_limit)
            else:
                each.end(step.role, result.fingerprint)
        self._results.take(step.role, result)
        return result

    def add_up(self, step: Summing) -> FileResult | None:
        """Do a step; None where a file of the sum could not be read."""
        whole = self._sums[step.members]
        self._turns[step.members] -= 1
        if not whole.is_whole:
            return None
        place, is_last = partial(self._place, step.role, []), not self._turns[step.members]
        result = measure_sum(whole, step.role, step.work, self._bench, self._report, place, is_last=is_last)
        self._results.take(step.role, result)
        return result

    def _place(self, role: str, sums: list[FolderSum], result: FileResult) -> Beside:
        results = self._results
        return Beside(results.before(role), lambda analyzer: results.look(analyzer.name, role, result), sums)

    def _sum(self, members: Members, turns: list[Summing]) -> FolderSum:
        tasks: list[Task] = []
        for turn in turns:
            analyzers = [self._bench.analyzers[each.analyzer] for each in turn.work if turn.members == members]
            tasks += [(each, turn.role) for each in analyzers if isinstance(each, Analyzer)]
        return FolderSum(members, tasks, self._bench.settings.worker_memory)

"""Comparison of files with what was read of them before, for work that goes by several files, before any is decoded.

A file that is measured by itself is compared when it is open for that, see `measure`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from audiobatchd.core.assessment import Due
from audiobatchd.errors import DamagedFileError, SourceChangedError
from audiobatchd.vocabulary.files import FileStamp
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.measure import digests_of
from audiobatchd.worker.process.readers import Report

Digests = tuple[str, str]
"""Digests of the content of a file, and of all of its bytes."""
_UNKNOWN = "", ""


class Comparison:
    """Comparison of the files with these `stamps`, by role, in the open directory `folder`."""

    def __init__(
        self,
        folder: int,
        stamps: Mapping[str, FileStamp],
        bench: Bench,
        report: Report,
        on_progress: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._stamps = stamps
        self._bench = bench
        self._report = report
        self._on_progress = on_progress
        self._digests: dict[str, Digests] = {}
        self.alike: dict[str, Digests] = {}
        """Digests of the files, by role, that are as they were for work that is left out."""

    def left(self, due: Mapping[str, tuple[Due, ...]]) -> dict[str, tuple[Due, ...]]:
        """Leave out work that goes by several files, if all of them turn out to be as before."""
        return {role: tuple(filter(None, (self._left(role, each) for each in work))) for role, work in due.items()}

    def _left(self, role: str, due: Due) -> Due | None:
        files = {each for each, _ in due.unless}
        if files <= {role} and not self._bench.needs(due.analyzer, role).sum_of:
            return due
        if not files or any(known.digest not in self._of(each) for each, known in due.unless):
            return Due(due.analyzer)
        self.alike |= {each: self._of(each) for each in files}
        return None

    def _of(self, role: str) -> Digests:
        """Read the digests of a file; of one that cannot be read, none."""
        if role not in self._digests:
            stamp = self._stamps[role]
            self._report(f"reading {stamp.shown}", 0.0)
            try:
                self._digests[role] = digests_of(self._folder, stamp, self._on_progress)
            except (DamagedFileError, SourceChangedError, OSError):
                self._digests[role] = _UNKNOWN  # that is told when it is to be measured
        return self._digests[role]

"""Agenda of readings: folders that are due, that are being read, and that wait for a disk or a lost worker."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Container

from audiobatchd.vocabulary.files import FolderKey


class Agenda:
    """The looks at folders that are to come. A folder has one reading under way at most."""

    def __init__(self) -> None:
        self.reading: set[FolderKey] = set()
        """The folders that are being read."""
        self.lost: dict[FolderKey, int] = {}
        """The folders that a lost worker is still at, and its PID: no look is taken before it has ended."""
        self._due: list[tuple[float, FolderKey]] = []
        """A heap of the looks to come, by their moment."""
        self._again: set[FolderKey] = set()
        """The folders that are read once more when the reading under way is there."""
        self._outdated: set[FolderKey] = set()
        """The folders whose job ended while they were being read: that reading knows less than the job's result."""
        self._put_off: dict[str, set[FolderKey]] = defaultdict(set)
        """Folders that are looked at when the disk of their dataset answers, by dataset."""

    def add(self, key: FolderKey, when: float) -> None:
        """Have a folder read at the moment `when`; not while a lost worker is at it."""
        if key not in self.lost:
            heapq.heappush(self._due, (when, key))

    def take(self, now: float, without: Container[str] = ()) -> list[FolderKey]:
        """The folders to be read now; those of the datasets `without` are put off."""
        taken: list[FolderKey] = []
        while self._due and self._due[0][0] <= now:
            _, key = heapq.heappop(self._due)
            if key in self.lost:
                pass
            elif key.dataset in without:
                self._put_off[key.dataset].add(key)
            elif key in self.reading:
                self._again.add(key)
            else:
                self.reading.add(key)
                taken.append(key)
        return taken

    def next_look(self) -> float | None:
        """Moment when `take` has something to give again; None: not by itself."""
        return self._due[0][0] if self._due else None

    def was_read(self, key: FolderKey, now: float) -> bool:
        """Take note that a reading is there; False where it is older than what a job has told since."""
        self.reading.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key, now)
        is_outdated = key in self._outdated
        self._outdated.discard(key)
        return not is_outdated

    def is_outdated(self, key: FolderKey) -> bool:
        """Tell whether the reading under way began before the folder's last job ended."""
        return key in self._outdated

    def job_ended(self, key: FolderKey) -> None:
        """Distrust a reading that is under way: it began while the job still ran."""
        if key in self.reading:
            self._outdated.add(key)
            self._again.add(key)

    def being_read(self) -> set[str]:
        """The datasets in which folders are being read."""
        return {key.dataset for key in self.reading}

    def put_off(self) -> list[str]:
        """The datasets in which looks were put off."""
        return [path for path, keys in self._put_off.items() if keys]

    def go_on(self, dataset: str, now: float) -> None:
        """Look at what was put off: the dataset's disk answers."""
        for key in self._put_off.pop(dataset, ()):
            self.add(key, now)

    def drop(self, dataset: str) -> None:
        """Look at nothing more in this dataset; what is being read there is waited for."""
        self._put_off.pop(dataset, None)
        self._due = [(when, key) for when, key in self._due if key.dataset != dataset]
        heapq.heapify(self._due)
        self._again = {key for key in self._again if key.dataset != dataset}

    def forget_reading(self, key: FolderKey) -> None:
        """Drop a reading that came in of a dataset which was dropped meanwhile."""
        self.reading.discard(key)
        self._outdated.discard(key)

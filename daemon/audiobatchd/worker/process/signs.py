"""Signs of life: what a job is at, told to the service, and to observers by what the folder's lock announces."""

from __future__ import annotations

import time

from audiobatchd.core.messages import Job
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.worker.process.readers import Report

_MOST_PACE, _PACE_SHARE = 5.0, 1 / 8
"""In seconds, and of the time that may pass without a sign of progress: how far apart such signs are."""


class Signs:
    """Gives the signs of one `job` by `report`, and by the announcements of its `lock`."""

    def __init__(self, job: Job, lock: FolderLock, report: Report) -> None:
        self._job = job
        self._lock = lock
        self._report = report
        self._pace = min(_MOST_PACE, job.budget * _PACE_SHARE)
        self._doing = ""
        self._told = time.monotonic()
        self._announced = job.budget, self._told

    def stage(self, doing: str, audio_seconds: float | None) -> None:
        """See `readers.Report`."""
        self._doing, self._told = doing, time.monotonic()
        if audio_seconds is not None:
            budget, (before, when) = self._job.budget + self._job.factor * audio_seconds, self._announced
            if budget != before or self._told - when >= self._pace:
                self._announced = budget, self._told
                self._lock.announce(budget)
        self._report(doing, audio_seconds)

    def progress(self) -> None:
        """Take note that the work has come a little further, and tell so now and then."""
        if time.monotonic() - self._told >= self._pace:
            self.stage(self._doing, 0.0)

"""The batch guide's `BatchProcessor`: one pass over folders by the caller's own function."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from audiobatchd.errors import AudiobatchError
from audiobatchd.library.file_lock import DEFAULT_TIMEOUT, FileLock
from audiobatchd.library.resume import should_process_folder
from audiobatchd.library.tracks import Folder
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.summary import BatchStats, new_stats

_LOG = logging.getLogger(__name__)


class BatchProcessor:
    """Runs a function on every folder that lacks one of `required_features`, under the folder's lock.

    `required_features` None: on every folder. `lock_timeout` is how many seconds one folder should take at most; others
    call its lock overdue after that.
    """

    def __init__(self, required_features: Sequence[str] | None = None, lock_timeout: float = DEFAULT_TIMEOUT) -> None:
        self.required_features = required_features
        self.lock_timeout = lock_timeout

    def process_batch(
        self,
        folders: Iterable[Folder],
        process_func: Callable[[Path], object],
        overwrite: bool = False,  # noqa: FBT001, FBT002  # the guide's signature
        skip_errors: bool = True,  # noqa: FBT001, FBT002
    ) -> BatchStats:
        """Call `process_func(folder)` for every folder that needs it; the statistics of the pass.

        A folder's record is looked at before its lock is taken and once more after, because another process may have
        done the work meanwhile. The function saves what it finds by itself. What it raises is counted and logged, and
        the pass goes on; with `skip_errors` false it ends the pass.
        """
        paths = [Path(folder) for folder in folders]
        stats = new_stats(len(paths))
        for number, folder in enumerate(paths, 1):
            name = shown(folder.name or folder.absolute().name)
            _LOG.info("Processing %d/%d: %s", number, len(paths), name)
            try:
                self._process(folder, process_func, stats, overwrite=overwrite)
            except Exception as error:  # the boundary to the caller's function
                if not skip_errors:
                    raise
                stats["failed"] += 1
                stats["errors"].append(f"{name}: {error}")
                # A damaged file needs no traceback; another error may.
                _LOG.error("  Failed: %s", error, exc_info=not isinstance(error, AudiobatchError | OSError))
        return stats

    def _process(
        self, folder: Path, process_func: Callable[[Path], object], stats: BatchStats, *, overwrite: bool
    ) -> None:
        if not self._needs(folder, overwrite=overwrite):
            self._skip_complete(stats)
            return
        with FileLock(folder, self.lock_timeout) as lock:
            if not lock.acquired:
                stats["skipped_locked"] += 1
                _LOG.info("  Skipping - locked by another process")
            elif not self._needs(folder, overwrite=overwrite):
                self._skip_complete(stats)
            else:
                process_func(folder)
                stats["success"] += 1

    def _needs(self, folder: Path, *, overwrite: bool) -> bool:
        return should_process_folder(folder, self.required_features, overwrite, check_lock=False)

    def _skip_complete(self, stats: BatchStats) -> None:
        stats["skipped_complete"] += 1
        _LOG.info("  Skipping - features already exist")

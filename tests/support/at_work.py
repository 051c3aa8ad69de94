"""What surrounds the publishing of a worker: the folder's lock, and the sweeping away of what the dead left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from audiobatchd.disk import record
from audiobatchd.locks.folder_lock import FolderLock


@contextmanager
def at_work(folder: str) -> Iterator[tuple[str, int, Callable[[], None]]]:
    """As `worker.job` has it when everything is measured: the record's name, the directory's descriptor, the gate."""
    lock = FolderLock(folder, 60.0)
    lock.acquire()
    try:
        with record.opened(folder) as descriptor:
            with suppress(OSError):
                record.sweep(descriptor)
            yield record.name_in(folder), descriptor, lock.gate
    finally:
        lock.release()

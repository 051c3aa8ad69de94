"""Surroundings of a worker's publishing: the folder's lock, and the removal of what dead ones left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from audiobatchd.disk import record
from audiobatchd.locks.folder_lock import FolderLock


@contextmanager
def at_work(folder: str) -> Iterator[tuple[str, int, Callable[[], None]]]:
    """Surround as a worker does when everything is measured: gives name of the record, directory's descriptor, gate."""
    lock = FolderLock(folder, 60.0)
    lock.acquire()
    try:
        with record.opened(folder) as descriptor:
            with suppress(OSError):
                record.sweep(descriptor)
            yield record.name_in(folder), descriptor, lock.gate
    finally:
        lock.release()

"""The watches on all datasets, as the rest of the service sees them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from watchdog.observers import inotify_c

from audiobatchd.core.events import Event
from audiobatchd.scan.watch.contract import WatchTerms
from audiobatchd.scan.watch.dataset_watch import DatasetWatch
from audiobatchd.scan.watch.descriptor import PATIENCE
from audiobatchd.scan.watch.inotify import Instance, WatchedDataset
from audiobatchd.scan.watch.limits import Budget
from audiobatchd.vocabulary.states import WatchReport


class Watches:
    """The watches on all datasets: one inotify instance, and one thread that reads it, for each.

    `budget` is how many leaves are watched over all datasets at most; by default half of what the kernel allows one
    user, and no more than `limits.MOST_LEAVES`.
    """

    def __init__(self, *, budget: int | None = None) -> None:
        self._budget = Budget(budget)
        self._watches: dict[str, DatasetWatch] = {}
        self._unended: list[DatasetWatch] = []
        """Watches that are to end as soon as there is a thread for that."""
        self._lock = threading.Lock()
        """Held while watches are ended, which any thread may see to."""
        self._post: Callable[[Event], None] = _drop
        # An overflow becomes an event that names the dataset; watchdog would log it without.
        logging.getLogger(inotify_c.__name__).setLevel(logging.ERROR)

    def listen(self, post: Callable[[Event], None]) -> None:
        """See `Watch.listen`."""
        self._post = post

    def replace(self, terms: Mapping[str, WatchTerms]) -> None:
        """See `Watch.replace`. Watches end in threads."""
        kept = {root: each for root, each in self._watches.items() if terms.get(root) == each.dataset.terms}
        self._unended += [watch for root, watch in self._watches.items() if root not in kept]
        self._end()
        made = {
            root: DatasetWatch(WatchedDataset(root, each, self._budget, self._post, self._spare))
            for root, each in terms.items()
            if root not in kept
        }
        self._watches = {**kept, **made}

    def ensure(self, root: str, *, renew: bool) -> bool:
        """See `Watch.ensure`. Whether events are to be expected at all is told by the mode and the file system."""
        watch = self._watches.get(root)
        return watch is None or watch.ensure(renew=renew)

    def look(self, root: str) -> bool:
        """See `Watch.look`."""
        self._end()
        watch = self._watches.get(root)
        return watch is not None and watch.look()

    def enter(self, root: str, path: str, *, leaf: bool | None, hot: bool = False) -> bool:
        """See `DirectoryWatch.enter`."""
        instance = self._instance(root)
        return instance is not None and instance.enter(path, leaf=leaf, hot=hot)

    def listed(self, root: str, path: str, *, leaf: bool) -> None:
        """See `DirectoryWatch.listed`."""
        instance = self._instance(root)
        if instance is not None:
            instance.listed(path, leaf=leaf)

    def forget(self, root: str, path: str) -> None:
        """See `DirectoryWatch.forget`."""
        instance = self._instance(root)
        if instance is not None:
            instance.forget(path)

    def report(self, root: str) -> WatchReport:
        """See `Watch.report`."""
        watch = self._watches.get(root)
        return watch.report() if watch is not None else WatchReport(False, "no such dataset")

    def stop(self) -> None:
        """See `Watch.stop`. A watch whose disk hangs is left behind after some seconds."""
        self._unended += self._watches.values()
        self._watches = {}
        threads = self._end()
        deadline = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def _end(self) -> list[threading.Thread]:
        """End what is not wanted any more, each in a thread, for it may hang with its disk; as far as there are any."""
        threads: list[threading.Thread] = []
        with self._lock:
            while self._unended:
                watch = self._unended[0]
                thread = threading.Thread(target=watch.end, name=f"end of watch {watch.dataset.root}", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no thread is left
                    break
                del self._unended[0]  # others are added at the end meanwhile
                threads.append(thread)
        return threads

    def _instance(self, root: str) -> Instance | None:
        watch = self._watches.get(root)
        return watch.instance if watch is not None else None

    def _spare(self, asking: Instance) -> bool:
        others = [watch.instance for watch in self._watches.values()]
        return any(each is not None and each is not asking and each.yield_leaf() for each in others)


def _drop(event: Event) -> None:
    """Drop an event that comes before `listen` was called."""

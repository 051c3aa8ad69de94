"""The watches on all datasets, as the rest of the daemon sees them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from watchdog.observers import inotify_c

from audiobatchd.core.events import Event
from audiobatchd.scan.watch.contract import WatchTerms
from audiobatchd.scan.watch.dataset_watch import DatasetWatch
from audiobatchd.scan.watch.inotify import Instance
from audiobatchd.scan.watch.limits import Budget
from audiobatchd.vocabulary.states import WatchReport

_PATIENCE = 5.0


class Watches:
    """The watches on all datasets: one inotify instance and one thread that reads it for each.

    `budget` is how many leaves, track folders without directories, are watched over all datasets at most; by default
    half of what the kernel allows one user, and no more than `limits.MOST_LEAVES`.
    """

    def __init__(self, *, budget: int | None = None) -> None:
        self._budget = Budget(budget)
        self._lookouts: dict[str, DatasetWatch] = {}
        self._post: Callable[[Event], None] = _nobody
        # Of an overflow we tell ourselves, and whose it was.
        logging.getLogger(inotify_c.__name__).setLevel(logging.ERROR)

    def listen(self, post: Callable[[Event], None]) -> None:
        """From now on events go to `post`, which is called from other threads and must not block."""
        self._post = post

    def replace(self, terms: Mapping[str, WatchTerms]) -> None:
        """These are the datasets from now on; the watch on others, or on other terms, ends (in a thread).

        Nothing is watched before `ensure` was called for it.
        """
        kept = {root: each for root, each in self._lookouts.items() if terms.get(root) == each.terms}
        for root, lookout in self._lookouts.items():
            if root not in kept:
                _ending(lookout)
        made = {
            root: DatasetWatch(root, each, self._budget, self._post, self._spare)
            for root, each in terms.items()
            if root not in kept
        }
        self._lookouts = {**kept, **made}

    def ensure(self, root: str, *, renew: bool) -> bool:
        """See to it that the root, as it is now, is watched, before a walk; whether there was one. Blocks.

        All of it is watched anew where the root is another directory than it was, where events were lost, or where
        `renew` asks for it: the walk that follows enters every directory. Whether events are to be expected at all is
        told by the mode and the file system.
        """
        lookout = self._lookouts.get(root)
        return lookout is None or lookout.ensure(renew=renew)

    def look(self, root: str) -> bool:
        """Try again what could not be watched; whether the root is watched from now on, and was not. Blocks."""
        lookout = self._lookouts.get(root)
        return lookout is not None and lookout.look()

    def enter(self, root: str, path: str, *, leaf: bool | None, hot: bool = False) -> bool:
        """A directory is about to be listed: watch it before, so that what comes in between is heard of.

        `path` is below the root, "" the root itself. `leaf`: it is known to be a track folder without directories, or
        known not to be; None: not known. `hot`: something happens in it now, so it is worth more than the leaf that has
        been watched for longest. Returns whether it is watched. Any thread may call it, for every directory of every
        walk: one that is watched already costs next to nothing.
        """
        instance = self._instance(root)
        return instance is not None and instance.enter(path, leaf=leaf, hot=hot)

    def listed(self, root: str, path: str, *, leaf: bool) -> None:
        """Whether it is a leaf is known now, after its listing: one beyond the budget is watched no more."""
        instance = self._instance(root)
        if instance is not None:
            instance.listed(path, leaf=leaf)

    def forget(self, root: str, path: str) -> None:
        """The directory is gone, and all below it."""
        instance = self._instance(root)
        if instance is not None:
            instance.forget(path)

    def report(self, root: str) -> WatchReport:
        """How a dataset is watched at the moment; never blocks."""
        lookout = self._lookouts.get(root)
        return lookout.report() if lookout is not None else WatchReport(False, "no such dataset")

    def stop(self) -> None:
        """Watch no more. A watch whose disk hangs is left behind after some seconds."""
        threads = [_ending(lookout) for lookout in self._lookouts.values()]
        self._lookouts = {}
        deadline = time.monotonic() + _PATIENCE
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def _instance(self, root: str) -> Instance | None:
        lookout = self._lookouts.get(root)
        return lookout.instance if lookout is not None else None

    def _spare(self, asking: Instance) -> bool:
        others = [lookout.instance for lookout in self._lookouts.values()]
        return any(each is not None and each is not asking and each.yield_leaf() for each in others)


def _nobody(event: Event) -> None:
    """Takes events before anybody listens."""


def _ending(lookout: DatasetWatch) -> threading.Thread:
    """A thread that ends a watch, which may hang with its disk."""
    thread = threading.Thread(target=lookout.end, name=f"end of watch {lookout.root}", daemon=True)
    thread.start()
    return thread

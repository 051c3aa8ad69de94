"""The watch on one dataset for as long as it is one: whether its file system sends events, and the instance of now."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable

from audiobatchd import filesystems
from audiobatchd.core.events import Event
from audiobatchd.filesystems import Kind
from audiobatchd.model import WatchMode, WatchReport, WatchTerms
from audiobatchd.watch.guard import Guard
from audiobatchd.watch.instance import Instance
from audiobatchd.watch.limits import Budget, shortage, why

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)


class Lookout:
    """Watches the root as it is now, as often as it is told to ensure that. See `Instance` for `post` and `spare`."""

    def __init__(
        self,
        root: str,
        terms: WatchTerms,
        budget: Budget,
        post: Callable[[Event], None],
        spare: Callable[[Instance], bool],
    ) -> None:
        self.root = root
        self.terms = terms
        self.instance: Instance | None = None
        self._budget = budget
        self._post = post
        self._spare = spare
        self._guard: Guard | None = None
        self._reason = "mode = walk" if terms.mode is WatchMode.WALK else "not watched yet"
        # Held while a watch is set up or ended, which may hang with the disk. What the loop asks takes no lock.
        self._lock = threading.Lock()
        self._ended = False

    def ensure(self, *, renew: bool) -> bool:
        """See `Watches.ensure`."""
        with self._lock:
            if self._ended or self.terms.mode is WatchMode.WALK:
                return True
            try:
                status = os.stat(self.root)
                identity = (status.st_dev, status.st_ino)
                refusal = self._refusal()
                if refusal or renew or not self._is_sound(identity):
                    self._close()
                    self._reason = refusal
                    if not refusal:
                        self._open(identity)
            except OSError as error:
                self._close()
                self._reason = f"cannot watch it ({why(error.errno or 0)})"
                return error.errno not in _ABSENT
            return True

    def end(self) -> None:
        """Watch no more, for good."""
        with self._lock:
            self._ended = True
            self._close()

    def report(self) -> WatchReport:
        """How the dataset is watched at the moment."""
        instance, reason = self.instance, self._reason
        if instance is None:
            return WatchReport(False, reason)
        tree = instance.tree
        return WatchReport(True, reason, shortage(dict(tree.lacks)), len(tree.parents), len(tree.leaves), tree.left)

    def _refusal(self) -> str:
        """Why no events are to be expected; empty where they are. Raises OSError where the root is not there."""
        kind, filesystem = filesystems.of(self.root)
        if self.terms.mode is WatchMode.EVENTS or kind is Kind.LOCAL:
            return ""
        return f"{filesystem} sends no events of other machines"

    def _is_sound(self, identity: tuple[int, int]) -> bool:
        instance, guard = self.instance, self._guard
        if instance is None or guard is None or guard.identity != identity:
            return False
        return not instance.lost and instance.is_alive()

    def _open(self, identity: tuple[int, int]) -> None:
        instance = Instance(self.root, self.terms, self._budget, self._post, self._spare)
        self._guard = Guard(instance, identity)
        self.instance, self._reason = instance, "inotify"

    def _close(self) -> None:
        guard, instance = self._guard, self.instance
        self._guard = self.instance = None
        if guard is not None:
            guard.stop()
        if instance is not None:
            instance.stop()

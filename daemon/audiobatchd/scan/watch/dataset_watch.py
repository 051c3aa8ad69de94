"""The watch on one dataset as long as it is configured: the instance of now, or why there is none."""

from __future__ import annotations

import errno
import os
import threading

from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.scan.watch.guard import Guard
from audiobatchd.scan.watch.inotify import Instance, WatchedDataset
from audiobatchd.scan.watch.limits import is_shortage, shortage, why
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.states import WatchMode, WatchReport

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)


class DatasetWatch:
    """Watches the root as it is now, as often as it is told to ensure that."""

    def __init__(self, dataset: WatchedDataset) -> None:
        self.dataset = dataset
        self.instance: Instance | None = None
        """The watch of now; None where there is none."""
        self._guard: Guard | None = None
        self._lack = 0
        """The error number that kept even the root from being watched; 0 where none did."""
        self._reason = "mode = walk" if dataset.terms.mode is WatchMode.WALK else "not watched yet"
        """How the dataset is watched, or why it is not."""
        self._lock = threading.Lock()
        """Held while a watch is set up or ended, which may hang with the disk. The questions of the loop take none."""
        self._ended = False

    def ensure(self, *, renew: bool) -> bool:
        """See `Watch.ensure`."""
        with self._lock:
            if self._ended or self.dataset.terms.mode is WatchMode.WALK:
                return True
            return self._ensure(renew=renew)

    def look(self) -> bool:
        """See `Watch.look`."""
        with self._lock:
            if self._ended:
                return False
            if self.instance is not None:
                self.instance.make_up()
                return False
            return bool(self._lack) and self._ensure(renew=False) and self.instance is not None

    def end(self) -> None:
        """Watch no more, for good."""
        with self._lock:
            self._ended = True
            self._close()

    def report(self) -> WatchReport:
        """See `Watch.report`."""
        instance, reason, lack = self.instance, self._reason, self._lack
        if instance is None:
            return WatchReport(False, reason, reason if lack else "", lacks=frozenset({lack} if lack else ()))
        tree, lacks = instance.tree, dict(instance.tree.lacks)
        short = frozenset(number for number, count in lacks.items() if count and is_shortage(number))
        return WatchReport(True, reason, shortage(lacks), len(tree.parents), len(tree.leaves), tree.left, short)

    def _ensure(self, *, renew: bool) -> bool:
        """Have the root watched, as it is now; whether there is one."""
        try:
            identity = FileId.of(os.stat(self.dataset.root))
            refusal = self._refusal()
            if refusal or renew or not self._is_sound(identity):
                lacking = self._close()
                self._reason, self._lack = refusal, 0
                if not refusal:
                    self._open(identity, lacking)
        except OSError as error:
            self._close()
            absent = error.errno in _ABSENT
            self._lack = 0 if absent else error.errno or errno.EIO
            self._reason = f"cannot watch it ({why(error.errno or 0)})"
            return not absent
        return True

    def _refusal(self) -> str:
        """Say why no events are to be expected; empty where they are. Raises OSError where the root is not there."""
        kind, filesystem = filesystems.of(self.dataset.root)
        if self.dataset.terms.mode is WatchMode.EVENTS or kind is Kind.LOCAL:
            return ""
        return f"{filesystem} sends no events of other machines"

    def _is_sound(self, identity: FileId) -> bool:
        instance, guard = self.instance, self._guard
        if instance is None or guard is None or guard.identity != identity:
            return False
        return not instance.lost and instance.is_alive()

    def _open(self, identity: FileId, lacking: dict[str, int]) -> None:
        """Watch the root; what was `lacking` before is lacking until the walk that follows, or a look, has it."""
        instance = Instance(self.dataset, os.path.realpath(self.dataset.root))
        try:
            self._guard = Guard(instance, identity)
        except RuntimeError as error:  # no thread can be had
            instance.stop()
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        instance.inherit(lacking)
        self.instance, self._reason = instance, "inotify"

    def _close(self) -> dict[str, int]:
        """End the watch of now; the directories that room was lacking for, with the error number of each."""
        guard, instance = self._guard, self.instance
        self._guard = self.instance = None
        if guard is not None:
            guard.stop()
        return instance.stop() if instance is not None else {}

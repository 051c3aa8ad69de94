"""The inotify instance of one dataset: the directories that are watched, and room for them.

What the events mean is the business of `translation`.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from watchdog.observers.inotify_c import InotifyConstants, Mask

from audiobatchd.core.events import Event, TreeAppeared, WatchLost
from audiobatchd.scan.watch.contract import WatchTerms
from audiobatchd.scan.watch.descriptor import Descriptor
from audiobatchd.scan.watch.directories import Tree
from audiobatchd.scan.watch.limits import Budget, is_shortage
from audiobatchd.scan.watch.translation import Translation
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.names import folder_at

_C = InotifyConstants
# No IN_MODIFY: a slow copy would send one for every block, and what was written is closed in the end. No IN_OPEN and
# IN_ACCESS: our own walks would send them. No IN_MOVE_SELF and IN_DELETE_SELF: the directory above tells of these, and
# a moved directory may have got its new path here by the time that its own event comes.
_MASK = Mask(
    _C.IN_CREATE | _C.IN_MOVED_TO | _C.IN_MOVED_FROM | _C.IN_DELETE | _C.IN_CLOSE_WRITE | _C.IN_ATTRIB
    | _C.IN_ONLYDIR | _C.IN_DONT_FOLLOW | _C.IN_EXCL_UNLINK
)  # fmt: skip
# The root has no directory above it that tells, and may be a link to a directory.
_ROOT_MASK = Mask((_MASK | _C.IN_MOVE_SELF | _C.IN_DELETE_SELF) & ~_C.IN_DONT_FOLLOW)
_SENTINEL_MASK = _C.IN_OPEN
_TRIES = 3
_NO_DIRECTORIES = 2
"""Links to a directory without directories, on most file systems."""
_MADE_UP = 1000
"""Number of directories that are tried at one look, of those that room was lacking for."""


@dataclass(frozen=True)
class WatchedDataset:
    """A dataset that is watched, and what its watch shares with the others."""

    root: str
    terms: WatchTerms
    budget: Budget
    """The leaves that may still be watched, over all datasets."""
    post: Callable[[Event], None]
    """Takes an event from any thread; it does not block."""
    spare: Callable[[Instance], bool]
    """Has another instance than the given one give up a leaf; whether one did."""


class Instance:
    """The watch on one dataset whose root is, and stays, one directory: another root takes another instance.

    Raises OSError where not even the root can be watched.
    """

    def __init__(self, dataset: WatchedDataset, place: str) -> None:
        self.root = dataset.root
        self.place = place
        """The root's path without links, for one may be pointed elsewhere while this watch is held."""
        self.tree = Tree()
        self.lost = ""
        """Reason why events are not heard any more; empty while they are."""
        self.sentinel: int | None = None
        """The watch descriptor of the guard's file."""
        self.heard_sentinel = False
        self._dataset = dataset
        self._budget = dataset.budget
        self._lock = threading.Lock()
        """Held while the tree or the kernel's watches change."""
        self._ended = False
        self._descriptor = Descriptor(f"watch {self.root}", Translation(self, dataset.terms))
        try:
            number = self._obtain("", leaf=False)
            if number:
                raise OSError(number, os.strerror(number))
        except BaseException:
            self.stop()
            raise

    # Asked by walks

    def enter(self, path: str, *, leaf: bool | None, hot: bool = False) -> bool:
        """See `DirectoryWatch.enter`."""
        tree = self.tree
        if path in tree.parents or (leaf is not False and path in tree.leaves):
            return True
        return not self._obtain(path, leaf=leaf, hot=hot)

    def listed(self, path: str, *, leaf: bool) -> None:
        """See `DirectoryWatch.listed`."""
        tree = self.tree
        if path in (tree.leaves if leaf else tree.parents) or not path:
            return
        if leaf:
            with self._lock:
                if path in tree.parents:
                    self._becomes_leaf(path)
        elif not tree.is_watched(path) and not self._obtain(path, leaf=False):
            # What came into it between its listing and now sent no event.
            self.post(TreeAppeared(FolderKey(self.root, path)))
        else:
            self.becomes_parent(path)

    def forget(self, path: str) -> None:
        """See `DirectoryWatch.forget`."""
        if path:
            self.cut(path)

    def yield_leaf(self) -> bool:
        """Give up a leaf, for a parent of another dataset; whether there was one to give."""
        if not self._lock.acquire(timeout=0.1):
            return False  # its disk hangs, or it looks for room itself
        try:
            return self._drop_leaf()
        finally:
            self._lock.release()

    # Asked by looks

    def make_up(self) -> None:
        """Watch what room was lacking for, as far as there is some now. A walk finds what came meanwhile."""
        with self._lock:
            lacking = (path for path, number in self.tree.lacking.items() if is_shortage(number))
            paths = list(itertools.islice(lacking, _MADE_UP))
        for path in paths:
            # As a leaf, for it must not take the place of another one: these two would change places for ever.
            number = self._obtain(path, leaf=True)
            if is_shortage(number):
                return
            if number in (0, errno.EDQUOT):
                self.post(TreeAppeared(FolderKey(self.root, path)))

    def inherit(self, lacking: Mapping[str, int]) -> None:
        """Take over the directories that room was lacking for until now, with the error number of each."""
        with self._lock:
            for path, number in lacking.items():
                if path and not self.tree.is_watched(path):
                    self.tree.lack(path, number)

    # Asked by the guard

    def is_alive(self) -> bool:
        """Tell whether the events are read."""
        return self._descriptor.is_alive()

    def lose(self, reason: str) -> None:
        """Tell, once, that events are not heard any more. It takes another instance to hear them again."""
        with self._lock:
            told, self.lost = self.lost, self.lost or reason
        if not told:
            self.post(WatchLost(self.root, reason))

    def watch_sentinel(self, file: str) -> None:
        """Note the opening of this file, which belongs to the guard alone, in `heard_sentinel` from now on."""
        with self._lock:
            if not self._ended:
                self.sentinel = self._descriptor.add(os.fsencode(file), _SENTINEL_MASK)

    def sweep(self) -> None:
        """End a portion of the watches that are not wanted any more."""
        with self._lock:
            if not self._ended:
                self._descriptor.sweep()

    def stop(self) -> dict[str, int]:
        """Watch no more; the directories that room was lacking for, with the error number of each."""
        with self._lock:
            self._ended = True
            lacking = {path: number for path, number in self.tree.lacking.items() if is_shortage(number)}
            self._budget.give(len(self.tree.leaves))
            self.tree = Tree()
        self._descriptor.stop()
        return lacking

    # Asked while events are heard

    def post(self, event: Event) -> None:
        """Hand an event on, unless the watch has ended."""
        if not self._ended:
            self._dataset.post(event)

    def cut(self, path: str) -> None:
        """Watch a directory that is gone from its place no more, nor anything below it."""
        with self._lock:
            gone = self.tree.cut(path)
            self._descriptor.let_go(wd for wd, _ in gone)
            self._budget.give(sum(leaf for _, leaf in gone))

    def becomes_parent(self, path: str) -> None:
        """Learn that there are directories in it."""
        if path in self.tree.leaves:
            with self._lock:
                if path in self.tree.leaves:
                    self._turn(path)

    def over(self, wd: int) -> str | None:
        """Learn that the kernel has ended a watch by itself; the path that was watched by it, if one was."""
        self._descriptor.is_over(wd)
        if wd == self.sentinel:
            self.sentinel = None
        return None if self._ended else self.tree.path_of.get(wd)

    # How

    def _obtain(self, path: str, *, leaf: bool | None, hot: bool = False) -> int:
        """Have a directory watched; the error number where it is not, 0 where it is."""
        number = errno.ENOSPC
        for _ in range(_TRIES):
            with self._lock:
                number = self._try(path, leaf=leaf, hot=hot)
            if number != errno.ENOSPC or leaf or not self._dataset.spare(self):
                break
        return number

    def _try(self, path: str, *, leaf: bool | None, hot: bool) -> int:
        if self._ended:
            return errno.EBADF
        if self.tree.is_watched(path):
            if leaf is False and path in self.tree.leaves:
                self._turn(path)
            return 0
        if leaf is None and path and self._is_likely_left(path):
            leaf = True
        if leaf and path and not self._budget.take() and not (hot and self._give_way() and self._budget.take()):
            self.tree.leave(path)
            return errno.EDQUOT
        number = self._place(path, leaf=bool(leaf and path))
        if number and leaf and path:
            self._budget.give()
        if number in (errno.ENOENT, errno.ENOTDIR):
            self.tree.drop(path)  # it went, or was none: nothing is lacking
        elif number:
            self.tree.lack(path, number)
        return number

    def _is_likely_left(self, path: str) -> bool:
        """Guess whether a directory that is not known yet will be left to walks.

        Watching it until it is listed would be in vain, and takes most of a walk's time. A mistake is mended by
        `listed`. Most file systems count a directory's directories in its links.
        """
        if self.tree.is_left(path):
            return True
        try:
            return self._budget.is_used_up() and os.stat(folder_at(self.place, path)).st_nlink == _NO_DIRECTORIES
        except OSError:
            return False

    def _place(self, path: str, *, leaf: bool) -> int:
        where = os.fsencode(folder_at(self.place, path))
        for _ in range(_TRIES):
            try:
                wd = self._descriptor.add(where, _MASK if path else _ROOT_MASK)
            except OSError as error:
                if error.errno != errno.ENOSPC or not (self._descriptor.sweep() or (not leaf and self._drop_leaf())):
                    return error.errno or errno.EIO
            else:
                return self._enter_as(path, wd, leaf=leaf)
        return errno.ENOSPC

    def _enter_as(self, path: str, wd: int, *, leaf: bool) -> int:
        other = self.tree.path_of.get(wd)
        if other == "":
            # The root itself, mounted once more below it; as the root it is told of.
            self._descriptor.add(os.fsencode(self.place), _ROOT_MASK)
            return errno.ENOENT
        if other in self.tree.leaves:
            self._budget.give()
        self.tree.put(path, wd, leaf=leaf)
        return 0

    def _turn(self, path: str) -> None:
        self.tree.turn(path, leaf=False)
        self._budget.give()

    def _becomes_leaf(self, path: str) -> None:
        if self._budget.take():
            self.tree.turn(path, leaf=True)
            return
        self._descriptor.remove(self.tree.drop(path))
        self.tree.leave(path)

    def _give_way(self) -> bool:
        """Leave to walks what has been watched for longest, for one in which something happens now."""
        path = next(iter(self.tree.leaves), None)
        if path is None:
            return False
        self._descriptor.remove(self.tree.drop(path))
        self._budget.give()
        self.tree.leave(path)
        return True

    def _drop_leaf(self) -> bool:
        path = self.tree.last_leaf()
        if path is None or self._ended:
            return False
        self._descriptor.remove(self.tree.drop(path))
        self._budget.give()
        self.tree.lack(path, errno.ENOSPC)
        return True

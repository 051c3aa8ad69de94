"""One inotify instance with one thread that reads it: the directories of one dataset that are watched.

Built on watchdog's `InotifyFD` (docs/adr/0012). What is heard is the business of `hearing`.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
import warnings
from collections.abc import Callable, Mapping

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyFD, Mask, WatchDescriptor

from audiobatchd.core.events import Event, TreeAppeared, WatchLost
from audiobatchd.scan.watch.contract import WatchTerms
from audiobatchd.scan.watch.directories import Tree
from audiobatchd.scan.watch.limits import Budget, is_shortage, limit, reserve_descriptors
from audiobatchd.scan.watch.translation import Hearing
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
# The root has nobody above it that tells, and may be a link to a directory.
_ROOT_MASK = Mask((_MASK | _C.IN_MOVE_SELF | _C.IN_DELETE_SELF) & ~_C.IN_DONT_FOLLOW)
_COOKIE_MASK = _C.IN_OPEN
_ID = CallbackId(0)
_TRIES = 3
_NO_DIRECTORIES = 2
_PATIENCE = 5.0
_MADE_UP = 1000
"""So many directories that room was lacking for are tried at one look."""
# A directory that comes back before it was let go is registered twice, of which watchdog warns; that is no matter.
# Known by the place that it comes from, since its words are watchdog's.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.|audiobatchd\.scan\.watch\.")


class Instance:
    """The watch on one dataset whose root is, and stays, one directory: another root takes another instance.

    `place` is that directory's path without links, for one may be pointed elsewhere while this watch is held. `post`
    must not block; it is called from any thread. `spare` has another instance give up a leaf, and tells whether one
    did. Raises OSError where not even the root can be watched.
    """

    def __init__(
        self,
        root: str,
        place: str,
        terms: WatchTerms,
        budget: Budget,
        post: Callable[[Event], None],
        spare: Callable[[Instance], bool],
    ) -> None:
        self.root = root
        self.place = place
        self.tree = Tree()
        self.lost = ""
        self.cookie: int | None = None
        self.heard_cookie = False
        self._budget = budget
        self._deliver = post
        self._spare = spare
        self._lock = threading.Lock()
        self._ended = False
        # What went is let go by and by: each watch that is removed sends an event, and thousands overflow the queue.
        self._let_go: set[int] = set()
        self._portion = max(limit("max_queued_events") // 4, 1)
        self._hearing = Hearing(self, terms)
        reserve_descriptors()
        self._descriptor = InotifyFD()
        self._descriptor.name = f"watch {root}"
        self._descriptor.daemon = True  # a mount that hangs must not keep the service from ending
        try:
            self._descriptor.start()
        except RuntimeError as error:  # no thread can be had; closing would leave the rest to one that reads
            self._descriptor._is_reading = False  # noqa: SLF001  # there is no other way to give the descriptors back
            self._descriptor.close()
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        try:
            number = self._obtain("", leaf=False)
            if number:
                raise OSError(number, os.strerror(number))
        except BaseException:
            self.stop()
            raise

    # Asked by walks

    def enter(self, path: str, *, leaf: bool | None, hot: bool = False) -> bool:
        """See `Watches.enter`."""
        tree = self.tree
        if path in tree.parents or (leaf is not False and path in tree.leaves):
            return True
        return not self._obtain(path, leaf=leaf, hot=hot)

    def listed(self, path: str, *, leaf: bool) -> None:
        """See `Watches.listed`."""
        tree = self.tree
        if path in (tree.leaves if leaf else tree.parents) or not path:
            return
        if leaf:
            with self._lock:
                if path in tree.parents:
                    self._becomes_leaf(path)
        elif not self.is_watched(path) and not self._obtain(path, leaf=False):
            # What came into it between its listing and now sent no event.
            self.post(TreeAppeared(FolderKey(self.root, path)))
        else:
            self.becomes_parent(path)

    def forget(self, path: str) -> None:
        """The directory is gone, and all below it."""
        if path:
            self.cut(path)

    def yield_leaf(self) -> bool:
        """Give up a leaf, for somebody who needs a watch for a parent; whether there was one to give."""
        if not self._lock.acquire(timeout=0.1):
            return False  # its disk hangs, or it looks for room itself
        try:
            return self._drop_leaf()
        finally:
            self._lock.release()

    def is_watched(self, path: str) -> bool:
        """Whether the directory is watched."""
        return self.tree.is_watched(path)

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
        """Room was lacking for these directories until now."""
        with self._lock:
            for path, number in lacking.items():
                if path and not self.tree.is_watched(path):
                    self.tree.lack(path, number)

    # Asked by the guard

    def is_alive(self) -> bool:
        """Whether somebody reads the events."""
        return self._descriptor.is_alive()

    def lose(self, reason: str) -> None:
        """Events are not heard any more: tell it, once. It takes another instance to hear them again."""
        with self._lock:
            told, self.lost = self.lost, self.lost or reason
        if not told:
            self.post(WatchLost(self.root, reason))

    def watch_cookie(self, file: str) -> None:
        """From now on the opening of this file, which is nobody else's, is noted in `heard_cookie`."""
        with self._lock:
            if not self._ended:
                self.cookie = self._add(os.fsencode(file), _COOKIE_MASK)

    def sweep(self) -> None:
        """Let a portion go of what is not to be watched any more."""
        with self._lock:
            self._sweep()

    def stop(self) -> dict[str, int]:
        """Watch no more; what room was lacking for. Waits for the thread, yet not for ever."""
        with self._lock:
            self._ended = True
            lacking = {path: number for path, number in self.tree.lacking.items() if is_shortage(number)}
            self._budget.give(len(self.tree.leaves))
            self.tree = Tree()
        self._descriptor.stop()
        self._descriptor.join(_PATIENCE)
        return lacking

    # Asked while events are heard

    def post(self, event: Event) -> None:
        """Hand an event on, unless the watch has ended."""
        if not self._ended:
            self._deliver(event)

    def cut(self, path: str) -> None:
        """The directory is gone from its place, and all below it: watch them no more."""
        with self._lock:
            gone = self.tree.cut(path)
            self._let_go.update(wd for wd, _ in gone)
            self._budget.give(sum(leaf for _, leaf in gone))

    def becomes_parent(self, path: str) -> None:
        """There are directories in it."""
        if path in self.tree.leaves:
            with self._lock:
                if path in self.tree.leaves:
                    self._turn(path)

    def over(self, wd: int) -> str | None:
        """The kernel has ended a watch by itself: the path that was watched by it, if one was."""
        self._let_go.discard(wd)
        if wd == self.cookie:
            self.cookie = None
        return None if self._ended else self.tree.path_of.get(wd)

    # How

    def _obtain(self, path: str, *, leaf: bool | None, hot: bool = False) -> int:
        """See to it that a directory is watched; the error number where it is not, which is 0 where it is."""
        number = errno.ENOSPC
        for _ in range(_TRIES):
            with self._lock:
                number = self._try(path, leaf=leaf, hot=hot)
            if number != errno.ENOSPC or leaf or not self._spare(self):
                break
        return number

    def _try(self, path: str, *, leaf: bool | None, hot: bool) -> int:
        if self._ended:
            return errno.EBADF
        if self.is_watched(path):
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
        """Whether watching it until it is listed would be in vain: beyond the budget that costs most of a walk's time.

        A mistake is mended by `listed`. Most file systems count a directory's directories in its links.
        """
        if self.tree.is_left(path):
            return True
        try:
            return self._budget.is_used_up() and os.stat(self._where(path)).st_nlink == _NO_DIRECTORIES
        except OSError:
            return False

    def _where(self, path: str) -> bytes:
        return os.fsencode(folder_at(self.place, path))

    def _place(self, path: str, *, leaf: bool) -> int:
        where = self._where(path)
        for _ in range(_TRIES):
            try:
                wd = self._add(where, _MASK if path else _ROOT_MASK)
            except OSError as error:
                if error.errno != errno.ENOSPC or not (self._sweep() or (not leaf and self._drop_leaf())):
                    return error.errno or errno.EIO
            else:
                return self._enter_as(path, wd, leaf=leaf)
        return errno.ENOSPC

    def _enter_as(self, path: str, wd: int, *, leaf: bool) -> int:
        self._let_go.discard(wd)
        other = self.tree.path_of.get(wd)
        if other == "":
            # The root itself, mounted once more below it; as the root it is told of.
            self._add(os.fsencode(self.place), _ROOT_MASK)
            return errno.ENOENT
        if other in self.tree.leaves:
            self._budget.give()
        self.tree.put(path, wd, leaf=leaf)
        return 0

    def _add(self, where: bytes, mask: Mask) -> int:
        wd = self._descriptor.add_callback(where, mask, self._hearing, _ID)
        if wd == -1:
            # watchdog swallows this one error, and enters a watch that there is not.
            self._descriptor.remove_callbacks([(wd, _ID)])
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return wd

    def _turn(self, path: str) -> None:
        self.tree.turn(path, leaf=False)
        self._budget.give()

    def _becomes_leaf(self, path: str) -> None:
        if self._budget.take():
            self.tree.turn(path, leaf=True)
            return
        self._remove(self.tree.drop(path))
        self.tree.leave(path)

    def _give_way(self) -> bool:
        """Leave to walks what has been watched for longest, for one in which something happens now."""
        path = next(iter(self.tree.leaves), None)
        if path is None:
            return False
        self._remove(self.tree.drop(path))
        self._budget.give()
        self.tree.leave(path)
        return True

    def _drop_leaf(self) -> bool:
        path = self.tree.last_leaf()
        if path is None or self._ended:
            return False
        self._remove(self.tree.drop(path))
        self._budget.give()
        self.tree.lack(path, errno.ENOSPC)
        return True

    def _remove(self, wd: int | None) -> None:
        if wd is not None:
            self._descriptor.remove_callbacks([(WatchDescriptor(wd), _ID)])

    def _sweep(self) -> bool:
        """Whether there was anything to let go."""
        portion = [self._let_go.pop() for _ in range(min(self._portion, len(self._let_go)))]
        if portion and not self._ended:
            self._descriptor.remove_callbacks([(WatchDescriptor(wd), _ID) for wd in portion])
        return bool(portion)

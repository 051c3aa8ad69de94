"""The translation of inotify's events into hints: which folder, or which tree, should be looked at.

What follows from a hint is not known here. It runs in watchdog's thread, which an exception would end without a word.
"""

from __future__ import annotations

import os
from typing import Protocol

from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, WatchDescriptor

from audiobatchd.core.discovery import enters, is_relevant
from audiobatchd.core.events import Event, FolderHint, FolderTouched, TreeAppeared, TreeVanished, WatchLost
from audiobatchd.scan.watch.contract import WatchTerms
from audiobatchd.scan.watch.directories import Tree
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.log_events import LogEvent, write

_C = InotifyConstants
_APPEARS = _C.IN_CREATE | _C.IN_MOVED_TO
_VANISHES = _C.IN_DELETE | _C.IN_MOVED_FROM
_ENDS = {
    _C.IN_DELETE_SELF: "the root was removed",
    _C.IN_MOVE_SELF: "the root was moved away",
    _C.IN_UNMOUNT: "the root's file system was unmounted",
}


class Watched(Protocol):
    """The instance as the translation sees it."""

    root: str
    tree: Tree
    sentinel: int | None
    """Watch descriptor of the guard's sentinel; None where there was no room for one."""
    heard_sentinel: bool
    """True once an event of the sentinel has come."""
    lost: str
    """Reason why events are lost; empty while none are."""

    def post(self, event: Event) -> None:
        """Hand an event on."""

    def cut(self, path: str) -> None:
        """Watch a directory that is gone from its place no more, nor anything below it."""

    def becomes_parent(self, path: str) -> None:
        """Learn that there are directories in it."""

    def lose(self, reason: str) -> None:
        """Tell that events are not heard any more."""

    def over(self, wd: int) -> str | None:
        """Learn that the kernel has ended a watch by itself; the path that was watched by it, if one was."""


class Translation:
    """The callbacks of every watch of one instance."""

    def __init__(self, watched: Watched, terms: WatchTerms) -> None:
        self._watched = watched
        self._terms = terms

    def on_event(self, event: InotifyEvent) -> None:
        """Translate what happened in a directory, or to it."""
        try:
            self._translate(event.wd, event.mask, os.fsdecode(event.name))
        except Exception as error:  # noqa: BLE001  # logged
            # The boundary to watchdog's thread.
            write(LogEvent.WATCH_EVENT, {"mask": f"{event.mask:#x}"}, error=error)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Translate the end of a watch by the kernel: its directory is gone, whether or not the one above told."""
        try:
            path = self._watched.over(wd)
            if path == "":
                self._watched.lose("the root is watched no more")
            elif path is not None:
                self._vanished(path)
        except Exception as error:  # noqa: BLE001  # logged
            # The boundary to watchdog's thread.
            write(LogEvent.WATCH_EVENT, {"mask": f"{_C.IN_IGNORED:#x}"}, error=error)

    def on_queue_overflow(self) -> None:
        """Tell that events were lost: everything has to be looked at, and watched, again."""
        try:
            self._watched.lost = "the kernel's queue overflowed: events were lost"
            self._watched.post(WatchLost(self._watched.root, self._watched.lost))
        except Exception as error:  # noqa: BLE001  # logged
            # The boundary to watchdog's thread.
            write(LogEvent.WATCH_EVENT, {"mask": f"{_C.IN_Q_OVERFLOW:#x}"}, error=error)

    def _translate(self, wd: int, mask: int, name: str) -> None:
        if wd == self._watched.sentinel:
            self._watched.heard_sentinel = True
            return
        path = self._watched.tree.path_of.get(wd)
        if path is None:
            return  # it was let go
        if not name:
            self._translate_own(path, mask)
            return
        # By what name the root is a folder depends on where its path leads.
        folder = os.path.basename(path) or None
        if is_relevant(name, folder, is_dir=bool(mask & _C.IN_ISDIR)) or name == self._terms.marker:
            self._say(FolderHint, path)
        if mask & _C.IN_ISDIR and enters(name, self._terms.ignore):
            self._translate_directory(path, os.path.join(path, name), mask)

    def _translate_directory(self, parent: str, path: str, mask: int) -> None:
        if mask & _VANISHES:
            self._vanished(path)
        elif mask & _APPEARS:
            self._watched.becomes_parent(parent)
            if mask & _C.IN_MOVED_TO:
                self._watched.cut(path)  # it may have taken the place of an empty one, which goes without a name
            self._say(TreeAppeared, path)
        elif mask & _C.IN_ATTRIB:
            self._say(FolderTouched, path)

    def _translate_own(self, path: str, mask: int) -> None:
        if not path:
            for end, reason in _ENDS.items():
                if mask & end:
                    self._watched.lose(reason)
        elif mask & _C.IN_UNMOUNT:
            self._vanished(path)
        # Where the directory above is watched, it tells of this one by its name.
        if mask & _C.IN_ATTRIB and not (path and self._watched.tree.is_watched(os.path.dirname(path))):
            self._say(FolderTouched, path)

    def _vanished(self, path: str) -> None:
        self._watched.cut(path)
        self._say(TreeVanished, path)

    def _say(self, event: type[FolderHint | FolderTouched | TreeAppeared | TreeVanished], path: str) -> None:
        self._watched.post(event(FolderKey(self._watched.root, path)))

"""Events of the file system, as hints: which folder, or which tree, should be looked at.

What they mean is not known here.
Built on watchdog, whose events may be lost, doubled or late (docs/explanation/watching); walks make up for that.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress

from watchdog.events import (
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirModifiedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from audiobatchd.core.discovery import enters, is_relevant
from audiobatchd.core.events import Event, FolderHint, FolderTouched, TreeAppeared, TreeVanished, WatchLost
from audiobatchd.model import FolderKey

_LOG = logging.getLogger(__name__)
# With opened and closed-no-write events watchdog's own registration walk floods its queue for ever.
_EVENTS: list[type[FileSystemEvent]] = [
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirModifiedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
# A nested `cp -r` makes watchdog warn with a text of megabytes.
warnings.filterwarnings("ignore", module=r"watchdog\..*", category=RuntimeWarning)


GUARD_INTERVAL = 5.0
"""Seconds between two looks whether a dataset's root is still the one that is watched."""


class Watch:
    """The watch on one dataset. `post` is called from watchdog's thread and must not block."""

    def __init__(self, root: str, ignore: tuple[str, ...], post: Callable[[Event], None]) -> None:
        self.root = root
        self.ignore = ignore
        self._translator = _Translator(root, ignore, post)
        self._identity: tuple[int, int] | None = None
        self._observer: BaseObserver | None = None

    def lost(self) -> str:
        """Why events of the root, as it is now, are not heard of, although they once were; empty where they are."""
        if self._observer is None:
            return ""
        try:
            status = os.stat(self.root)
        except OSError as error:
            return f"cannot read the root: {error.strerror}"
        if (status.st_dev, status.st_ino) != self._identity:
            return "another directory has taken the root's place"
        return "" if self._is_alive() else "the observer has ended"

    def ensure(self, *, renew: bool = False) -> str:
        """See to it that the root, as it is now, is watched; a reason where it cannot be. Blocks while it registers.

        `renew`: also where it is watched already, for below it something may not be.
        """
        try:
            status = os.stat(self.root)
        except OSError:
            self.stop()
            return ""
        identity = (status.st_dev, status.st_ino)
        if self._is_alive() and identity == self._identity and not renew:
            return ""
        self.stop()
        observer = Observer()
        try:
            os.scandir(self.root).close()  # watchdog says nothing of a root that it may not read
            observer.schedule(self._translator, self.root, recursive=True, event_filter=_EVENTS)
            observer.start()
        except OSError as error:
            observer.stop()
            return f"no events: cannot watch it ({error.strerror})"
        self._observer, self._identity = observer, identity
        return ""

    def _is_alive(self) -> bool:
        return self._observer is not None and all(emitter.is_alive() for emitter in self._observer.emitters)

    def stop(self) -> None:
        """Watch no more."""
        if self._observer is not None:
            self._observer.stop()
            with suppress(RuntimeError):  # it never got to start its thread
                self._observer.join(timeout=5)
            self._observer = None


class Watches:
    """The watches on all datasets."""

    def __init__(self) -> None:
        self._watches: dict[str, Watch] = {}
        self._ending = threading.Event()

    def listen(self, post: Callable[[Event], None]) -> None:
        """From now on events go to `post`, which is called from other threads and must not block."""
        self._post = post
        self._overflows = OverflowHandler(lambda: tuple(self._watches), post)

    def replace(self, ignores: Mapping[str, tuple[str, ...]]) -> None:
        """These are the datasets from now on, with the patterns that are not entered; the watch on others ends.

        Nothing is watched before `ensure` was called for it.
        """
        kept = {root: watch for root, watch in self._watches.items() if ignores.get(root) == watch.ignore}
        for root, watch in self._watches.items():
            if root not in kept:
                threading.Thread(target=watch.stop, name=f"end of watch {root}", daemon=True).start()
        made = {root: Watch(root, ignore, self._post) for root, ignore in ignores.items() if root not in kept}
        self._watches = {**kept, **made}
        for watch in made.values():
            threading.Thread(target=self._guard, args=(watch,), name=f"guard {watch.root}", daemon=True).start()

    def ensure(self, root: str, *, renew: bool = False) -> str:
        """See `Watch.ensure`; nothing is done for a dataset that is none any more."""
        watch = self._watches.get(root)
        return watch.ensure(renew=renew) if watch else ""

    def stop(self) -> None:
        """Watch no more."""
        self._ending.set()
        for watch in self._watches.values():
            watch.stop()

    def _guard(self, watch: Watch) -> None:
        """Tell, once, when a watch sees its root no more: an unmount sends no event, nor does a rename."""
        told = ""
        while not self._ending.wait(GUARD_INTERVAL) and self._watches.get(watch.root) is watch:
            why = watch.lost()
            if why and why != told:
                self._post(WatchLost(watch.root, why))
            told = why


class OverflowHandler(logging.Handler):
    """The kernel's queue overflowing reaches an application only as a line of watchdog's log."""

    def __init__(self, datasets: Callable[[], tuple[str, ...]], post: Callable[[Event], None]) -> None:
        super().__init__(level=logging.WARNING)
        self._datasets = datasets
        self._post = post
        logger = logging.getLogger("watchdog.observers.inotify_c")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Have every dataset walked: the line does not say whose events were lost."""
        for dataset in self._datasets():
            self._post(WatchLost(dataset, record.getMessage()[:200]))


class _Translator(FileSystemEventHandler):
    """Turns watchdog's events into ours. Never raises: an exception would end watchdog's thread without a word."""

    def __init__(self, root: str, ignore: tuple[str, ...], post: Callable[[Event], None]) -> None:
        self._root = root
        self._ignore = ignore
        self._post = post

    def dispatch(self, event: FileSystemEvent) -> None:
        try:
            self._translate(event)
        except Exception:  # noqa: BLE001  # logged
            # The boundary to watchdog's thread.
            _LOG.exception("watch-event %s", type(event).__name__)

    def _translate(self, event: FileSystemEvent) -> None:
        source, target = os.fsdecode(event.src_path), os.fsdecode(event.dest_path or "")
        match event:
            case DirModifiedEvent() | DirAttribEvent():
                self._say(FolderTouched, source)
            case DirCreatedEvent():
                self._say(TreeAppeared, source)
            case DirDeletedEvent():
                self._say(TreeVanished, source)
            case DirMovedEvent():
                self._say(TreeVanished, source)
                self._say(TreeAppeared, target)
            case _:
                for path in (source, target):
                    if is_relevant(os.path.basename(path)):
                        self._say(FolderHint, os.path.dirname(path))

    def _say(self, event: type[FolderHint | FolderTouched | TreeAppeared | TreeVanished], path: str) -> None:
        if not path:
            return
        relative = os.path.relpath(path, self._root)
        if relative == ".":
            relative = ""
        parts = relative.split(os.sep) if relative else []
        if ".." not in parts and all(enters(part, self._ignore) for part in parts):
            self._post(event(FolderKey(self._root, relative)))

"""A watched dataset that is walked as the service does it, and limits of the kernel, lowered for a moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audiobatchd.core.discovery import enters
from audiobatchd.core.events import Event, FolderHint, FolderTouched, TreeAppeared, TreeVanished, WatchLost
from audiobatchd.scan.watch.contract import WatchTerms
from audiobatchd.scan.watch.inotify import Instance
from audiobatchd.scan.watch.watches import Watches
from audiobatchd.vocabulary.states import WatchMode, WatchReport
from support.service import eventually

ROOT = os.geteuid() == 0
LAST = "last"
HINTS = (FolderHint, FolderTouched, TreeAppeared, TreeVanished)
Seen = tuple[type[Event], str]


class Ear:
    """A watched dataset, and everything that was heard of it. A tree that appears is walked at once."""

    def __init__(
        self, root: Path, ignore: tuple[str, ...] = (), *, budget: int | None = None, mode: WatchMode = WatchMode.EVENTS
    ) -> None:
        self.root = root
        self.ignore = ignore
        self.events: list[Event] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.watches = Watches(budget=budget)
        self.watches.listen(self.post)
        self.watches.replace({str(root): WatchTerms(ignore, mode)})

    def post(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, TreeAppeared):
            self.walk(event.key.path)
        self.go_on.wait(60)

    def full_walk(self, *, renew: bool = False) -> WatchReport:
        """What the daemon does at the start, and now and then."""
        self.watches.ensure(str(self.root), renew=renew)
        self.walk("")
        return self.report()

    def walk(self, path: str) -> None:
        stack = [path]
        while stack:
            each = stack.pop()
            self.watches.enter(str(self.root), each, leaf=None)
            try:
                with os.scandir(self.root / each) as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            below = sorted((os.path.join(each, name) for name in names if enters(name, self.ignore)), reverse=True)
            self.watches.listed(str(self.root), each, leaf=not below)
            stack += below

    def enter(self, path: str, *, leaf: bool | None = None) -> bool:
        return self.watches.enter(str(self.root), path, leaf=leaf)

    def report(self) -> WatchReport:
        return self.watches.report(str(self.root))

    @property
    def instance(self) -> Instance:
        instance = self.watches._watches[str(self.root)].instance
        assert instance is not None
        return instance

    def watched(self) -> set[str]:
        return {*self.instance.tree.parents, *self.instance.tree.leaves}

    def seen(self) -> set[Seen]:
        hints = [event for event in list(self.events) if isinstance(event, HINTS)]
        assert all(hint.key.dataset == str(self.root) for hint in hints)
        return {(type(hint), hint.key.path) for hint in hints}

    def lost(self) -> list[str]:
        """The reasons for which events were lost, in order."""
        return [event.reason for event in list(self.events) if isinstance(event, WatchLost)]

    def hears(self, *expected: Seen) -> None:
        """Wait until these have been heard."""
        eventually(lambda: self.seen() >= set(expected), what=self.seen)

    def all_so_far(self) -> set[Seen]:
        """What was heard of everything that has happened until now; it may be asked once."""
        (self.root / LAST / "full_mix.flac").touch()
        self.hears((FolderHint, LAST))
        return {(kind, path) for kind, path in self.seen() if path != LAST}

    def hints(self) -> set[Seen]:
        """The same without directories whose attributes changed, which means little."""
        return {(kind, path) for kind, path in self.all_so_far() if kind is not FolderTouched}


MakeEar = Callable[..., Ear]
"""Makes a watch on a dataset of so many songs, with a `budget` for leaves."""


def songs(root: Path, *names: str) -> None:
    """Track folders with one file each."""
    for name in (*names, LAST):
        (root / name).mkdir(parents=True)
        (root / name / "full_mix.flac").write_bytes(b"sound")


@contextmanager
def kernel_limit(name: str, value: int) -> Iterator[None]:
    """This limit of inotify is another for a moment: for everybody on this machine. Such tests are marked `alone`."""
    place = Path("/proc/sys/fs/inotify") / name
    before = place.read_text()
    try:
        place.write_text(str(value))
    except OSError:
        pytest.skip("changing a limit of the kernel takes root")
    try:
        yield
    finally:
        place.write_text(before)


def watches_in_use() -> int:
    """How many inotify watches root's processes have, as far as can be told."""
    count = 0
    for place in Path("/proc").glob("[0-9]*/fdinfo/*"):
        try:
            if place.stat().st_uid == 0:
                count += place.read_text().count("inotify wd:")
        except OSError:
            continue
    return count

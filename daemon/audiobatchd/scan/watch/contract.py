"""The contract of the watch: the terms of a dataset, what walks tell the watch, and what the service asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from audiobatchd.core.events import Event
from audiobatchd.vocabulary.states import WatchMode, WatchReport


@dataclass(frozen=True)
class WatchTerms:
    """Terms on which a dataset is watched."""

    ignore: tuple[str, ...]
    """Glob patterns of directories that are not entered."""
    mode: WatchMode
    marker: str | None = None
    """The name of the file that makes a folder ready; None where there is no such file."""


class DirectoryWatch(Protocol):
    """The watch as walks see it: they tell it of every directory that they list.

    `path` is below `root`, "" the root itself. A leaf is a track folder without directories. Any thread may call it;
    for a directory that is watched already a call costs next to nothing.
    """

    def enter(self, root: str, path: str, *, leaf: bool | None, hot: bool = False) -> bool:
        """Watch a directory that is about to be listed, so that nothing that comes is missed; whether it is watched.

        `leaf`: whether it is known to be a leaf; None: not known. `hot`: something happens in it now, so it is worth
        more than the leaf that has been watched for longest.
        """

    def listed(self, root: str, path: str, *, leaf: bool) -> None:
        """Learn, after its listing, whether a directory is a leaf: one beyond the budget is watched no more."""

    def forget(self, root: str, path: str) -> None:
        """Forget a directory that is gone, and all below it."""


class NoWatch:
    """A watch on nothing, for where only walks see changes."""

    def enter(self, root: str, path: str, *, leaf: bool | None, hot: bool = False) -> bool:  # noqa: ARG002  # as above
        """Do nothing; see `DirectoryWatch`."""
        return False

    def listed(self, root: str, path: str, *, leaf: bool) -> None:
        """Do nothing; see `DirectoryWatch`."""

    def forget(self, root: str, path: str) -> None:
        """Do nothing; see `DirectoryWatch`."""


class Watch(DirectoryWatch, Protocol):
    """The watch on all datasets as the service sees it. It tells of changes as far as it can."""

    def listen(self, post: Callable[[Event], None]) -> None:
        """Hand events to `post` from now on: from any thread, so it must not block."""

    def replace(self, terms: Mapping[str, WatchTerms]) -> None:
        """Watch these datasets from now on; the watch on others, or on other terms, ends.

        Nothing is watched before `ensure` was called for it.
        """

    def ensure(self, root: str, *, renew: bool) -> bool:
        """Have the root, as it is now, watched before a walk, if it can be; whether there is one. May block.

        All of it is watched again from the start where the root is another directory than it was, where events were
        lost, or where `renew` asks for it: the walk that follows enters every directory.
        """

    def look(self, root: str) -> bool:
        """Try again what could not be watched; whether the root is watched from now on, and was not. May block."""

    def report(self, root: str) -> WatchReport:
        """Report how changes in a dataset are found at the moment; never blocks."""

    def stop(self) -> None:
        """Watch no more, and tell no more."""

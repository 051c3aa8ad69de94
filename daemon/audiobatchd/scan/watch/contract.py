"""What the watch and its users agree upon: how a dataset is to be watched, and what a walk tells the watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from audiobatchd.core.events import Event
from audiobatchd.vocabulary.states import WatchMode, WatchReport


@dataclass(frozen=True)
class WatchTerms:
    """How a dataset is to be watched.

    `ignore` are glob patterns of directories that are not entered, `marker` is the file that makes a folder ready.
    """

    ignore: tuple[str, ...]
    mode: WatchMode
    marker: str | None = None


class Entering(Protocol):
    """Who wants to know which directories are listed: the watch on them."""

    def enter(self, root: str, path: str, *, leaf: bool | None, hot: bool = False) -> bool:
        """A directory is about to be listed; `leaf`: whether it is known to have no directories.

        `hot`: something happens in it now.
        """

    def listed(self, root: str, path: str, *, leaf: bool) -> None:
        """It has been."""

    def forget(self, root: str, path: str) -> None:
        """It is gone."""


class NoWatch:
    """Nothing is watched."""

    def enter(self, root: str, path: str, *, leaf: bool | None, hot: bool = False) -> bool:  # noqa: ARG002  # see `Entering`
        """See `Entering`."""
        return False

    def listed(self, root: str, path: str, *, leaf: bool) -> None:
        """See `Entering`."""

    def forget(self, root: str, path: str) -> None:
        """See `Entering`."""


class Watching(Entering, Protocol):
    """What tells of changes in the datasets, as far as it can: `watch`, or a script of events."""

    def listen(self, post: Callable[[Event], None]) -> None:
        """From now on hand events to `post`, from any thread."""

    def replace(self, terms: Mapping[str, WatchTerms]) -> None:
        """These are the datasets from now on; the watch on others ends."""

    def ensure(self, root: str, *, renew: bool) -> bool:
        """See to it that the dataset's root, as it is now, is watched, if it can be. Called in a thread before a walk.

        `renew`: anew, although it seems to be as it should. Returns whether there was a root.
        """

    def look(self, root: str) -> bool:
        """Try again what could not be watched; whether the root is watched from now on, and was not."""

    def report(self, root: str) -> WatchReport:
        """How changes in the dataset are found."""

    def stop(self) -> None:
        """Tell no more."""

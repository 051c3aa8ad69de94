"""The folders that are complete, of which there may be a million: as little as possible is kept of each."""

from __future__ import annotations

from collections.abc import Iterator

from audiobatchd.vocabulary.files import FolderKey

_BITS = 2
_MASK = (1 << _BITS) - 1


class Complete:
    """Set of folders with, for each, how many features are unavailable here, and whether the last walk came by.

    Of a folder its path and one small integer are kept: with the round of walks that came by, as far as it takes to
    tell the last few apart. Not every folder that a round did not see is gone before the next one begins.
    """

    def __init__(self) -> None:
        self._paths: dict[str, dict[str, int]] = {}
        self._rounds: dict[str, int] = {}
        self.unavailable: dict[str, int] = {}
        """Number of features that are unavailable over all folders, by dataset."""

    def __contains__(self, key: FolderKey) -> bool:
        return key.path in self._paths.get(key.dataset, ())

    def __len__(self) -> int:
        return sum(map(len, self._paths.values()))

    def __iter__(self) -> Iterator[FolderKey]:
        return (FolderKey(dataset, path) for dataset, paths in self._paths.items() for path in paths)

    def count(self, dataset: str) -> int:
        """Count those in a dataset."""
        return len(self._paths.get(dataset, ()))

    def paths(self, dataset: str) -> Iterator[str]:
        """The folders of one dataset."""
        return iter(self._paths.get(dataset, ()))

    def add(self, key: FolderKey, unavailable: int) -> None:
        """Add a folder, or see it again in the walk under way."""
        paths = self._paths.setdefault(key.dataset, {})
        before = paths.get(key.path, 0) >> _BITS
        if before != unavailable:
            self.unavailable[key.dataset] = self.unavailable.get(key.dataset, 0) + unavailable - before
        paths[key.path] = unavailable << _BITS | self._rounds.get(key.dataset, 0)

    def discard(self, key: FolderKey) -> bool:
        """Take a folder out; whether it was there."""
        value = self._paths.get(key.dataset, {}).pop(key.path, None)
        if value is None:
            return False
        if value >> _BITS:
            self.unavailable[key.dataset] -= value >> _BITS
        return True

    def begin_round(self, dataset: str) -> None:
        """Note from now on which folders are added: a walk begins."""
        self._rounds[dataset] = self._rounds.get(dataset, 0) + 1 & _MASK

    def not_seen(self, dataset: str) -> list[str]:
        """The folders that have not been added since the round began."""
        current = self._rounds.get(dataset, 0)
        return [path for path, value in self._paths.get(dataset, {}).items() if value & _MASK != current]

    def drop(self, dataset: str) -> None:
        """Forget a whole dataset."""
        for each in (self._paths, self._rounds, self.unavailable):
            each.pop(dataset, None)

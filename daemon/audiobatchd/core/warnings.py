"""Warnings about folders, beside their states: things that people should look at, such as two full mixes in one."""

from __future__ import annotations

from collections import Counter, defaultdict

from audiobatchd.vocabulary.files import FolderKey


class Warnings:
    """The warnings by directory, also of directories that are no track folders, or not yet."""

    def __init__(self) -> None:
        self.by_folder: dict[str, dict[FolderKey, tuple[str, ...]]] = defaultdict(dict)
        """Sentences, by dataset and directory."""
        self.count: Counter[str] = Counter()
        """Number of sentences by dataset."""
        self._told_in: dict[FolderKey, int] = {}
        """The round of full walks in which each directory was last read."""

    def tell(self, key: FolderKey, warnings: tuple[str, ...], current: int = 0) -> None:
        """Put these in place of what was told of a directory; `current` is the round of walks."""
        told = self.by_folder[key.dataset]
        self.count[key.dataset] += len(warnings) - len(told.pop(key, ()))
        self._told_in.pop(key, None)
        if warnings:
            told[key] = warnings
            self._told_in[key] = current

    def stale(self, dataset: str, current: int) -> list[FolderKey]:
        """The directories with warnings that were last read before the round `current`."""
        return [key for key in self.by_folder[dataset] if self._told_in[key] != current]

    def drop(self, dataset: str) -> None:
        """Forget a dataset."""
        for key in list(self.by_folder[dataset]):
            self.tell(key, ())

"""Folders that are blocked: which of them lie in a directory, and which are looked at next.

Some things that end a blockade send no event, as `chattr -i`, or a file system that may be written to again. So each
folder is looked at now and then, all together in bounded number.
"""

from __future__ import annotations

from audiobatchd.vocabulary.files import FolderKey

EVERY = 10.0
"""Seconds between two looks at one folder, at least."""

PORTION = 20
"""Folders that are looked at in a second, at most; for 100,000 a round takes 83 minutes."""

_MOST = 1280
"""The same where what blocked them all may be over."""
_TURN = 1.0
"""Seconds between two portions."""


class Blocked:
    """The blocked folders, those first that were not looked at for longest."""

    def __init__(self) -> None:
        self._inside: dict[FolderKey, set[FolderKey]] = {}
        """Folders, by the directory that they are in."""
        self._line: dict[FolderKey, float] = {}
        """The moment when each was looked at last, or came."""
        self._new: list[FolderKey] = []
        """The folders that came since `due` was asked, which alone knows the time."""
        self._portion = PORTION
        self._turn_at = 0.0
        self._looked_at: list[FolderKey] = []
        """The portion of the last turn."""

    def __len__(self) -> int:
        return len(self._line)

    def inside(self, directory: FolderKey) -> set[FolderKey]:
        """The blocked folders that are in this directory."""
        return self._inside.get(directory, set())

    def add(self, key: FolderKey) -> None:
        """Add a folder."""
        self._inside.setdefault(_parent(key), set()).add(key)
        self._line.pop(key, None)
        self._line[key] = 0.0
        self._new.append(key)

    def discard(self, key: FolderKey) -> None:
        """Take a folder out, where it is there."""
        if self._line.pop(key, None) is None:
            return
        parent = _parent(key)
        self._inside[parent].discard(key)
        if not self._inside[parent]:
            del self._inside[parent]

    def due(self, now: float) -> list[FolderKey]:
        """The folders to be looked at now.

        As long as most of those that are looked at turn out to be blocked no more, twice as many come in the next turn:
        what blocked them all may be over.
        """
        for key in self._new:
            if key in self._line:
                self._line[key] = now
        self._new.clear()
        if now < self._turn_at or not self._line:
            return []
        freed = sum(key not in self._line for key in self._looked_at)
        is_over = bool(freed) and 2 * freed >= len(self._looked_at)
        self._portion = min(2 * self._portion, _MOST) if is_over else PORTION
        self._looked_at = []
        for key, looked in self._line.items():
            if looked + EVERY > now or len(self._looked_at) >= self._portion:
                break
            self._looked_at.append(key)
        for key in self._looked_at:
            del self._line[key]
            self._line[key] = now
        if self._looked_at:
            self._turn_at = now + _TURN
        return list(self._looked_at)

    def next_look(self) -> float | None:
        """The moment when `due` has something to say again; None: not by itself."""
        first = next(iter(self._line.values()), None)
        return None if first is None else max(self._turn_at, first + EVERY)


def _parent(key: FolderKey) -> FolderKey:
    """The directory that a folder is in; the dataset's root is in itself."""
    return FolderKey(key.dataset, key.path.rpartition("/")[0])

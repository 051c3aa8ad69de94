"""The directories of a dataset as far as they are watched, and what is lacking. Data only: no system call is made here.

Every path is one below the root, "" is the root. A change takes the lock of the instance; a lookup in one of the
dictionaries needs none.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator


class Tree:
    """The watch descriptors of directories, and the directories without one."""

    def __init__(self) -> None:
        self.parents: dict[str, int] = {}
        """Directories that are watched because of what is below them, with the descriptor of each."""
        self.leaves: dict[str, int] = {}
        """Track folders without directories, with the descriptor of each; the latest one last."""
        self.path_of: dict[int, str] = {}
        """The directory of each descriptor."""
        self.lacking: dict[str, int] = {}
        """Directories that could not be watched, with the error number that says why."""
        self.lacks: Counter[int] = Counter()
        """Number of lacking directories, by error number."""
        self.left = 0
        """Number of leaves that were left to walks."""
        self._below: dict[str, set[str]] = {}
        """Known directories in each directory: so they are found without a look at all others when it goes."""
        self._left_in: dict[str, set[str]] = {}
        """Leaves in each directory that were left to walks."""

    def is_watched(self, path: str) -> bool:
        """Tell whether this directory is watched, as a parent or as a leaf."""
        return path in self.parents or path in self.leaves

    def is_left(self, path: str) -> bool:
        """Tell whether it is a leaf that was left to walks."""
        return path in self._left_in.get(os.path.dirname(path), ())

    def put(self, path: str, wd: int, *, leaf: bool) -> None:
        """Enter that it is watched by this descriptor, which may have been another path's: a directory has one only."""
        other = self.path_of.get(wd)
        if other is not None and other != path:
            self.drop(other)
        self._stays_no_more(path)
        self._lacks_no_more(path)
        self.path_of[wd] = path
        (self.leaves if leaf else self.parents)[path] = wd
        self._link(path)

    def turn(self, path: str, *, leaf: bool) -> None:
        """Make a leaf of a parent that is watched, or a parent of a leaf."""
        source, target = (self.parents, self.leaves) if leaf else (self.leaves, self.parents)
        target[path] = source.pop(path)

    def lack(self, path: str, number: int) -> None:
        """Enter that it should be watched and cannot be, with this error number."""
        self._lacks_no_more(path)
        self.lacking[path] = number
        self.lacks[number] += 1
        self._link(path)

    def leave(self, path: str) -> None:
        """Enter that it is a leaf that is left to walks."""
        self._lacks_no_more(path)
        parent = os.path.dirname(path)
        leaves = self._left_in.setdefault(parent, set())
        if path not in leaves:
            leaves.add(path)
            self.left += 1
        self._link(parent)

    def drop(self, path: str) -> int | None:
        """Forget this one directory; its descriptor, if it had one."""
        self._stays_no_more(path)
        self._lacks_no_more(path)
        wd = self._unwatch(path)
        self._unlink(path)
        return wd

    def last_leaf(self) -> str | None:
        """Find the leaf that is watched for the shortest time."""
        return next(reversed(self.leaves), None)

    def cut(self, path: str) -> list[tuple[int, bool]]:
        """Forget a directory and all below it; their descriptors, and whether each was a leaf's."""
        return list(self._cut(path))

    def _cut(self, path: str) -> Iterator[tuple[int, bool]]:
        self._stays_no_more(path)
        stack = [path]
        while stack:
            each = stack.pop()
            stack += self._below.pop(each, ())
            self.left -= len(self._left_in.pop(each, ()))
            self._lacks_no_more(each)
            leaf = each in self.leaves
            wd = self._unwatch(each)
            if wd is not None:
                yield wd, leaf
        self._unlink(path)

    def _unwatch(self, path: str) -> int | None:
        wd = self.parents.pop(path, None) or self.leaves.pop(path, None)
        if wd is not None:
            self.path_of.pop(wd, None)
        return wd

    def _stays_no_more(self, path: str) -> None:
        parent = os.path.dirname(path)
        leaves = self._left_in.get(parent)
        if leaves is not None and path in leaves:
            leaves.remove(path)
            self.left -= 1
            if not leaves:
                del self._left_in[parent]

    def _lacks_no_more(self, path: str) -> None:
        number = self.lacking.pop(path, None)
        if number is not None:
            self.lacks[number] -= 1

    def _link(self, path: str) -> None:
        while path:
            parent = os.path.dirname(path)
            children = self._below.setdefault(parent, set())
            if path in children:
                return
            children.add(path)
            path = parent

    def _unlink(self, path: str) -> None:
        """Forget the way to it, unless it, or anything below it, is still known."""
        while path and not (self.is_watched(path) or path in self.lacking or self._below.get(path)):
            if path in self._left_in:
                return
            parent = os.path.dirname(path)
            children = self._below.get(parent)
            if children is None:
                return
            children.discard(path)
            if children:
                return
            del self._below[parent]
            path = parent

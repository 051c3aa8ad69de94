"""The order in which the files of a folder are decoded: each once, and what a result is measured from before it.

A file is decoded for the analyzers that read it alone, and for the sums that it is a part of. Only where results are
needed crosswise, one of a first file for a second and one of the second for the first, is a file decoded again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from msgspec import Struct

from audiobatchd.core.assessment import Due, Offer, givers, needs_of
from audiobatchd.core.needs import NO_NEEDS, files_read

Members = tuple[str, ...]
"""The files of a sum, by their roles; by these it is known."""


class Decoding(Struct, frozen=True):
    """Decode one file."""

    role: str
    """Role of the file."""
    work: tuple[Due, ...]
    """Work of the analyzers that read this file alone."""
    sums: tuple[Members, ...] = ()
    """Sums to which it is added."""


class Summing(Struct, frozen=True):
    """Measure a sum, of which all files have been decoded."""

    members: Members
    role: str
    """Role of the features that are measured of it."""
    work: tuple[Due, ...]
    """Work of the analyzers that read it for that role."""


Step = Decoding | Summing


@dataclass(frozen=True)
class _Task:
    """Work of one analyzer for one role."""

    role: str
    """Role of the features."""
    due: Due
    members: Members | None
    """The sum that it reads; None where it reads the file of its role."""

    @property
    def key(self) -> tuple[str, str]:
        return self.due.analyzer, self.role


def steps(due: Mapping[str, tuple[Due, ...]], offers: tuple[Offer, ...], files: Collection[str]) -> tuple[Step, ...]:
    """Order the work that is due in a folder with these `files`, by their roles."""
    needs, known = needs_of(offers), givers(offers)
    tasks: dict[tuple[str, str], _Task] = {}
    before: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for role, work in due.items():
        for each in work:
            need = needs.get((each.analyzer, role), NO_NEEDS)
            task = _Task(role, each, files_read(need, role, files) if need.sum_of else None)
            tasks[task.key] = task
            before[task.key] = {known[name] for name in need.results if name in known}
    before = {key: needed & tasks.keys() for key, needed in before.items()}
    return _Order(list(tasks.values()), before, list(files)).steps()


class _Order:
    """Order in the making."""

    def __init__(
        self, tasks: list[_Task], before: dict[tuple[str, str], set[tuple[str, str]]], files: list[str]
    ) -> None:
        self._left = tasks
        self._before = before
        """Work that is to be done before, by the work that needs it."""
        self._files = files
        self._done: set[tuple[str, str]] = set()
        self._parts: dict[Members, list[str]] = {task.members: list(task.members) for task in tasks if task.members}
        """Files that are still to be added, by sum."""
        self._steps: list[Step] = []

    def steps(self) -> tuple[Step, ...]:
        """Order everything."""
        while self._left:
            self._measure_sums()
            if self._left:
                self._decode()
        return tuple(self._steps)

    def _measure_sums(self) -> None:
        """Measure what can be of the sums that are whole; that may be what other sums wait for."""
        again = True
        while again:
            again = False
            turns: dict[tuple[Members, str], list[_Task]] = {}
            for task in self._left:
                if task.members is not None and not self._parts[task.members]:
                    turns.setdefault((task.members, task.role), []).append(task)
            for (members, role), tasks in turns.items():
                if ready := self._ready(tasks):
                    self._take(ready)
                    self._steps.append(Summing(members, role, tuple(task.due for task in ready)))
                    again = True

    def _decode(self) -> None:
        """Decode the first file of which all work can be done; else the first of which any can."""
        ready = {role: self._ready(self._of(role)) for role in self._files}
        sums = {role: [each for each, parts in self._parts.items() if role in parts] for role in self._files}
        of_use = [role for role in self._files if ready[role] or sums[role]]
        whole = [role for role in of_use if len(ready[role]) == len(self._of(role))]
        if not of_use:  # a circle, which workers do not offer: in any order
            self._done |= {task.key for task in self._left}
            return
        role = (whole or of_use)[0]
        for each in sums[role]:
            self._parts[each].remove(role)
        self._take(ready[role])
        self._steps.append(Decoding(role, tuple(task.due for task in ready[role]), tuple(sums[role])))

    def _of(self, role: str) -> list[_Task]:
        return [task for task in self._left if task.members is None and task.role == role]

    def _ready(self, tasks: list[_Task]) -> list[_Task]:
        """Pick the work of one turn of which all that it needs is done, or can be done in the same turn."""
        ready = tasks
        while True:
            possible = self._done | {task.key for task in ready}
            kept = [task for task in ready if self._before[task.key] <= possible]
            if len(kept) == len(ready):
                return kept
            ready = kept

    def _take(self, tasks: list[_Task]) -> None:
        self._done |= {task.key for task in tasks}
        taken = {task.key for task in tasks}
        self._left = [task for task in self._left if task.key not in taken]

"""The models that are known or found, as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiobatchd.cli.terminal.lacking import FETCH
from audiobatchd.cli.terminal.text import clipped, padded, worded
from audiobatchd.models import store
from audiobatchd.models.manifest import BY_NAME, LICENCE, Model
from audiobatchd.models.store import Files, State, Verdict
from audiobatchd.vocabulary.names import shown

_KILO, _MEGA, _LARGE = 1000, 1000_000, 100_000_000
_HERE = "here"
_NARROWEST, _NARROWEST_NAME, _BESIDE_NAME = 40, 12, 41
"""Cells of the narrowest table and name, and of all beside a name in a line of the table."""


@dataclass(frozen=True)
class Entry:
    """A model in the answers: known, found, or both."""

    name: str
    """Name of its files, without their ends."""
    model: Model | None
    """The published model; None where it is the user's own."""
    files: Files | None
    """The files that were found; None where there are none."""
    verdict: Verdict | None
    """Result of examining them; None where there are none."""
    remarks: tuple[str, ...] = field(default=())
    """Sentences on what keeps it from use."""

    @property
    def wrong(self) -> bool:
        """Tell whether a file of it is not what it should be."""
        return self.verdict is not None and self.verdict.state is State.WRONG

    @property
    def state(self) -> str:
        """Say how far it is vouched for."""
        return self.verdict.state.value if self.verdict else "not found"

    @property
    def word(self) -> str:
        """Say in a word whether it can be loaded; `verify` tells how far it is vouched for."""
        return "damaged" if self.wrong else _HERE if self.verdict else "missing"

    @property
    def serves(self) -> str:
        """Name the analyzer that works with it."""
        if self.model is None:
            return "yours"
        return self.model.serves or "its heads"

    @property
    def size(self) -> int | None:
        """The graph's size in bytes: as it is here, else as it is published."""
        if self.files:
            return self.files.graph.stat().st_size
        return self.model.size if self.model else None

    def in_json(self) -> dict[str, object]:
        """Tell everything of it."""
        files, verdict, model = self.files, self.verdict, self.model
        return {
            "name": self.name,
            "known": model is not None,
            "what": model.what if model else None,
            "licence": model.licence if model else None,
            "serves": model.serves if model else None,
            "needs": model.needs if model else None,
            "size": self.size,
            "directory": shown(str(files.directory)) if files else None,
            "state": self.state,
            "sha256": verdict.digests.get(files.graph.name) if files and verdict else None,
            "remarks": list(self.remarks),
        }


def entry_of(name: str, directories: tuple[Path, ...], trusted: frozenset[str]) -> Entry:
    """Find and examine a model's files. `trusted` digests need be neither published nor pinned."""
    files = store.find(name, directories)
    verdict = store.examine(files, trusted) if files else None
    model = BY_NAME.get(name)
    return Entry(name, model, files, verdict, tuple(_remarks(name, model, files, verdict, directories)))


def _remarks(
    name: str, model: Model | None, files: Files | None, verdict: Verdict | None, directories: tuple[Path, ...]
) -> Iterator[str]:
    if verdict and verdict.trouble:
        yield verdict.trouble
    if files is None and (lone := store.lone(name, directories)):
        missing = store.METADATA if lone.suffix == store.GRAPH else store.GRAPH
        yield f"{shown(str(lone))} is of no use without {name}{missing} beside it"
    if files and model and model.needs and not store.find(model.needs, directories):
        yield f"needs {model.needs}, which is not found"


def table_lines(entries: Sequence[Entry], wanted: Collection[str], cells: int) -> Iterator[str]:
    """Lay out the models: those for analyzers that are on, then those that are here beside them, then the others."""
    columns = _Columns(max(len(entry.name) for entry in entries), max(_NARROWEST, cells))
    first = [entry for entry in entries if entry.name in wanted]
    here = [entry for entry in entries if entry.files and entry not in first]
    others = [entry for entry in entries if entry not in first and entry not in here]
    titles = ("for the analyzers that are on", "beside these that are here", f"beside these, published under {LICENCE}")
    is_next = False
    for title, part in zip(titles, (first, here, others), strict=True):
        if part:
            yield from ("",) * is_next
            is_next = True
            yield clipped(f"Models {title}:", columns.room)
            yield columns.of("NAME", "SIZE", "STATE", "SERVES")
            for entry in part:
                yield columns.of(entry.name, size_said(entry.size), entry.word, entry.serves)
                for remark in entry.remarks:
                    yield from (f"    {line}" for line in worded(remark, columns.room - 4))
            if part is first and any(entry.word != _HERE for entry in first):
                yield f"  fetch what is missing: {FETCH}"


class _Columns:
    """The table's columns: the name gives way where they are too many cells together."""

    def __init__(self, name: int, room: int) -> None:
        self.room = room
        self._name = min(name, max(_NARROWEST_NAME, room - _BESIDE_NAME))

    def of(self, *cells: str) -> str:
        name, size, state, serves = cells
        line = f"  {padded(name, self._name)}  {size:>7}  {state:7}  {serves}"
        return clipped(line.rstrip(), self.room)


def size_said(size: int | None) -> str:
    """A size in its largest unit; "?" where it is not known."""
    if size is None:
        return "?"
    if size < _KILO:
        return f"{size} B"
    if size < _MEGA:
        return f"{size / _KILO:.0f} kB"
    return f"{size / _MEGA:.1f} MB" if size < _LARGE else f"{size / _MEGA:.0f} MB"

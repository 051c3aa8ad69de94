"""Near misses: what looks as if it were meant to be measured and is not, by the names in directories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from audiobatchd.core.discovery import Contents
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.vocabulary.files import MissKind, NearMiss
from audiobatchd.vocabulary.names import shown


@dataclass(frozen=True)
class Miss:
    """Near misses of one kind in a directory."""

    kind: MissKind
    count: int
    name: str
    """The first of them; "" where it is the directory itself."""


def misses_in(found: Contents, path: str) -> tuple[Miss, ...]:
    """List the near misses of the directory at `path` below the dataset, at most one of each kind.

    In a track folder only stems in another format count: a preview beside the full mix is its owner's business.
    """
    return tuple(_misses(found, path))


def _misses(found: Contents, path: str) -> Iterator[Miss]:
    passed = found.passed_over
    unread = [name for role, name in sorted(passed.unread.items()) if role not in found.sources]
    if passed.links:
        yield Miss(MissKind.LINKED, passed.links, passed.first_link)
    if unread:
        yield Miss(MissKind.UNREAD, len(unread), unread[0])
    if found.is_track or FULL_MIX in passed.unread:
        return
    if passed.like_folder:
        yield Miss(MissKind.NAMED_LIKE_FOLDER, 1, passed.like_folder)
    elif found.lacks_mix:
        yield Miss(MissKind.STEMS_ALONE, 1, "")
    elif passed.audio:
        yield Miss(MissKind.OTHER_NAMES if path else MissKind.LOOSE, passed.audio, passed.first_audio)


@dataclass
class Tally:
    """The near misses of a whole dataset: a number and one example for each kind, however many there are."""

    _counts: Counter[MissKind] = field(default_factory=Counter)
    _first: dict[MissKind, tuple[bytes, str]] = field(default_factory=dict)
    """First directory of each kind that has any, and the name in it: in the order of bytes, as the catalog has it."""

    def add(self, path: str, misses: Iterable[Miss]) -> None:
        """Count those of the directory at `path`."""
        for miss in misses:
            place = (path.encode("utf-8", "surrogateescape"), miss.name)
            self._counts[miss.kind] += miss.count
            self._first[miss.kind] = min(place, self._first.get(miss.kind, place))

    def told(self) -> tuple[NearMiss, ...]:
        """List what there is of each kind, in the order of kinds."""
        return tuple(self._in_words(kind) for kind in MissKind if self._counts[kind])

    def _in_words(self, kind: MissKind) -> NearMiss:
        count, (path, name) = self._counts[kind], self._first[kind]
        example = "/".join(part for part in (path.decode("utf-8", "surrogateescape"), name) if part)
        (one, many), todo = _WORDS[kind]
        return NearMiss(kind, count, shown(example) or ".", f"{count:,} {one if count == 1 else many}", todo)


_WORDS = {
    MissKind.UNREAD: (
        ("source file in a format that is not read", "source files in a format that is not read"),
        "convert them, to FLAC for example",
    ),
    MissKind.NAMED_LIKE_FOLDER: (
        ("audio file named like its folder", "audio files named like their folders"),
        "call each full_mix, with the extension that it has",
    ),
    MissKind.STEMS_ALONE: (
        ("folder with stems and no full mix", "folders with stems and no full mix"),
        "put a full_mix beside them",
    ),
    MissKind.LOOSE: (
        ("audio file loose in the dataset's directory", "audio files loose in the dataset's directory"),
        "give each a folder of its own, and call it full_mix there",
    ),
    MissKind.OTHER_NAMES: (
        ("audio file in a folder without a full mix", "audio files in folders without a full mix"),
        "give each track a folder of its own, and call its file full_mix",
    ),
    MissKind.LINKED: (
        ("linked directory, which is not entered", "linked directories, which are not entered"),
        "move here what they lead to, or name that as a dataset",
    ),
}
"""Of each kind: what one is, what several are, and what to do."""

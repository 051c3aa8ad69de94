"""Suggestions: the known names that are nearest to an unknown one, and the sentence that offers them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from audiobatchd.vocabulary.names import shown

_MOST = 3
_ALIKE = 0.6
"""Share of letters in common, in order, from which on two names are taken for each other."""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Find the `known` names that are most like `name`, the best first; letter case, "-" and "_" do not count."""
    by_plain: dict[str, str] = {}
    for each in known:
        by_plain.setdefault(_plain(each), each)
    return [by_plain[each] for each in difflib.get_close_matches(_plain(name), by_plain, _MOST, _ALIKE)]


def same(name: str, known: Iterable[str]) -> str | None:
    """Find the one of the `known` names that is `name` but for letter case, "-" and "_"; None where none is."""
    return next((each for each in known if _plain(each) == _plain(name)), None)


def did_you_mean(name: str, known: Iterable[str], quote: str = '"') -> str:
    """Ask for the nearest names: `did you mean "lufs" or "lufs_bass"?`; empty where none is near."""
    found = [f"{quote}{shown(each)}{quote}" for each in nearest(name, known)]
    return f"did you mean {' or '.join(found)}?" if found else ""


def cannot_find(kind: str, name: str, known: Iterable[str], also: Iterable[str] = ()) -> str:
    """Say that there is no `name` of this kind ("the analyzer"), with the nearest names and all that are `known`.

    Those in `also` may be the nearest, and are not listed.
    """
    names = sorted(known)
    meant = did_you_mean(name, [*names, *also])
    there = f"There are: {', '.join(map(shown, names))}" if names else "There are none"
    return f'cannot find {kind} "{shown(name)}": {meant + " " if meant else ""}{there}'


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")

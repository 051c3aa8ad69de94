"""Suggestions: the known names that are nearest to an unknown one, and the sentence that offers them."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

from audiobatchd.vocabulary.names import shown

_MOST = 3
_ALIKE = 0.6
"""Share of letters in common, in order, from which on two names are taken for each other."""
_LONG_LIST = 24
"""Names that are listed although the nearest are told: more would hide these."""
_PART_OF_IT = 0.8
"""Likeness of a name to one that it is a part of."""
_PIECE, _MOST_PIECES = 3, 8
"""Length of the pieces of a name, and how many are taken of one."""
_SHORT = 5
"""Length of a word up to which its pieces are shorter."""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Find the `known` names that are most like `name`, the best first; letter case, "-" and "_" do not count."""
    by_plain: dict[str, str] = {}
    for each in known:
        by_plain.setdefault(_plain(each), each)
    return [by_plain[each] for each in difflib.get_close_matches(_plain(name), by_plain, _MOST, _ALIKE)]


def same(name: str, known: Iterable[str]) -> str | None:
    """Find the one of the `known` names that is `name` but for letter case, "-" and "_"; None where none is."""
    return next((each for each in known if _plain(each) == _plain(name)), None)


def pieces(path: str) -> list[str]:
    """Cut the name at the end of a path into pieces in lower case, most of which a name that is like it has, too.

    They are taken from it as it is spelt and without accents, for file systems keep either spelling.
    """
    name = path.rstrip("/").rpartition("/")[2]
    found: dict[str, None] = {}
    for form in (folded(name), unicodedata.normalize("NFC", name).lower()):
        for word in form.split():
            # Of a short word with one accent every longer piece may have that.
            size = _PIECE if len(word) > _SHORT else _PIECE - 1
            cut = [word[start : start + size] for start in range(max(len(word) - size + 1, 1))]
            found |= dict.fromkeys(cut[:: len(cut) // _MOST_PIECES + 1])
    every = list(found)
    return every[:: len(every) // _MOST_PIECES + 1]


def nearest_paths(path: str, known: Iterable[str]) -> list[str]:
    """Find the `known` paths that are most like `path`, the best first.

    Letter case, accents and signs do not count, nor the directories above that one of the two leaves out.
    """
    wanted = folded(path)
    depth = path.strip("/").count("/") + 1
    last = folded(path.rstrip("/").rpartition("/")[2])
    matches = [(text, difflib.SequenceMatcher(b=text, autojunk=False)) for text in (wanted, last)]
    scored = []
    for each in dict.fromkeys(known):
        parts = each.split("/")
        texts = ({folded(each), folded("/".join(parts[-depth:]))}, {folded(parts[-1])})
        score = max(_likeness(*match, text) for match, text_of in zip(matches, texts, strict=True) for text in text_of)
        scored.append((-score, each))
    return [each for score, each in sorted(scored) if -score >= _ALIKE][:_MOST]


def folded(name: str) -> str:
    """Leave letters and digits of a name, in small letters and without accents, and one blank for all between."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each)).casefold()
    return " ".join("".join(each if each.isalnum() else " " for each in plain).split())


def _likeness(wanted: str, match: difflib.SequenceMatcher[str], text: str) -> float:
    """Say from 0 to 1 how much `text` is like what is `wanted`, the second of the `match`; much, where it has that."""
    match.set_seq1(text)
    part = _PART_OF_IT if len(wanted) >= _PIECE and wanted in text else 0.0
    if part or match.real_quick_ratio() < _ALIKE or match.quick_ratio() < _ALIKE:
        return max(part, 1.0 if text == wanted else 0.0)
    return match.ratio()


def did_you_mean(name: str, known: Iterable[str], quote: str = '"') -> str:
    """Ask for the nearest names: `did you mean "lufs" or "lufs_bass"?`; empty where none is near."""
    found = [f"{quote}{shown(each)}{quote}" for each in nearest(name, known)]
    return f"did you mean {' or '.join(found)}?" if found else ""


def cannot_find(kind: str, name: str, known: Iterable[str], also: Iterable[str] = ()) -> str:
    """Say that there is no `name` of this kind ("the analyzer"), with the nearest names, and those that are `known`.

    Those in `also` may be the nearest, and are not listed; nor are the known ones where they are many and one is near.
    """
    names = sorted(known)
    meant = did_you_mean(name, [*names, *also])
    absent = f'cannot find {kind} "{shown(name)}": '
    if meant and len(names) > _LONG_LIST:
        return f"{absent}{meant} There are {len(names) - 1} more"
    there = f"here are: {', '.join(map(shown, names))}" if names else "here are none"
    return f"{absent}{meant} T{there}" if meant else f"{absent}t{there}"


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")

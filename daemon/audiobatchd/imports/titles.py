"""Names of tracks by their paths, for files whose tags do not tell: `Artist/Album/CD1/01 - Title.flac`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from audiobatchd.imports.library import SourceFile
from audiobatchd.imports.text import folded, readable

_DISC = re.compile(r"(?:cd|dis[ck]|disque|side)[ ._-]*(\d{1,2})(?!\d)(?:\W.*)?", re.IGNORECASE)
_YEAR_BEFORE = re.compile(r"[(\[]?((?:19|20)\d\d)[)\]]?\s*[-._ ]\s*(?=\S)")
_YEAR_BEHIND = re.compile(r"\s*[(\[]((?:19|20)\d\d)[)\]]$")
_NUMBER = re.compile(r"(?:(\d{1,2})[-.](?=\d))?(\d{1,3})(?:\s*[-._)]\s*|\s+)(?=\S)")
_SURE_NUMBER = re.compile(r"(?:(\d{1,2})[-.](?=\d))?(0\d{1,2}(?=[\s._)-])|\d{2,3}(?=\s*[-.]))\s*[-._)]?\s*(?=\S)")
"""A number that is one beside no others: "01 Song", "12 - Song"."""
_SAMPLERS = frozenset({"various artists", "various", "va", "v.a.", "compilations", "soundtracks"})


def titles_in(stems: Sequence[str]) -> list[dict[str, str]]:
    """Find `title`, and `track` and `disc` where they are told, for the names of one directory, without extensions.

    Numbers are taken off where nearly every name begins with one ("99 Luftballons" among other songs keeps its own),
    and stay where two titles would be the same without them.
    """
    names = [_spaced(stem) for stem in stems]
    found = [_NUMBER.match(name) for name in names]
    numbered = len(names) > 1 and 5 * sum(each is not None for each in found) >= 4 * len(names)
    if not numbered:
        found = [_SURE_NUMBER.match(name) for name in names]
    bare = [name[each.end() :] if each else name for name, each in zip(names, found, strict=True)]
    times = Counter(map(folded, bare))
    told = []
    for name, each, title in zip(names, found, bare, strict=True):
        numbers = {"track": each[2].lstrip("0") or "0", "disc": (each[1] or "").lstrip("0")} if each else {}
        told.append({"title": title if times[folded(title)] == 1 else name, **numbers})
    return told


def from_path(below: Sequence[str], told: Mapping[str, str]) -> dict[str, str]:
    """Name a track by the directories that it lies in and by what its own name told (see `titles_in`)."""
    values = dict(told)
    directories = [_spaced(each) for each in below]
    while directories and (disc := _DISC.fullmatch(directories[-1])):
        values.setdefault("disc", "")
        values["disc"] = values["disc"] or disc[1].lstrip("0")
        directories.pop()
    if len(directories) > 1:
        values["artist"], album = directories[-2:]
        values["album"], year = _without_year(_without_start(album, values["artist"]))
        values |= {"year": year} if year else {}
    elif directories:
        artist, dash, album = directories[0].partition(" - ")
        if dash:
            values["artist"] = artist
            values["album"], year = _without_year(album)
            values |= {"year": year} if year else {}
        elif " - " in values["title"]:
            values["album"] = directories[0]
        else:
            values["artist"] = directories[0]
    if "artist" in values:
        values["title"] = _without_start(values["title"], values["artist"])
    if folded(values.get("artist", "")) in {"", *_SAMPLERS} and " - " in values["title"]:
        values["artist"], _, values["title"] = values["title"].partition(" - ")
    return {name: text.strip() for name, text in values.items() if text.strip()}


def by_file(files: Sequence[SourceFile]) -> dict[str, dict[str, str]]:
    """Name every file by its path, all files of its directory at hand."""
    directories: dict[str, list[SourceFile]] = {}
    for file in files:
        directories.setdefault(file.directory, []).append(file)
    return {
        file.path: from_path(file.below, told)
        for together in directories.values()
        for file, told in zip(together, titles_in([each.stem for each in together]), strict=True)
    }


def _spaced(name: str) -> str:
    """`name` as text; underscores are blanks where it has no others."""
    text = readable(name)
    return " ".join(text.replace("_", " ").split()) if " " not in text else text


def _without_start(text: str, artist: str) -> str:
    """`text` without a leading "Artist - "."""
    head, dash, rest = text.partition(" - ")
    return rest if dash and rest.strip() and folded(head) == folded(artist) else text


def _without_year(album: str) -> tuple[str, str]:
    """An album's name without the year before or behind it, and the year; "" where there is none."""
    for pattern in (_YEAR_BEFORE, _YEAR_BEHIND):
        found = pattern.match(album) if pattern is _YEAR_BEFORE else pattern.search(album)
        rest = album[: found.start()] + album[found.end() :] if found else ""
        if found and rest.strip():
            return rest.strip(), found[1]
    return album, ""

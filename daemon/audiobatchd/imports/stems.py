"""Separated stems: which files of a library belong to one song, by the layouts of the tools that separate.

Demucs writes `separated/<model>/<song>/drums.wav`, Ultimate Vocal Remover `1_song_(Vocals).wav`, its kin
`song_(Vocals)_<model>.wav`, people `song (drums).wav`, and data sets for separation a directory with a `mixture.wav`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from audiobatchd.errors import UsageError
from audiobatchd.imports.library import SourceFile
from audiobatchd.imports.text import folded, readable
from audiobatchd.plugin_api import FULL_MIX, STEMS
from audiobatchd.vocabulary.files import EXTENSIONS

_WORDS = {
    **dict.fromkeys(("drums", "drum"), "drums"),
    **dict.fromkeys(("bass",), "bass"),
    **dict.fromkeys(("other", "others"), "other"),
    **dict.fromkeys(("vocals", "vocal"), "vocals"),
    **dict.fromkeys(("guitar", "guitars"), "guitar"),
    **dict.fromkeys(("piano",), "piano"),
    **dict.fromkeys(("instrumental", "accompaniment", "karaoke"), "instrumental"),
    **{f"no_{each}": f"no_{each}" for each in ("drums", "bass", "other", "vocals", "guitar", "piano")},
    **dict.fromkeys((FULL_MIX, "mixture", "mix"), FULL_MIX),
}
"""Names of stems in a track folder, by what files of them are called."""
_BRACKETS = re.compile(r"[ _-]*[(\[]([A-Za-z][A-Za-z _-]*)[)\]]")
_UVR_NUMBER = re.compile(r"\d+_(?=.)")


@dataclass
class Song:
    """Files that belong together."""

    title: str
    """Name that its tool went by: that of the mix's file, as text."""
    directory: str
    """Path of the directory that its files lie in."""
    files: dict[str, SourceFile] = field(default_factory=dict)
    """By what each is called in a track folder, without extension."""
    spare: list[SourceFile] = field(default_factory=list)
    """Files that have no place: another one is the same stem."""
    is_directory: bool = False
    """True where a directory of its own holds them: its name is the song's."""

    def add(self, role: str, file: SourceFile) -> None:
        """Take in a file; of two for one role that of the earlier extension counts."""
        other = self.files.get(role)
        if other is not None and _rank(other) <= _rank(file):
            self.spare.append(file)
            return
        if other is not None:
            self.spare.append(other)
        self.files[role] = file

    @property
    def has_stem(self) -> bool:
        """Tell whether it has a stem that is measured."""
        return any(role in self.files for role in STEMS)


@dataclass
class Songs:
    """Songs with stems, and the files that found no song."""

    songs: list[Song] = field(default_factory=list)
    """Those that have a full mix."""
    without_mix: list[Song] = field(default_factory=list)
    """Songs with stems alone."""
    spare: list[SourceFile] = field(default_factory=list)
    """Files that other files of the same song make superfluous."""


def pattern(text: str) -> re.Pattern[str]:
    """Compile `--stems`. Raises UsageError for one that cannot be used."""
    try:
        made = re.compile(text, re.IGNORECASE)
    except re.error as error:
        message = f"cannot understand --stems {text!r}: {error}"
        raise UsageError(message) from error
    if not {"title", "stem"} <= made.groupindex.keys():
        message = f"cannot understand --stems {text!r}: it needs the groups (?P<title>...) and (?P<stem>...)"
        raise UsageError(message)
    return made


def find(audio: Sequence[SourceFile], own: re.Pattern[str] | None = None) -> Songs:
    """Find the songs that have stems among the files of a library. `own` is tried first, upon the path below."""
    groups: dict[tuple[str, str], Song] = {}
    directories: dict[str, list[SourceFile]] = {}
    for file in audio:
        directories.setdefault(file.directory, []).append(file)
    for directory, files in directories.items():
        left = [file for file in files if not _by_pattern(file, own, groups)]
        if song := _of_directory(directory, left):
            groups[directory, ""] = song
            left = [file for file in left if file not in (*song.files.values(), *song.spare)]
        _of_names(directory, left, groups)
    return _with_mixes([song for song in groups.values() if song.has_stem or song.is_directory], audio)


def role_of(word: str) -> str | None:
    """Find what a stem of this name is called in a track folder; None where it is none."""
    return _WORDS.get(re.sub(r"[ _-]+", "_", word.strip().lower()))


def _by_pattern(file: SourceFile, own: re.Pattern[str] | None, groups: dict[tuple[str, str], Song]) -> bool:
    """Put a file into the song that the user's own pattern names; False where it does not match, or names no stem."""
    if own is None:
        return False
    found = own.search("/".join((*map(readable, file.below), readable(file.stem))))
    role = role_of(found["stem"] or "") if found else None
    if found is None or role is None or not found["title"]:
        return False
    title = readable(found["title"])
    groups.setdefault(("", folded(title)), Song(title, file.directory)).add(role, file)
    return True


def _of_directory(directory: str, files: Iterable[SourceFile]) -> Song | None:
    """Make the song of a directory that holds nothing but stems, or a full mix; None where it is no such directory."""
    name = os.path.basename(directory)
    song = Song(readable(name), directory, is_directory=True)
    others = []
    for file in files:
        if (role := role_of(file.stem)) is not None:
            song.add(role, file)
        else:
            others.append(file)
    if FULL_MIX not in song.files:
        for file in others:
            if folded(readable(file.stem)) == folded(song.title):
                song.add(FULL_MIX, file)
    stems = len(song.files) - (FULL_MIX in song.files)
    # One song called "Vocals" among others makes no stem of it.
    is_track = any(folded(file.stem) == FULL_MIX for file in song.files.values())
    return song if is_track or (song.has_stem and (stems > 1 or FULL_MIX in song.files)) else None


def _of_names(directory: str, files: Iterable[SourceFile], groups: dict[tuple[str, str], Song]) -> None:
    """Put the files that are called `song (drums)` and the like into their songs."""
    for file in files:
        name = readable(file.stem)
        for found in reversed(list(_BRACKETS.finditer(name))):
            role, rest = role_of(found[1]), name[found.end() :]
            if role is None or not found.start() or (rest and not rest.startswith("_")):
                continue
            title = name[: found.start()]
            if name[found.start()] == "_" and (number := _UVR_NUMBER.match(title)):
                title = title[number.end() :]
            groups.setdefault((directory, folded(title)), Song(title, directory)).add(role, file)
            break


def _with_mixes(songs: list[Song], audio: Iterable[SourceFile]) -> Songs:
    """Give each song its full mix, from its own directory or else from the nearest with a file of that name."""
    result = Songs()
    taken = {file.path for song in songs for file in (*song.files.values(), *song.spare)}
    by_title: dict[str, list[SourceFile]] = {}
    for file in audio:
        if file.path not in taken:
            by_title.setdefault(folded(readable(file.stem)), []).append(file)
    by_mix: dict[str, Song] = {}
    # Of two models' stems of one song those are taken that are more.
    for song in sorted(songs, key=lambda each: (-len(each.files), os.fsencode(each.directory))):
        result.spare += song.spare
        if FULL_MIX not in song.files:
            mix = _nearest(by_title.get(folded(song.title), []), song.directory)
            if mix is None:
                result.without_mix.append(song)
                continue
            song.files[FULL_MIX] = mix
        mix = song.files[FULL_MIX]
        if mix.path in by_mix:
            result.spare += [file for file in song.files.values() if file is not mix]
            continue
        by_mix[mix.path] = song
        result.songs.append(song)
    return result


def _nearest(candidates: Iterable[SourceFile], directory: str) -> SourceFile | None:
    """Find the file that shares the longest way with `directory`; None where there is none, or several do."""
    by_way: dict[int, dict[str, list[SourceFile]]] = {}
    for file in candidates:
        way = len(os.path.commonpath([file.directory, directory]))
        by_way.setdefault(way, {}).setdefault(file.directory, []).append(file)
    if not by_way:
        return None
    places = by_way[max(by_way)]
    # The same song in several formats in one directory is no doubt; in several directories it is.
    return min(next(iter(places.values())), key=_rank) if len(places) == 1 else None


def _rank(file: SourceFile) -> tuple[int, str]:
    return EXTENSIONS.index(file.extension), file.path

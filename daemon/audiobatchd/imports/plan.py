"""The plan of an import: which track folders are made of which files, and what is left out with its reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from re import Pattern

from audiobatchd.imports import cue, tags, titles
from audiobatchd.imports import stems as separated
from audiobatchd.imports.library import VIDEO, Library, SourceFile, Trouble
from audiobatchd.imports.naming import Names, Template
from audiobatchd.imports.text import folded, readable
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import counted


@dataclass(frozen=True)
class Track:
    """A track folder to be made."""

    name: str
    """Name of the folder."""
    files: Mapping[str, SourceFile]
    """Its files by the names that they get: "full_mix.flac"."""

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files.values())


@dataclass
class Plan:
    """Tracks that an import will make, and what it will leave out."""

    tracks: list[Track] = field(default_factory=list)
    already: int = 0
    """Number of tracks that an earlier import brought in."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """Number of files that are none of its business, by kind."""
    left_out: list[Trouble] = field(default_factory=list)
    """Audio that is no track: whole albums in one file, stems without their song."""
    troubles: list[Trouble] = field(default_factory=list)
    """Files and directories that cannot be imported as they are."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(track.size for track in self.tracks)


Known = Callable[[Mapping[str, SourceFile]], str | None]
"""Tells of a track's files whether they were imported before: None where not; "" where all are as they were; else what
is different."""


def make(
    library: Library,
    names: Names,
    template: Template,
    own: Pattern[str] | None,
    known: Known = lambda _: None,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Plan:
    """Plan the import of a library. `on_progress` is told how many tracks of how many have been looked into."""
    plan = Plan(passed_over=Counter(library.passed_over), troubles=list(library.troubles))
    albums = cue.albums(library.cues, library.audio)
    for path, sheet in albums.items():
        plan.left_out.append(
            Trouble(path, f"an album in one file, by {shown(os.path.basename(sheet))}: split it first")
        )
    audio = [file for file in library.audio if file.path not in albums]
    songs = separated.find(audio, own)
    for lonely in songs.without_mix:
        for file in lonely.files.values():
            why = f"a stem, and no song called {lonely.title!r} is here, or more than one"
            plan.left_out.append(Trouble(file.path, why))
    plan.left_out += [Trouble(file.path, "another file of the same song is taken in its place") for file in songs.spare]
    by_path = titles.by_file(audio)
    work = list(_works(audio, songs))
    for number, (files, song) in enumerate(work, 1):
        on_progress(number, len(work))
        mix = files[FULL_MIX]
        if _told(plan, mix, known(_named(files))):
            values = _values(plan, mix, _guess(mix, by_path[mix.path], song))
            if values is not None:
                plan.tracks.append(Track(names.give(template.filled(values)), _named(files)))
                continue
            why = f"a stem of {shown(mix.name)}, which is left out"
            plan.left_out += [Trouble(file.path, why) for file in files.values() if file is not mix]
    return plan


def _works(
    audio: Iterable[SourceFile], songs: separated.Songs
) -> Iterable[tuple[dict[str, SourceFile], separated.Song | None]]:
    """Yield the files of each track by their role, with the song that they are, in the order of the library."""
    by_mix = {song.files[FULL_MIX].path: song for song in songs.songs}
    used = {file.path for song in (*songs.songs, *songs.without_mix) for file in song.files.values()}
    used |= {file.path for file in songs.spare}
    for file in audio:
        if file.path in by_mix:
            yield by_mix[file.path].files, by_mix[file.path]
        elif file.path not in used:
            yield {FULL_MIX: file}, None


def _named(by_role: Mapping[str, SourceFile]) -> dict[str, SourceFile]:
    return {f"{role}.{file.extension}": file for role, file in by_role.items()}


def _told(plan: Plan, mix: SourceFile, before: str | None) -> bool:
    """Note what is known of a track from earlier imports; True where it is new."""
    if before == "":
        plan.already += 1
    elif before:
        plan.troubles.append(Trouble(mix.path, before))
    return before is None


def _guess(mix: SourceFile, by_name: dict[str, str], song: separated.Song | None) -> dict[str, str]:
    """Name a track by its path: a directory of its own is its name, and the name of its stems is without "(mix)"."""
    if song is None:
        return by_name
    if song.is_directory and mix.directory == song.directory:
        return titles.from_path(mix.below[:-1], titles.titles_in([os.path.basename(song.directory)])[0])
    if folded(readable(mix.stem)) != folded(song.title):
        return {**by_name, "title": song.title}
    return by_name


def _values(plan: Plan, mix: SourceFile, guess: Mapping[str, str]) -> dict[str, str] | None:
    """Find what names a track; None where the file is none, which is noted."""
    try:
        told = tags.read(mix.path)
    except OSError as error:
        plan.troubles.append(Trouble(mix.path, f"cannot read it: {error.strerror}"))
        return None
    if told.is_video:
        plan.passed_over[VIDEO] += 1
        return None
    if told.tracks > 1:
        why = f"an album in one file, with {counted(told.tracks, 'track')} in its own cue sheet: split it first"
        plan.left_out.append(Trouble(mix.path, why))
        return None
    return _numbers({**guess, "file": readable(mix.stem), **told.values})


def _numbers(values: dict[str, str]) -> dict[str, str]:
    """Write the numbers of track and disc as names want them, "03" for "3/12", and a date as its year."""
    track, disc = values.get("track", "").partition("/")[0], values.get("disc", "").partition("/")[0]
    return {
        **values,
        "track": track.strip().zfill(2) if track.strip() else "",
        "disc": disc.strip(),
        "year": values.get("year", "")[:4],
    }

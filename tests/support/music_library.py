"""Music libraries on disk for the tests of imports: files of a few bytes each, or music with tags."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import mutagen

from audiobatchd.imports.manifest import DIRECTORY, Mode
from audiobatchd.imports.session import Request, Result, run
from support.audio_files import music, write_audio

Tree = Mapping[str, tuple[bytes, int]]
"""Content and mtime of every file below a place, by its path."""


TIME = 10**18
"""When every file is from, in ns, but for the length of its path."""


def write(root: Path, *paths: str | bytes) -> Path:
    """Write a file to each of these paths, each with a content of its own; no decoder takes it for audio."""
    for path in paths:
        target = os.path.join(os.fsencode(root), os.fsencode(path))
        Path(os.fsdecode(target)).parent.mkdir(parents=True, exist_ok=True)
        Path(os.fsdecode(target)).write_bytes(b"content of " + os.fsencode(path))
        os.utime(target, ns=(TIME, TIME + len(path)))
    return root


def tree(root: Path) -> Tree:
    """Read what lies below a place, hidden manifests apart; a link is its target's content."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and DIRECTORY not in path.parts:
            found[str(path.relative_to(root))] = (path.read_bytes(), path.stat().st_mtime_ns)
    return found


def folders(dataset: Path) -> dict[str, list[str]]:
    """The track folders of a dataset, each with the names in it; names that are hidden count as well."""
    return {
        each.name: sorted(entry.name for entry in each.iterdir())
        for each in dataset.iterdir()
        if each.is_dir() and each.name != DIRECTORY
    }


def import_all(source: Path, dataset: Path, mode: Mode = Mode.AUTO, stems: str = "") -> Result:
    """Import a library, as the command does."""
    request = Request((str(source),), os.path.realpath(dataset), mode, stems=stems)
    return run(request, dict, lambda *_: None)


def ten_albums(root: Path) -> int:
    """Make a library of ten albums with all that is met in one; the number of its tracks.

    Tags complete, missing, taken apart (NFD) and hostile; a compilation, two discs, an album with a cue sheet, covers,
    playlists and a video, names that are alike, names of 255 bytes and outside UTF-8, separated stems.
    """
    songs = [write_audio(root / f"{seed}.flac", music(1.0, 8000, seed), 8000) for seed in range(3)]
    contents = [song.read_bytes() for song in songs]
    for song in songs:
        song.unlink()

    def put(path: str | bytes, number: int, **tags: str) -> None:
        write(root, path)
        target = Path(os.fsdecode(os.path.join(os.fsencode(root), os.fsencode(path))))
        target.write_bytes(contents[number % 3])
        if tags:
            file = mutagen.File(target)
            assert file is not None
            for key, text in tags.items():
                file[key] = [text]
            file.save()
        os.utime(target, ns=(TIME, TIME + number))

    for number in range(6):
        put(f"A/Tagged/{number:02} x.flac", number, artist="A", album="Tagged", title=f"Song {number}", date="1999")
        put(f"B/Untagged/{number + 1:02} - Song {number}.flac", number)
        put(unicodedata.normalize("NFD", f"Björk/Début/{number + 1:02} Sång {number}.flac"), number)
        put(f"Various Artists/Hits/{number + 1:02} Band {number} - Hit.flac", number)
        put(f"E/Two discs/CD{number // 3 + 1}/{number % 3 + 1:02} Part.flac", number)
        put(f"G/Covers/{number + 1} Song {number}.flac", number)
        put(
            f"H/Alike/{number}.flac",
            number,
            artist="H",
            title=("Same", "same", "SAME", "../Same", ".Same", "Same ")[number],
        )
        put(f"I/Long/{number}{'é' * 124}.flac", number, title=f"{number}" + "長" * 200)
        put(f"J/Stems/Song {number}.flac", number)
    for number, name in enumerate((b"caf\xe9", b"two\nlines", b"quote'\"")):
        put(b"K/Bytes/" + name + b".flac", number)
    put("F/Image/image.flac", 0)
    (root / "F" / "Image" / "image.cue").write_text('FILE "image.wav" WAVE\nTRACK 01 AUDIO\nTRACK 02 AUDIO\n')
    for stem in ("drums", "bass", "other", "vocals", "guitar", "piano"):
        put(f"separated/htdemucs_6s/Song 0/{stem}.flac", 1)
    write(root, "G/Covers/cover.jpg", "G/Covers/back.png", "G/Covers/list.m3u", "G/Covers/clip.mkv", "G/Covers/rip.log")
    return 6 * 9 + 3

"""Directories that training programs load: Hugging Face's AudioFolder, WebDataset, and stable-audio-tools.

Audio is referred to where it lies, or copied. Files have numbers for names: a track's own may have dots, which
WebDataset takes for the end of a key, or bytes that are no text.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from itertools import chain, count, islice
from pathlib import Path, PurePath
from typing import BinaryIO

from audiobatchd.exports.tracks import Table, Track, opened
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.vocabulary.names import folder_at, shown

_SAMPLES, _BYTES = 10_000, 1 << 30
"""A shard of WebDataset ends after that many samples or bytes."""
_MODULE, _INDEX = "custom_metadata.py", "metadata.jsonl"
_AUDIO = "audio"
"""Directory of the audio in Hugging Face's form; its loader gives the column of full mixes the same name."""
_OF_FILES = re.compile(r"(.*_)?file_names?", re.DOTALL)
"""The names of columns that it takes for those of files; it calls them by the role alone."""
_PATH = "path"
"""The key that tells in WebDataset where the full mix lies."""


class Left:
    """Count of the tracks that were left out, because they lack a file that the form cannot do without."""

    def __init__(self) -> None:
        self.count = 0


def write_huggingface(table: Table, directory: Path, left: Left, *, with_audio: bool) -> None:
    """Write `metadata.jsonl` and a directory `audio` with a link to each file, or with copies.

    Its loader takes no row that lacks a file which others have: with stems only tracks with all of them are written.
    """
    audio = directory / _AUDIO
    audio.mkdir()
    with (directory / _INDEX).open("w", encoding="utf-8") as index:
        given = _names_beside(table, lambda name: bool(_OF_FILES.fullmatch(name)) or name in (_AUDIO, *table.roles))
        for number, track in _numbered(table, left, table.roles):
            names = {}
            for role in track.files:
                name = f"{number:08d}{'' if role == FULL_MIX else '_' + role}{_suffix(track, role)}"
                _place(table, track, role, audio / name, with_audio=with_audio)
                names["file_name" if role == FULL_MIX else f"{role}_file_name"] = f"{_AUDIO}/{name}"
            values = {given[key]: value for key, value in track.values.items()}
            index.write(json.dumps({**names, **values}, ensure_ascii=False) + "\n")


def write_webdataset(table: Table, directory: Path, left: Left, *, with_audio: bool) -> None:
    """Write shards of samples: KEY.json, and with audio KEY.flac (or what it is) and KEY.drums.flac of a stem.

    The JSON has the values and, as `path` and `drums_path`, where the audio lies.
    """
    given = _names_beside(table, lambda name: name == _PATH)
    samples = _numbered(table, left)
    shards = count()
    for first in samples:
        path = directory / f"shard-{next(shards):06d}.tar"
        # Not USTAR, which has no room for the size of a file from 8 GiB on.
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as shard:
            for number, track in chain((first,), islice(samples, _SAMPLES - 1)):
                _add_sample(shard, f"{number:08d}", table, track, given, with_audio=with_audio)
                if shard.offset >= _BYTES:
                    break


def write_stable_audio_tools(table: Table, directory: Path, left: Left, *, with_audio: bool, target: Path) -> None:
    """Write `dataset.json`, which names the audio and the module that gives each file its values, and that module.

    The module is always the same; names and values are in `metadata.jsonl` beside it. Files that are not in there, as
    stems, are rejected. `target` is where the directory will be.
    """
    audio = directory / "audio"
    if with_audio:
        audio.mkdir()
    with (directory / _INDEX).open("w", encoding="ascii") as index:
        for number, track in _numbered(table, left):
            place = os.path.join(track.folder, track.files[FULL_MIX])
            if with_audio:
                place = f"{number:08d}{_suffix(track, FULL_MIX)}"
                _place(table, track, FULL_MIX, audio / place, with_audio=True)
            values = {key: value for key, value in track.values.items() if value is not None}
            # Names that are no text are lone surrogates, which ASCII can carry.
            index.write(json.dumps({"relpath": place, "values": values}) + "\n")
    shutil.copyfile(str(files("audiobatchd.exports").joinpath(_MODULE)), directory / _MODULE)
    settings = {
        "dataset_type": "audio_dir",
        "datasets": [
            {
                "id": shown(os.path.basename(table.dataset)),
                "path": str(target / "audio") if with_audio else table.dataset,
                "custom_metadata_module": str(target / _MODULE),
            }
        ],
        "random_crop": True,
    }
    (directory / "dataset.json").write_text(json.dumps(settings, indent=4) + "\n", encoding="ascii")


def _numbered(table: Table, left: Left, needed: Sequence[str] = (FULL_MIX,)) -> Iterator[tuple[int, Track]]:
    """Yield the tracks that have the files of these roles, with numbers."""
    number = 0
    for track in table.tracks:
        if not track.files.keys() >= set(needed):
            left.count += 1
            continue
        yield number, track
        number += 1


def _names_beside(table: Table, is_taken: Callable[[str], bool]) -> dict[str, str]:
    """Name the fields of a table for a form that has keys of its own: such a field's name has `_value` behind it."""
    names = {field.name: field.name for field in table.fields}
    used = set(names)
    for name in filter(is_taken, list(names)):
        while names[name] in used:
            names[name] += "_value"
        used.add(names[name])
    return names


def _suffix(track: Track, role: str) -> str:
    return PurePath(track.files[role]).suffix.lower()


def _place(table: Table, track: Track, role: str, place: Path, *, with_audio: bool) -> None:
    """Link to a source file, or copy it. Raises AudiobatchError for one that cannot be read, OSError for the target."""
    if not with_audio:
        place.symlink_to(os.path.join(folder_at(table.dataset, track.folder), track.files[role]))
        return
    source, _ = opened(table.dataset, track, role)
    with source, place.open("xb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)


def _add_sample(
    shard: tarfile.TarFile, key: str, table: Table, track: Track, given: dict[str, str], *, with_audio: bool
) -> None:
    sample = {given[name]: value for name, value in track.values.items() if value is not None}
    for role, name in track.files.items():
        path = os.path.join(folder_at(table.dataset, track.folder), name)
        sample[_PATH if role == FULL_MIX else f"{role}_path"] = shown(path)
    content = json.dumps(sample, ensure_ascii=False).encode()
    _add(shard, f"{key}.json", io.BytesIO(content), len(content))
    if with_audio:
        for role in track.files:
            source, size = opened(table.dataset, track, role)
            with source:
                middle = "" if role == FULL_MIX else f".{role}"
                _add(shard, f"{key}{middle}{_suffix(track, role)}", source, size)


def _add(shard: tarfile.TarFile, name: str, content: BinaryIO, size: int) -> None:
    member = tarfile.TarInfo(name)  # of no owner and no time: the same input gives the same bytes
    member.size = size
    shard.addfile(member, content)

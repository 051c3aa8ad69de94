"""Cue sheets: which audio files are a whole album in one file, and so no track.

Such a file is told of and not split: that is the work of tools that can see where a track begins to sound.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import PurePath

from audiobatchd.disk import bounded
from audiobatchd.imports.library import SourceFile
from audiobatchd.imports.text import folded

_LIMIT = 1 << 20
_LINE = re.compile(rb'^\s*(FILE|TRACK)\s+(?:"([^"\n]*)"|(\S+))', re.IGNORECASE | re.MULTILINE)


def tracks_in(sheet: bytes) -> dict[bytes, int]:
    """Count the tracks of each file that a cue sheet names."""
    counts: dict[bytes, int] = {}
    current = None
    for word, quoted, plain in _LINE.findall(sheet):
        if word.upper() == b"FILE":
            current = quoted or plain
            counts.setdefault(current, 0)
        elif current is not None:
            counts[current] += 1
    return counts


def albums(cues: Iterable[str], audio: Iterable[SourceFile]) -> dict[str, str]:
    """Find the audio files that cue sheets divide into several tracks: the path of the sheet by that of the file.

    A sheet may name a `.wav` that has become a `.flac` since: the name without its extension counts. One that cannot
    be read divides nothing.
    """
    by_place: dict[tuple[str, str], list[SourceFile]] = {}
    for file in audio:
        by_place.setdefault((file.directory, folded(file.stem)), []).append(file)
    found = {}
    for cue in cues:
        try:
            sheet, _ = bounded.read(cue, _LIMIT)
        except OSError:
            continue
        for name, tracks in tracks_in(sheet).items():
            if tracks < 2:  # noqa: PLR2004  # one is a track like others
                continue
            stem = PurePath(os.fsdecode(name.replace(b"\\", b"/"))).stem
            directory, own = os.path.dirname(cue), PurePath(cue).stem
            for each in by_place.get((directory, folded(stem))) or by_place.get((directory, folded(own)), []):
                found[each.path] = cue
    return found

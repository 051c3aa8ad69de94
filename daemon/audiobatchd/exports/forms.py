"""The forms of exports, each with how it is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from audiobatchd.exports import audio_sets, parquet, publish, text
from audiobatchd.exports.audio_sets import Left
from audiobatchd.exports.text import Output
from audiobatchd.exports.tracks import Table

TEXTS: dict[str, Callable[[Table, Output], None]] = {
    "csv": text.write_csv,
    "tsv": text.write_tsv,
    "jsonl": text.write_jsonl,
}
"""Forms that are text, and can go to any output."""
PARQUET = "parquet"
AUDIO_SETS = ("huggingface", "webdataset", "stable-audio-tools")
"""Forms that are a directory with audio, or with references to it."""
FORMS = (*TEXTS, PARQUET, *AUDIO_SETS)


class Wanted(Struct, frozen=True):
    """An export that is asked for."""

    form: str
    """One of FORMS."""
    target: Path
    """The file or directory that is to be made."""
    with_audio: bool = False
    """True where audio is copied."""


def write(wanted: Wanted, table: Table) -> int:
    """Write an export, and count the folders that were left out because a file is missing.

    Raises UsageError where the target is there, AudiobatchError where a source file or a library is missing, OSError
    for a disk that fails: then there is no target.
    """
    left = Left()
    target = wanted.target.absolute()
    with publish.published(target, is_directory=wanted.form in AUDIO_SETS) as hidden:
        match wanted.form:
            case "parquet":
                parquet.write_parquet(table, hidden)
            case "huggingface":
                audio_sets.write_huggingface(table, hidden, left, with_audio=wanted.with_audio)
            case "webdataset":
                audio_sets.write_webdataset(table, hidden, left, with_audio=wanted.with_audio)
            case "stable-audio-tools":
                audio_sets.write_stable_audio_tools(table, hidden, left, with_audio=wanted.with_audio, target=target)
            case _:
                with hidden.open("w", encoding="utf-8", newline="") as stream:
                    TEXTS[wanted.form](table, stream)
    return left.count

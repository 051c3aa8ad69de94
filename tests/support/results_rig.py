"""Datasets of records without audio, opened for questions."""

from __future__ import annotations

import json
from pathlib import Path

from audiobatchd.results.figures import Results
from audiobatchd.results.sources import open_disk


def dataset(root: Path, **records: object) -> Path:
    """Make track folders with these records: JSON, or text as it is."""
    for name, record in records.items():
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "full_mix.flac").write_bytes(b"")
        text = record if isinstance(record, str) else json.dumps(record)
        (folder / f"{folder.name}.INFO").write_text(text)
    return root


def opened(root: Path, **records: object) -> Results:
    """The values of a dataset with these records."""
    return open_disk(str(dataset(root, **records)))


class ToldStates:
    """States that are told: of `folders`, by path, with the reason; all others are complete."""

    def __init__(self, *unlisted: bytes, **folders: tuple[str, str]) -> None:
        self._unlisted = unlisted
        self._folders = {name.encode(): told for name, told in folders.items()}

    def state(self, path: bytes) -> str | None:
        return self._folders.get(path, ("complete", ""))[0]

    def why(self, path: bytes) -> str:
        return self._folders.get(path, ("", ""))[1]

    def unlisted(self) -> tuple[bytes, ...]:
        return self._unlisted

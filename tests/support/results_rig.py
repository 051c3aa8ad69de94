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

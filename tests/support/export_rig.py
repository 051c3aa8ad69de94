"""A data set of a few folders with records, and its export by the real command."""

from __future__ import annotations

import json
import os
from pathlib import Path

from audiobatchd.cli import control

VALUES: dict[str, dict[str, object]] = {
    "Dr. Dre - 01": {"bpm": 120.5, "lufs": -9.25, "key": "C major", "bpm_is_defined": True, "genre": {"Rock": 0.5}},
    "=cmd|' C calc'!A0": {"bpm": 250, "brightness": 104.0, "key": "-1", "sample_rate": 44100, "genre": {"Pop": 0.25}},
    'caf\udce9, "quoted"': {"lufs": -30, "bpm_is_defined": False, "lufs_drums": -20.5},
}
"""The values of the full mix by folder."""
STEMS = {"Dr. Dre - 01": ("drums", "bass", "other", "vocals"), 'caf\udce9, "quoted"': ("drums",)}


def make_dataset(root: Path) -> Path:
    """Make the folders, with audio that nothing reads but copies."""
    for name, values in VALUES.items():
        folder = root / name
        folder.mkdir(parents=True)
        for role in ("full_mix", *STEMS.get(name, ())):
            (folder / f"{role}.FLAC").write_bytes(f"{role} of ".encode() + os.fsencode(name))
        (folder / f"{name}.INFO").write_text(json.dumps(values))
    return root


def export(dataset: Path, form: str, target: Path | str, *options: str) -> int:
    """Export without a service; the exit code."""
    nowhere = str(dataset.parent / "no.sock")
    return control.main(["--socket", nowhere, "export", str(dataset), "--format", form, "-o", str(target), *options])

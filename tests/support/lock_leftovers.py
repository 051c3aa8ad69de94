"""Tracks with locks that were left behind."""

from __future__ import annotations

from pathlib import Path

from support.lock_rig import (
    guides_text,
    holder,
)


def make_track(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").touch()
    return folder


OURS, TEXT = holder(pid=7, host="nas"), guides_text(Path("Track"), 7)

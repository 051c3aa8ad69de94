"""A track folder to save to, and another process that holds its lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import lock_rig
from support.lock_fixtures import no_descriptor_stays_open, remote, start, track

__all__ = ["no_descriptor_stays_open", "remote", "start", "track"]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A track folder without a record. Nothing here reads the audio."""
    folder = tmp_path / "Song"
    folder.mkdir()
    (folder / "full_mix.flac").write_bytes(b"no audio")
    (folder / "full_mix.flac").chmod(0o644)
    return folder


@pytest.fixture
def held_elsewhere() -> lock_rig.Held:
    """Return what makes another process hold the lock of a folder."""
    return lock_rig.held_elsewhere

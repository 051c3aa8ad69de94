"""A track folder to save to, and another process that holds its lock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from support.lock_fixtures import no_descriptor_stays_open, remote, start, track

__all__ = ["no_descriptor_stays_open", "remote", "start", "track"]

HOLDER = "import sys; from audiobatchd import FileLock\nwith FileLock(sys.argv[1]): print(flush=True); sys.stdin.read()"


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A track folder without a record. Nothing here reads the audio."""
    folder = tmp_path / "Song"
    folder.mkdir()
    (folder / "full_mix.flac").write_bytes(b"no audio")
    (folder / "full_mix.flac").chmod(0o644)
    return folder


@contextmanager
def _held(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdin=pipe, stdout=pipe) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"\n"
            yield holder
        finally:
            holder.kill()


@pytest.fixture
def held_elsewhere() -> Callable[[Path], AbstractContextManager[subprocess.Popen[bytes]]]:
    """Return what makes another process hold the lock of a folder."""
    return _held

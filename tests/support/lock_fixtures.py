"""Fixtures of tests of locks: a track folder, peers, and the watch over descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from support.lock_rig import StartPeer, descriptors, peers


@pytest.fixture
def no_descriptor_stays_open(tmp_path: Path) -> Iterator[None]:
    """Assert that the test closes what it opens."""
    before = descriptors()
    yield
    assert descriptors() == before


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """A track folder."""
    folder = tmp_path / "Track"
    folder.mkdir()
    (folder / "full_mix.flac").touch()
    return folder


@pytest.fixture
def start() -> Iterator[StartPeer]:
    """Starts other processes."""
    with peers() as start:
        yield start


@pytest.fixture(params=[Kind.NETWORK, Kind.WEAK], ids=lambda kind: kind.value)
def remote(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Let all files seem to lie on a file system that is not this machine's alone."""
    kind: Kind = request.param
    monkeypatch.setattr(filesystems, "kind_of", lambda descriptor: kind)
    return kind

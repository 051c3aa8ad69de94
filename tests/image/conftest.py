"""Unpacks the images of dist/ for the session, and makes tracks and containers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audiobatchd import __version__
from image.container import Container, Image, unpacked
from support.audio_files import make_track
from system.machine import CACHE

ROOT = Path(__file__).parents[2]

Start = Callable[..., Container]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A container takes longer than a function."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(300, func_only=True))


@pytest.fixture(scope="session")
def _alone() -> Iterator[None]:
    """One run at a time: unpacked images are shared."""
    with (CACHE / "image-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def full(_alone: None) -> Image:
    """The image with everything."""
    return unpacked(ROOT / "dist" / f"audiobatchd-{__version__}.docker.tar")


@pytest.fixture(scope="session")
def slim_archive() -> Path:
    """The archive of the image without TensorFlow and Essentia."""
    return ROOT / "dist" / f"audiobatchd-{__version__}-slim.docker.tar"


@pytest.fixture(scope="session")
def slim(_alone: None, slim_archive: Path) -> Image:
    """The image without TensorFlow and Essentia."""
    return unpacked(slim_archive)


@pytest.fixture(scope="session")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tracks to be copied: `short`, `long` and `damaged`."""
    place = tmp_path_factory.mktemp("tracks")
    make_track(place / "short", seconds=4.0, stems=("drums",))
    make_track(place / "long", seconds=240.0, stems=(), extension="ogg")
    make_track(place / "damaged", seconds=1.0, stems=())
    (place / "damaged" / "full_mix.flac").write_bytes(os.urandom(20_000))
    return place


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Start]:
    """Make containers, which end with the test."""
    containers: list[Container] = []

    def make(image: Image, user: str = "", place: Path = tmp_path) -> Container:
        containers.append(Container(image, place, user))
        return containers[-1]

    yield make
    for each in containers:
        each.kill()

"""Files that take their places as a whole, with what they hold on the disk before."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def placing(place: Path) -> Iterator[Path]:
    """A new file that takes its place when it is written; nothing is left of one that could not be."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.new")
    try:
        yield new
        settle(new, place)
    finally:
        new.unlink(missing_ok=True)


def settle(new: Path, place: Path) -> None:
    """Rename a file into its place, synced before."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new.chmod(0o644)
    with new.open("rb") as written:
        os.fsync(written.fileno())
    new.replace(place)
    with held(place.parent) as directory:
        os.fsync(directory)


@contextmanager
def held(directory: Path) -> Iterator[int]:
    """A descriptor of a directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def same(first: Path, second: Path) -> bool:
    """Tell whether two files have the same bytes."""
    return subprocess.run(["cmp", "--silent", first, second], check=False).returncode == 0

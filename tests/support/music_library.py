"""A music library on disk for the tests of imports: files of a few bytes each, and what lies in it as a whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from audiobatchd.imports.manifest import DIRECTORY, Mode
from audiobatchd.imports.session import Request, Result, run

Tree = Mapping[str, tuple[bytes, int]]
"""Content and mtime of every file below a place, by its path."""


TIME = 10**18
"""When every file is from, in ns, but for the length of its path."""


def write(root: Path, *paths: str | bytes) -> Path:
    """Write a file to each of these paths, each with a content of its own; no decoder takes it for audio."""
    for path in paths:
        target = os.path.join(os.fsencode(root), os.fsencode(path))
        Path(os.fsdecode(target)).parent.mkdir(parents=True, exist_ok=True)
        Path(os.fsdecode(target)).write_bytes(b"content of " + os.fsencode(path))
        os.utime(target, ns=(TIME, TIME + len(path)))
    return root


def tree(root: Path) -> Tree:
    """Read what lies below a place, hidden manifests apart; a link is its target's content."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and DIRECTORY not in path.parts:
            found[str(path.relative_to(root))] = (path.read_bytes(), path.stat().st_mtime_ns)
    return found


def folders(dataset: Path) -> dict[str, list[str]]:
    """The track folders of a dataset, each with the names in it; names that are hidden count as well."""
    return {
        each.name: sorted(entry.name for entry in each.iterdir())
        for each in dataset.iterdir()
        if each.is_dir() and each.name != DIRECTORY
    }


def import_all(source: Path, dataset: Path, mode: Mode = Mode.AUTO, stems: str = "") -> Result:
    """Import a library, as the command does."""
    request = Request((str(source),), os.path.realpath(dataset), mode, stems=stems)
    return run(request, dict, lambda *_: None)

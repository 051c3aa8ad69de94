"""Track folders for people's own scripts: which there are, and which files are in them."""

from __future__ import annotations

import os
from pathlib import Path

from audiobatchd.core.discovery import Contents
from audiobatchd.disk.listing import read_names, walk
from audiobatchd.plugin_api import FULL_MIX, STEMS

Folder = str | os.PathLike[str]


def absolute(folder: Folder) -> str:
    """The path of `folder` from the root, without links: `.` has a name then, and a folder one lock, however spelt."""
    return os.path.realpath(folder)


def find_organized_folders(root_directory: Folder, ignore: tuple[str, ...] = ()) -> list[Path]:
    """List the track folders at and below `root_directory`, ordered by path: directories with a `full_mix.<ext>`.

    Not entered: hidden directories, symbolic links, `crops`, `@eaDir`, `lost+found`, `.stfolder`, and what the glob
    patterns of `ignore` name. A directory below the root that cannot be read is left out. Raises OSError for the root.
    """
    root = os.fspath(root_directory)
    folders = [path for path, names in walk(root, ignore) if isinstance(names, Contents) and names.is_track]
    return sorted(Path(root, folder) if folder else Path(root) for folder in folders)


def get_full_mix(folder: Folder) -> Path | None:
    """The folder's full mix: the best format where there are several, None where there is none. Raises OSError."""
    name = read_names(os.fspath(folder)).sources.get(FULL_MIX)
    return Path(folder, name) if name else None


def get_stem_files(folder: Folder) -> dict[str, Path]:
    """The folder's stems by name, of `drums`, `bass`, `other` and `vocals` those that are there. Raises OSError."""
    sources = read_names(os.fspath(folder)).sources
    return {stem: Path(folder, sources[stem]) for stem in STEMS if stem in sources}

"""Files that are dropped into an inbox and were there before: what is in the dataset already, and what was taken out.

Nothing is brought in twice: in training data a track that stands twice is worse than a file that is left and named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from audiobatchd.imports import transfer
from audiobatchd.imports.library import SourceFile
from audiobatchd.imports.manifest import Entry, Manifest, Step
from audiobatchd.imports.plan import Known
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.names import parsed, shown


def known(before: list[Manifest], dataset: str) -> Known:
    """Make the memory of an inbox: by the content of what was imported, and by the place of what was undone."""
    there = _Folders(dataset)
    undone: dict[str, tuple[Manifest, Entry]] = {}
    imported: dict[int, list[tuple[Manifest, Entry]]] = {}
    for each in before:
        for entry in each.entries.values():
            # A later import of the same file has the last word on it.
            undone |= {origin.source: (each, entry) for origin in entry.build.files.values()}
            if entry.is_there and entry.publish is not None:
                imported.setdefault(entry.publish.files[_mix(entry.publish.files)].size, []).append((each, entry))

    def told(files: Mapping[str, SourceFile]) -> str | None:
        mix = files[_mix(files)]
        made_by, entry = undone.get(shown(mix.path), (None, None))
        if made_by is not None and entry is not None and entry.step is Step.UNDONE and _is_unchanged(entry, files):
            return f"import {made_by.id} moved it, and was undone: touch it, or give it another name, to have it moved"
        for made_by, entry in imported.get(mix.size, ()):
            if (folder := there.of(entry)) is not None and _is_same(
                mix.path, os.path.join(folder, _mix(entry.build.files))
            ):
                return f"the same as {shown(os.path.basename(folder))}, which import {made_by.id} brought in: remove it"
        return None

    return told


class _Folders:
    """The track folders of a dataset, which may have other names than imports gave them."""

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset
        with os.scandir(dataset) as entries:
            self._by_inode = {entry.inode(): entry.name for entry in entries}

    def of(self, entry: Entry) -> str | None:
        """Find the folder that an import made; None where it is gone."""
        path = os.path.join(self._dataset, parsed(entry.build.folder))
        if os.path.lexists(path):
            return path
        name = self._by_inode.get(entry.publish.inode) if entry.publish is not None else None
        return None if name is None else os.path.join(self._dataset, name)


def _mix(files: Mapping[str, object]) -> str:
    return next(name for name in files if name.startswith(f"{FULL_MIX}."))


def _is_unchanged(entry: Entry, files: Mapping[str, SourceFile]) -> bool:
    """Tell whether these files are those that an import was of, as they were."""
    was = {origin.source: (origin.size, origin.mtime_ns) for origin in entry.build.files.values()}
    return all(was.get(shown(file.path)) == (file.size, file.mtime_ns) for file in files.values())


def _is_same(one: str, other: str) -> bool:
    with suppress(OSError):  # what cannot be read is told when it is to be moved
        return FileId.of(os.lstat(one)) == FileId.of(os.lstat(other)) or transfer.same_bytes(one, other)
    return False

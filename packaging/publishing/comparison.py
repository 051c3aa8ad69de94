"""Two builds of one commit, compared byte by byte; of archives that differ, which of their members."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

SHOWN = 10
"""Most members that are named of one archive."""


def differences(first: Path, second: Path) -> list[str]:
    """A line for each file that only one of the directories has, or that differs; none for equal builds."""
    names = {place: {each.name for each in place.iterdir() if each.is_file()} for place in (first, second)}
    lines = [f"{name} was built once only" for name in sorted(names[first] ^ names[second])]
    for name in sorted(names[first] & names[second]):
        if digest_of(first / name) != digest_of(second / name):
            before, after = dict(members(first / name)), dict(members(second / name))
            differ = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
            told = ", ".join(differ[:SHOWN]) or "the same members, packed in another way"
            more = f" and {len(differ) - SHOWN} more" if len(differ) > SHOWN else ""
            lines.append(f"{name} differs: {told}{more}")
    return lines


def members(path: Path) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Each member of an archive with all that is told of it, and its digest; nothing of other files."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            for part in wheel.infolist():
                yield part.filename, (part.date_time, part.external_attr, digest(wheel.open(part)))
    elif path.suffix == ".deb":
        for which in ("--ctrl-tarfile", "--fsys-tarfile"):
            with subprocess.Popen(["dpkg-deb", which, str(path)], stdout=subprocess.PIPE) as unpacking:
                assert unpacking.stdout is not None
                with tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive:
                    yield from members_of_tar(archive, f"{which[2:6].rstrip('-')}:")
    elif path.name.endswith((".tar.gz", ".tar")):
        with tarfile.open(path, mode="r|*") as archive:
            yield from members_of_tar(archive)


def members_of_tar(archive: tarfile.TarFile, prefix: str = "") -> Iterator[tuple[str, tuple[object, ...]]]:
    """Each member of an open archive."""
    for entry in archive:
        content = archive.extractfile(entry) if entry.isfile() else None
        owner = (entry.uid, entry.gid, entry.uname, entry.gname)
        told = (entry.type, entry.mode, owner, entry.mtime, entry.linkname, digest(content) if content else "")
        yield prefix + entry.name, told


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return digest(file)


def digest(file: IO[bytes]) -> str:
    """SHA-256 of what can be read."""
    found = hashlib.sha256()
    while block := file.read(1 << 20):
        found.update(block)
    return found.hexdigest()

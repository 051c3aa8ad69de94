"""The facts of a Debian package, read by `dpkg-deb`."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from publishing.signing import PublishingError, without_key

FIELDS = ("Package", "Version", "Architecture", "Depends")
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
VERSION = re.compile(r"[0-9][A-Za-z0-9.+~-]*")
HEAD = re.compile(rb"!<arch>\ndebian-binary.{3}([0-9 ]{12})", re.DOTALL)
"""Beginning of the archive: its first member, and when that was made."""


@dataclass(frozen=True)
class Package:
    """A .deb file."""

    path: Path
    """Place of the file."""
    name: str
    """Name of the package."""
    version: str
    """Version, without an epoch."""
    architecture: str
    """Debian's name of the architecture, or `all`."""
    depends: str
    """The field Depends, as it is."""
    made: int
    """Unix time at which it was made: `SOURCE_DATE_EPOCH` of its build."""

    @property
    def file_name(self) -> str:
        """Name in a pool, whatever the file is called here."""
        return f"{self.name}_{self.version}_{self.architecture}.deb"


def read_package(path: Path) -> Package:
    """Read a package's control fields. Raises PublishingError where it is none, or has odd fields."""
    command = ["dpkg-deb", "--show", "--showformat", "\\n".join(f"${{{name}}}" for name in FIELDS), str(path)]
    try:
        with path.open("rb") as archive:
            head = HEAD.match(archive.read(80))
        done = subprocess.run(command, capture_output=True, text=True, env=without_key(), check=False)
    except FileNotFoundError as error:
        message = f"cannot read {error.filename}: no such file or program"
        raise PublishingError(message) from None
    if done.returncode or head is None:
        message = f"cannot read {path}: it is no Debian package {done.stderr.strip()}"
        raise PublishingError(message)
    name, version, architecture, depends = done.stdout.split("\n")
    if not NAME.fullmatch(name) or not VERSION.fullmatch(version) or not NAME.fullmatch(architecture):
        message = f"cannot publish {path}: its name, version or architecture is not as Debian has them"
        raise PublishingError(message)
    return Package(path, name, version, architecture, depends, int(head[1]))

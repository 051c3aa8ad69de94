"""Indexes of one suite of an apt repository, by apt-ftparchive: Packages by architecture, and Release over them."""

from __future__ import annotations

import gzip
import lzma
import os
import subprocess
from email.utils import formatdate
from pathlib import Path

from publishing.packages import read_package
from publishing.signing import PublishingError, without_key

ORDER = ("by-hash", "Packages", "Release", "Release.gpg", "InRelease")
"""Order in which the files of a suite take their places: apt reads the last one first."""


def index(directory: Path, suite: str, dist: Path) -> list[str]:
    """Write the indexes of `directory`/pool/SUITE into `dist`; returns the architectures. Raises PublishingError."""
    packages = [read_package(path) for path in sorted((directory / "pool" / suite).glob("*.deb"))]
    architectures = sorted({each.architecture for each in packages} - {"all"}) or ["amd64"]
    for architecture in architectures:
        place = dist / "main" / f"binary-{architecture}"
        place.mkdir(parents=True)
        text = ftparchive(directory, "--arch", architecture, "packages", f"pool/{suite}")
        (place / "Packages").write_bytes(text)
        (place / "Packages.gz").write_bytes(gzip.compress(text, mtime=0))
        (place / "Packages.xz").write_bytes(lzma.compress(text))
    # As old as the newest package, and not as this call: what is the same says so. apt goes back to no earlier one.
    date = int(os.environ.get("SOURCE_DATE_EPOCH", max((each.made for each in packages), default=0)))
    told = {
        "Origin": "audiobatchd",
        "Label": "audiobatchd",
        "Suite": suite,
        "Codename": suite,
        "Date": formatdate(date, usegmt=True),
        "Architectures": " ".join(architectures),
        "Components": "main",
    }
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in told.items()]
    release = ftparchive(dist, "-oAPT::FTPArchive::DoByHash=true", *options, "release", ".")
    (dist / "Release").write_bytes(release)
    return architectures


def turn(path: Path) -> tuple[int, str]:
    """Place of a file in the order of publishing; what clients do not read comes first."""
    name = "by-hash" if "by-hash" in path.parts else path.name
    name = name.removesuffix(".gz").removesuffix(".xz")
    return (ORDER.index(name) if name in ORDER else -1, str(path))


def ftparchive(directory: Path, *arguments: str) -> bytes:
    """Output of apt-ftparchive, which is run in this directory. Raises PublishingError."""
    digests = ["-oAPT::FTPArchive::MD5=false", "-oAPT::FTPArchive::SHA1=false"]
    command = ["apt-ftparchive", "-q", *digests, *arguments]
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, env=without_key(), check=False)
    except FileNotFoundError:
        message = "cannot make indexes: apt-ftparchive is not there; apt-get install apt-utils"
        raise PublishingError(message) from None
    if done.returncode:
        message = f"cannot make indexes in {directory}: {done.stderr.decode(errors='replace').strip()}"
        raise PublishingError(message)
    return done.stdout

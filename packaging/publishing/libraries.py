"""Shared libraries that wheels bring along, as components of a bill of materials."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.utils import canonicalize_name

from publishing.comparison import digest
from publishing.signing import PublishingError

Json = dict[str, Any]

LIBRARY = re.compile(r"(?P<name>[\w.+-]+?)(?:-[0-9a-f]{8})*\.so(?:\.(?P<version>[\d.]+))?")
"""A library that auditwheel has put beside a wheel's modules, with a digest in its name."""
BROUGHT = re.compile(r"(?P<wheel>[^/]+)\.libs")


def libraries_in(package: Path) -> dict[str, list[Json]]:
    """Shared libraries that wheels have brought along, by the wheel's name."""
    found: dict[str, list[Json]] = {}
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    try:
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking,
            tarfile.open(fileobj=unpacking.stdout, mode="r|") as files,
        ):
            for member in files:
                place = PurePosixPath(member.name)
                wheel, library = BROUGHT.fullmatch(place.parent.name), LIBRARY.fullmatch(place.name)
                content = files.extractfile(member) if wheel and library and member.isfile() else None
                if wheel and library and content:
                    named = {"name": library["name"]} | ({"version": library["version"]} if library["version"] else {})
                    component: Json = {"type": "library", **named, "hashes": sha256(digest(content))}
                    found.setdefault(canonicalize_name(wheel["wheel"]), []).append(component)
    except tarfile.TarError as error:
        message = f"cannot read {package}: {error}"
        raise PublishingError(message) from None
    return {name: sorted(each, key=lambda each: (each["name"], str(each["hashes"]))) for name, each in found.items()}


def sha256(content: str) -> list[Json]:
    """A digest as CycloneDX has it."""
    return [{"alg": "SHA-256", "content": content}]

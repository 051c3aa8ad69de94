"""Writes a docker-archive again without what differs from build to build: `same_archive.py ARCHIVE OUT`.

buildah leaves the builder's host name and container in the image's configuration, and its ids in the history. The
configuration's name is its digest, so the archive is put together again, without the form of 2015 beside it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path
from typing import Any


def main() -> None:
    """Write the archive."""
    source, out = map(Path, sys.argv[1:])
    with tarfile.open(source) as archive, tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as written:
        [manifest] = json.load(_file(archive, "manifest.json"))
        for layer in manifest["Layers"]:
            _add(written, layer, _file(archive, layer), archive.getmember(layer).size)
        content = _encoded(settled(json.load(_file(archive, manifest["Config"]))))
        manifest["Config"] = f"{hashlib.sha256(content).hexdigest()}.json"
        for name, data in ((manifest["Config"], content), ("manifest.json", _encoded([manifest]))):
            _add(written, name, io.BytesIO(data), len(data))


def settled(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what is of this build alone."""
    kept = {key: value for key, value in config.items() if key not in {"container", "container_config", "parent"}}
    kept["config"] = {key: value for key, value in config["config"].items() if key != "Hostname"}
    kept["history"] = [{key: value for key, value in step.items() if key != "comment"} for step in config["history"]]
    return kept


def _encoded(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _file(archive: tarfile.TarFile, name: str) -> io.BufferedIOBase:
    found = archive.extractfile(name)
    if found is None:
        message = f"cannot read {archive.name!r}: {name} is no file"
        raise SystemExit(message)
    return found  # type: ignore[return-value]  # typeshed says IO[bytes]


def _add(archive: tarfile.TarFile, name: str, content: io.BufferedIOBase, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o644, int(os.environ["SOURCE_DATE_EPOCH"])
    archive.addfile(entry, content)


if __name__ == "__main__":
    main()

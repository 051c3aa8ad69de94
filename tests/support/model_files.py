"""Models in directories."""

from __future__ import annotations

import hashlib
from pathlib import Path

from audiobatchd.models.store import Files
from support.model_server import METADATA, graph

BODY = graph(5000)
OTHER = graph(5000, filling=9)
HEAD = "danceability-msd-musicnn-1"
KNOWN = "msd-musicnn-1"


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def put(directory: Path, name: str, body: bytes = BODY, metadata: bytes = METADATA) -> Files:
    directory.mkdir(exist_ok=True)
    files = Files(name, directory)
    files.graph.write_bytes(body)
    files.metadata.write_bytes(metadata)
    return files


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())

"""Pins: read, written in one step, and taken by sha256sum."""

from __future__ import annotations

import subprocess
from pathlib import Path

from audiobatchd.models import pins
from support.model_files import BODY, HEAD, digest, names, put
from support.model_server import METADATA


def test_sha256sum_takes_the_pins(tmp_path: Path) -> None:
    files = put(tmp_path, HEAD)
    pins.write(files.pins, {files.graph.name: digest(BODY), files.metadata.name: digest(METADATA)})
    assert files.pins.stat().st_mode & 0o777 == 0o644
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", files.pins.name], cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stdout.count(b": OK") == 2
    made = subprocess.run(["sha256sum", "-b", files.graph.name], cwd=tmp_path, capture_output=True, check=True)
    files.pins.write_bytes(made.stdout)
    assert pins.read(files.pins) == {files.graph.name: digest(BODY)}
    assert names(tmp_path) == [f"{HEAD}.json", f"{HEAD}.pb", f"{HEAD}.sha256"]

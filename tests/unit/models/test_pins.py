"""Pins: read, written in one step, and taken by sha256sum."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from audiobatchd.errors import ModelError
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


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path, told = tmp_path / "mood.sha256", {"mood.pb": "0" * 64, "a name  with spaces.json": "f" * 64}
    assert pins.read(path) == {}
    pins.write(path, told)
    assert pins.read(path) == told
    pins.write(path, {})
    assert pins.read(path) == {}
    assert names(tmp_path) == ["mood.sha256"], "no temporary file stays"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"0" * 64 + b"  a.pb\nno digest\n", "line 2 is not a SHA-256 and a file name"),
        (b"0" * 63 + b"  a.pb\n", "line 1 is not"),
        (b"\xff\xfe", "line 1 is not"),
        (b"x" * (1 << 17), "cannot read"),
    ],
    ids=["line", "short", "no text", "too large"],
)
def test_pins_that_are_none_are_refused_by_name(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "mood.sha256").write_bytes(content)
    with pytest.raises(ModelError, match=r"mood\.sha256") as caught:
        pins.read(tmp_path / "mood.sha256")
    assert told in str(caught.value)


def test_pins_that_cannot_be_written_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "mood.sha256").mkdir()
    with pytest.raises(ModelError, match="cannot write"):
        pins.write(tmp_path / "mood.sha256", {"mood.pb": "0" * 64})
    assert names(tmp_path) == ["mood.sha256"]

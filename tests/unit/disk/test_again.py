"""Lists of what is measured again: what is written is read, and what is odd is refused with the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiobatchd.disk.again import read_list, write_line
from audiobatchd.errors import UsageError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "again.jsonl"
    with path.open("wb") as file:
        for folder in (".", "A - B", r"caf\xe9/1"):
            write_line(file, folder, ("lufs", "lra"))
    assert read_list(path) == dict.fromkeys(("", "A - B", "caf\udce9/1"), ("lufs", "lra"))
    path.write_bytes(b"")
    assert read_list(path) == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read .*again.jsonl: No such file"),
        (b"A - B", "cannot understand .*again.jsonl"),
        (b'{"folder": "A"}', "again.jsonl: line 1: the key `features` is missing"),
        (b'{"folder": "A", "features": "lufs"}', 'line 1: expected a list of texts, got "lufs" - at `features`'),
        (b'{"folder": "A", "features": []}\n\n{"folder": 1}', "line 3: the key `features` is missing"),
        (b'{"folder": "A", "features": [], "x": 1}', "line 1: unknown key `x`"),
        (b"\xff\xfe", "cannot understand"),
    ],
)
def test_an_odd_list_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "again.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        read_list(path)


def test_a_list_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "again.jsonl"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(UsageError, match="are more than the"):
        read_list(path)

"""A file takes its place as a whole or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from publishing.placing import held, placing, same


def test_file_takes_its_place_when_it_is_written(tmp_path: Path) -> None:
    place = tmp_path / "new" / "file"
    with placing(place) as new:
        new.write_text("content")
        new.chmod(0o600)
        assert not place.exists()
    assert (place.read_text(), place.stat().st_mode & 0o777) == ("content", 0o644)
    assert list(place.parent.iterdir()) == [place]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("old")
    with suppress(OSError), placing(place) as new:
        new.write_text("ne")
        raise OSError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_same_tells_a_byte(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    assert same(tmp_path / "a", tmp_path / "b")
    assert not same(tmp_path / "a", tmp_path / "c")
    assert not same(tmp_path / "a", tmp_path / "absent")


def test_held_takes_directories_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError), held(tmp_path / "file"):
        pass

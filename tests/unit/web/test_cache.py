"""The cache of pictures: bounded, its own user's alone, the latest used ones, and lost without harm."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from audiobatchd.web.cache import PictureCache


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


def test_picture_is_kept_for_its_user_alone(tmp_path: Path) -> None:
    directory = tmp_path / "pictures"
    directory.mkdir(0o755)
    before = os.umask(0)
    try:
        PictureCache(directory, 100).put("a", b"one")
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "a").stat().st_mode) == 0o600
    assert PictureCache(directory, 100).get("a") == b"one"  # after the next start as well
    assert PictureCache(directory, 100).get("b") is None


def test_longest_unused_one_makes_room(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 100, most_bytes=250, most_files=3)
    for name in "abc":
        cache.put(name, bytes(80))
    cache.get("a")
    cache.put("d", bytes(80))
    assert names(tmp_path) == ["a", "c", "d"]
    cache.put("e", bytes(20))
    assert names(tmp_path) == ["a", "d", "e"]
    cache.put("f", bytes(101))  # too large
    assert cache.get("f") is None


def test_order_of_use_outlives_the_service(tmp_path: Path) -> None:
    for place, name in enumerate("abcd"):
        (tmp_path / name).write_bytes(bytes(80))
        os.utime(tmp_path / name, (place, place))
    PictureCache(tmp_path, 100, most_bytes=320).get("a")
    cache = PictureCache(tmp_path, 100, most_bytes=170)
    assert cache.get("b") is None
    assert names(tmp_path) == ["a", "d"]


def test_what_was_being_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a.new").write_bytes(b"half")
    cache = PictureCache(tmp_path, 100)
    assert cache.get("a") is None
    assert names(tmp_path) == []


def test_lost_and_foreign_files_are_no_pictures(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 100)
    cache.put("a", b"one")
    cache.put("b", b"two")
    (tmp_path / "a").unlink()
    (tmp_path / "b").unlink()
    (tmp_path / "b").mkdir()
    assert cache.get("a") is None
    assert cache.get("b") is None
    cache.put("a", b"again")
    assert cache.get("a") == b"again"


@pytest.mark.parametrize("trouble", ["file", "gone"])
def test_directory_that_cannot_be_is_no_error(tmp_path: Path, trouble: str) -> None:
    directory = tmp_path / "state" / "pictures"
    if trouble == "file":
        directory.parent.mkdir()
        directory.write_text("")
    cache = PictureCache(directory, 100)
    cache.put("a", b"one")
    assert cache.get("a") is None


def test_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PictureCache(tmp_path, 100)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    cache.put("a", b"one")
    assert cache.get("a") is None
    assert names(tmp_path) == []

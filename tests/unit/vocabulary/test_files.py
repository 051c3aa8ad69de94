"""What source files are called, and what tells one file from another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiobatchd.vocabulary.files import (
    EXTENSIONS,
    UNREAD_EXTENSIONS,
    FileId,
    FileStamp,
    FolderKey,
    MissKind,
    NearMiss,
    in_64_bits,
)


def test_an_extension_is_read_or_passed_over() -> None:
    assert len(set(EXTENSIONS)) == len(EXTENSIONS)
    assert not UNREAD_EXTENSIONS & set(EXTENSIONS)


@pytest.mark.parametrize(
    ("time", "kept"),
    [(0, 0), (-7, -7), ((1 << 63) - 1, (1 << 63) - 1), (1 << 63, (1 << 63) - 1), (-(1 << 64), -(1 << 63))],
)
def test_times_beyond_64_bits_are_cut(time: int, kept: int) -> None:
    assert in_64_bits(time) == kept
    assert kept.to_bytes(8, signed=True)


def test_two_names_of_one_file_have_one_identity(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    (tmp_path / "link").hardlink_to(tmp_path / "a")
    a, b, link = (FileId.of(os.stat(tmp_path / name)) for name in ("a", "b", "link"))
    assert a == link != b
    assert (a.device, a.inode) == (os.stat(tmp_path).st_dev, os.stat(tmp_path / "a").st_ino)


def test_stamp_shows_a_name_of_any_bytes() -> None:
    assert FileStamp(b"caf\xe9.flac", 1, 1).shown == r"caf\xe9.flac"


def test_folders_stand_in_order_of_their_names() -> None:
    keys = [FolderKey("/b", "1"), FolderKey("/a", "2"), FolderKey("/a", "10")]
    assert [each.path for each in sorted(keys)] == ["10", "2", "1"]


def test_near_miss_is_one_sentence() -> None:
    miss = NearMiss(MissKind.LOOSE, 2, "a.flac", "2 files beside folders", "move each into a folder")
    assert miss.line == "2 files beside folders (such as a.flac): move each into a folder"

"""Builds that differ are told apart by the members that differ."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from publishing.comparison import differences
from support.apt_rig import make_package, needs_apt


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    return first, second


def wheel(path: Path, minute: int) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("same", (2026, 1, 1, 0, 0, 0)), "x")
        archive.writestr(zipfile.ZipInfo("package/RECORD", (2026, 1, 1, 0, minute, 0)), "x")


def source(path: Path, minute: int) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name in ("mode", "owner", "same", "time"):
            entry = tarfile.TarInfo(name)
            entry.uid = minute if name == "owner" else 0
            entry.mtime = minute if name == "time" else 0
            entry.mode = minute if name == "mode" else 0
            archive.addfile(entry)


@pytest.mark.parametrize(
    ("name", "make", "differs"), [("a.whl", wheel, "package/RECORD"), ("a.tar.gz", source, "mode, owner, time")]
)
def test_differing_member_is_named(
    name: str, make: Callable[[Path, int], None], differs: str, places: tuple[Path, Path]
) -> None:
    for place, minute in zip(places, (1, 2), strict=True):
        make(place / name, minute)
    assert differences(*places) == [f"{name} differs: {differs}"]


@needs_apt
def test_differing_member_of_a_package_is_named(places: tuple[Path, Path]) -> None:
    for place, content in zip(places, "ab", strict=True):
        make_package(place, "1.0-1", content=content)
    assert differences(*places) == ["audiobatchd_1.0-1_all.deb differs: fsys:./usr/share/small/content"]


def test_equal_builds_do_not_differ(places: tuple[Path, Path]) -> None:
    for place in places:
        wheel(place / "a.whl", 1)
        (place / "other").write_text("x")
    assert differences(*places) == []


def test_what_only_one_has_is_named(places: tuple[Path, Path]) -> None:
    (places[1] / "more").touch()
    assert differences(*places) == ["more was built once only"]


def test_many_members_are_counted(places: tuple[Path, Path]) -> None:
    for place, content in zip(places, "ab", strict=True):
        with zipfile.ZipFile(place / "a.whl", "w") as archive:
            for number in range(13):
                archive.writestr(f"{number:02}", content)
    assert differences(*places)[0].endswith("08, 09 and 3 more")


def test_order_alone_is_told(places: tuple[Path, Path]) -> None:
    for place, names in zip(places, ("ab", "ba"), strict=True):
        with zipfile.ZipFile(place / "a.whl", "w") as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), "x")
    assert differences(*places) == ["a.whl differs: the same members, packed in another way"]

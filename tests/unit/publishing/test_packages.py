"""The facts of a package are read from it, and what is none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from publishing.packages import read_package
from publishing.signing import PublishingError
from support.apt_rig import EPOCH, make_package, needs_apt

pytestmark = needs_apt


def test_facts_come_from_the_package(tmp_path: Path) -> None:
    path = make_package(tmp_path, "1.0~rc1-1+deb12+test1").rename(tmp_path / "renamed")
    package = read_package(path)
    assert package.file_name == "audiobatchd_1.0~rc1-1+deb12+test1_all.deb"
    assert (package.depends, package.made) == ("acl (>= 2), libc6", EPOCH)


@pytest.mark.parametrize(
    "content", [b"", b"text\n", b"!<arch>\ndebian-binary   xxxxxxxxxxxx", b"!<arch>\n" + bytes(80)]
)
def test_what_is_no_package_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(content)
    with pytest.raises(PublishingError, match="it is no Debian package"):
        read_package(tmp_path / "x.deb")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match=r"cannot read .*absent\.deb"):
        read_package(tmp_path / "absent.deb")


def test_epoch_has_no_place_in_a_file_name(tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match="not as Debian has them"):
        read_package(make_package(tmp_path, "1:1.0-1+deb12"))

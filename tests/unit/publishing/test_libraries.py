"""Libraries that auditwheel has put beside a wheel's modules are found in a package, by wheel."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from publishing.libraries import libraries_in
from publishing.signing import PublishingError
from support.apt_rig import needs_apt

pytestmark = needs_apt


def test_libraries_have_names_versions_and_digests(tmp_path: Path) -> None:
    libraries = tmp_path / "stage/usr/lib/audiobatchd/lib/site-packages/some_wheel.libs"
    libraries.mkdir(parents=True)
    for name in ("libav-5e6b81c2.so.62.28", "libopenblas64_-32a4b2a6.so", "libq-96973f99-934c22de.so.0", "README"):
        (libraries / name).write_text(name)
    (libraries.parent / "module.so").write_text("no library that was brought along")
    (tmp_path / "stage/DEBIAN").mkdir()
    (tmp_path / "stage/DEBIAN/control").write_text(
        "Package: small\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: small\n"
    )
    subprocess.run(["dpkg-deb", "--build", tmp_path / "stage", tmp_path / "a.deb"], check=True, capture_output=True)
    (found,) = libraries_in(tmp_path / "a.deb").items()
    assert found[0] == "some-wheel"
    assert [(each["name"], each.get("version")) for each in found[1]] == [
        ("libav", "62.28"),
        ("libopenblas64_", None),
        ("libq", "0"),
    ]
    assert found[1][0]["hashes"][0]["content"] == sha256(b"libav-5e6b81c2.so.62.28").hexdigest()


def test_damaged_package_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.deb").write_bytes(b"!<arch>\n")
    with pytest.raises(PublishingError, match="cannot read"):
        libraries_in(tmp_path / "a.deb")

"""A real apt takes what was published, all of the old state or all of the new, and refuses what was tampered with."""

from __future__ import annotations

import fcntl
import gzip
import lzma
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from publishing import repository
from publishing.placing import held
from support.apt_rig import ROOT, Client, Keys, make_package, needs_apt, publish
from support.service import eventually

pytestmark = needs_apt
FIRST, SECOND = "1.0-1+deb12", "1.1-1+deb12"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("packages")
    made = {version: make_package(place, version) for version in (FIRST, "1.0-1+deb13")}
    return made | {SECOND: make_package(place, SECOND, made=1_790_000_100)}


@pytest.fixture
def published(tmp_path: Path, keys: Keys, key: str, packages: dict[str, Path]) -> Path:
    """A repository with the first version."""
    done = publish(tmp_path / "apt", packages[FIRST], key=key, home=keys.home)
    assert done.returncode == 0, done.stderr
    return tmp_path / "apt"


def content(directory: Path, *, signatures: bool = False) -> dict[str, bytes]:
    """Each file and its bytes, signatures only where they are asked for."""
    paths = (path for path in directory.rglob("*") if path.is_file())
    signed = {"InRelease", "Release.gpg"}
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in paths if signatures or path.name not in signed
    }


def test_apt_updates_and_downloads(published: Path, tmp_path: Path) -> None:
    client = Client(tmp_path / "client", published)
    updated = client.apt("update")
    assert (updated.returncode, "W:" in updated.stderr) == (0, False), updated.stderr
    assert client.apt("download", "audiobatchd").returncode == 0
    assert (client.root / f"audiobatchd_{FIRST}_all.deb").exists()


def test_old_versions_stay_beside_new_ones(
    published: Path, tmp_path: Path, keys: Keys, key: str, packages: dict[str, Path]
) -> None:
    client = Client(tmp_path / "client", published)
    client.apt("update")
    publish(published, packages[SECOND], key=key, home=keys.home)
    assert client.apt("update").returncode == 0
    assert client.versions() == [SECOND, FIRST]


def test_each_suite_has_its_own_packages(
    published: Path, tmp_path: Path, keys: Keys, key: str, packages: dict[str, Path]
) -> None:
    publish(published, packages["1.0-1+deb13"], key=key, home=keys.home)
    for suite, version in (("bookworm", FIRST), ("trixie", "1.0-1+deb13")):
        client = Client(tmp_path / suite, published, suite)
        assert client.apt("update").returncode == 0
        assert client.versions() == [version]


@pytest.mark.parametrize("name", ["Packages", "InRelease"])
def test_apt_refuses_a_changed_byte(name: str, published: Path, tmp_path: Path) -> None:
    assert Client(tmp_path / "before", published).apt("update").returncode == 0
    for path in published.glob("dists/bookworm/**/*"):
        if path.is_file() and (path.name == name or (name == "Packages" and "main" in path.parts)):
            path.write_bytes(tampered(path.read_bytes()))
    client = Client(tmp_path / "client", published)
    assert client.apt("update").returncode != 0
    assert client.versions() == []


def tampered(text: bytes) -> bytes:
    """The file with one byte of what it says changed, in the compression that it has."""
    for begin, module in ((b"\x1f\x8b", gzip), (b"\xfd7zXZ", lzma), (b"", None)):
        if text.startswith(begin):
            unpacked: bytes = module.decompress(text) if module else text
            changed = unpacked.replace(b"audiobatchd", b"audiobatchx", 1)
            assert changed != unpacked
            return module.compress(changed) if module else changed
    raise AssertionError


def test_apt_refuses_a_changed_package(published: Path, tmp_path: Path) -> None:
    client = Client(tmp_path / "client", published)
    client.apt("update")
    path = next(published.glob("pool/bookworm/*.deb"))
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    assert client.apt("download", "audiobatchd").returncode != 0


def test_apt_refuses_a_key_that_it_does_not_trust(published: Path, tmp_path: Path, keys: Keys) -> None:
    client = Client(tmp_path / "client", published)
    other = keys.make("Other <o@example.org>")
    done = publish(published, "--change-key", key=other, home=keys.home)
    assert done.returncode == 0, done.stderr
    assert client.apt("update").returncode != 0
    assert Client(tmp_path / "knows-it", published).apt("update").returncode == 0


def test_apt_refuses_an_unsigned_one(tmp_path: Path, packages: dict[str, Path]) -> None:
    done = publish(tmp_path / "apt", "--unsigned", packages[FIRST])
    assert done.returncode == 0
    assert "NOT SIGNED" in done.stderr
    client = Client(tmp_path / "client", tmp_path / "apt")
    assert client.apt("update").returncode != 0
    assert client.versions() == []
    with (client.root / "etc/apt/sources.list.d/audiobatchd.sources").open("a") as sources:
        sources.write("Trusted: yes\n")
    assert client.apt("update").returncode == 0


def test_without_a_key_nothing_is_made(tmp_path: Path, packages: dict[str, Path]) -> None:
    done = publish(tmp_path / "apt", packages[FIRST])
    assert done.returncode == 1
    assert "AUDIOBATCHD_SIGNING_KEY is not set" in done.stderr
    assert not (tmp_path / "apt").exists()


def test_nothing_to_publish_is_told(tmp_path: Path, keys: Keys, key: str) -> None:
    done = publish(tmp_path / "apt", key=key, home=keys.home)
    assert (done.returncode, "no package is named" in done.stderr) == (1, True)
    assert not list(tmp_path.glob("apt/dists/*"))


def test_the_same_packages_give_the_same_bytes(
    published: Path, tmp_path: Path, keys: Keys, key: str, packages: dict[str, Path]
) -> None:
    again = tmp_path / "again" / "apt"
    again.parent.mkdir()
    done = publish(again, "--url", f"file:{published}", packages[FIRST], key=keys.secret(key))
    assert done.returncode == 0, done.stderr
    assert content(again) == content(published)
    before = content(published)
    assert "no suite changed" in publish(published, packages[FIRST], key=key, home=keys.home).stderr
    assert content(published) == before


def test_indexes_of_an_earlier_release_can_still_be_read(
    published: Path, keys: Keys, key: str, packages: dict[str, Path]
) -> None:
    """A client that has the InRelease of before goes on with it."""
    before = {path: path.read_bytes() for path in published.glob("dists/bookworm/main/*/by-hash/*/*")}
    assert len(before) == 6
    publish(published, packages[SECOND], key=key, home=keys.home)
    assert all(path.read_bytes() == text for path, text in before.items())


@pytest.mark.parametrize("last", ["Packages", "Release", "InRelease"])
def test_a_call_cut_off_leaves_the_old_state(
    last: str, published: Path, tmp_path: Path, keys: Keys, key: str, packages: dict[str, Path]
) -> None:
    """The process is ended, as by a power cut, when the file would take its place."""
    script = (
        "import os, sys\nfrom publishing import repository\nsettle = repository.settle\n"
        f"def cut(new, place):\n    os._exit(9) if place.name == {last!r} else settle(new, place)\n"
        "repository.settle = cut\nsys.exit(repository.main())"
    )
    command = [sys.executable, "-c", script, "-o", str(published), "--url", f"file:{published}", str(packages[SECOND])]
    environment = {"PYTHONPATH": str(ROOT / "packaging"), "AUDIOBATCHD_SIGNING_KEY": key, "GNUPGHOME": str(keys.home)}
    assert subprocess.run(command, env={**os.environ, **environment}, check=False).returncode == 9
    client = Client(tmp_path / "client", published)
    assert client.apt("update").returncode == 0
    assert client.versions() == [FIRST]
    publish(published, key=key, home=keys.home)
    assert not list(published.glob(f"{repository.STAGE}*"))
    assert client.apt("update").returncode == 0
    assert client.versions() == [SECOND, FIRST]


def test_a_version_never_changes(published: Path, tmp_path: Path, keys: Keys, key: str) -> None:
    before = content(published, signatures=True)
    (tmp_path / "other").mkdir()
    done = publish(published, make_package(tmp_path / "other", FIRST, content="x"), key=key, home=keys.home)
    assert done.returncode == 1
    assert "give it another version" in done.stderr
    assert content(published, signatures=True) == before


def test_signatures_are_not_taken_away(published: Path, packages: dict[str, Path]) -> None:
    before = content(published, signatures=True)
    done = publish(published, "--unsigned", packages[FIRST])
    assert (done.returncode, "is signed, and apt would refuse" in done.stderr) == (1, True)
    assert content(published, signatures=True) == before


def test_another_key_is_refused_unless_asked_for(published: Path, keys: Keys, packages: dict[str, Path]) -> None:
    before = content(published, signatures=True)
    other = keys.make("Third <t@example.org>")
    done = publish(published, packages[SECOND], key=other, home=keys.home)
    assert (done.returncode, "--change-key" in done.stderr) == (1, True)
    assert content(published, signatures=True) == before


@pytest.mark.parametrize(
    ("version", "said"), [("1.0-1", "has none of +deb12, +deb13"), ("1.0-1+deb120", "has none of"), (None, "no Debian")]
)
def test_what_belongs_to_no_suite_is_refused(
    version: str | None, said: str, tmp_path: Path, keys: Keys, key: str
) -> None:
    package = make_package(tmp_path, version) if version else tmp_path / "x.deb"
    if version is None:
        package.write_bytes(b"!<arch>\nno package")
    done = publish(tmp_path / "apt", package, key=key, home=keys.home)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_a_full_disk_leaves_nothing_behind(
    published: Path, tmp_path: Path, keys: Keys, key: str, packages: dict[str, Path]
) -> None:
    big = make_package(tmp_path, "2.0-1+deb12", content=os.urandom(300_000).hex())
    before = content(published, signatures=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        done = publish(published, big, key=key, home=keys.home)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (done.returncode, "cannot publish into" in done.stderr) == (1, True), done.stderr
    assert content(published, signatures=True) == before


def test_names_of_files_do_not_matter(tmp_path: Path, keys: Keys, key: str, packages: dict[str, Path]) -> None:
    odd = tmp_path / "-x $(touch y);\n\udcff.deb"
    odd.write_bytes(packages[FIRST].read_bytes())
    done = publish(tmp_path / "apt", odd, key=key, home=keys.home)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("apt/pool/*/*")] == [packages[FIRST].name]


def test_second_call_waits_for_the_first(published: Path, keys: Keys, key: str, packages: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "publishing.repository", "-o", str(published), str(packages[SECOND])]
    environment = {"PYTHONPATH": str(ROOT / "packaging"), "AUDIOBATCHD_SIGNING_KEY": key, "GNUPGHOME": str(keys.home)}
    before = content(published, signatures=True)
    with held(published) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
        waiting = re.compile(rf"-> FLOCK .* {second.pid} ")
        eventually(lambda: waiting.search(Path("/proc/locks").read_text()))
        assert content(published, signatures=True) == before
    assert second.wait(60) == 0
    assert len(list(published.glob("pool/bookworm/*.deb"))) == 2

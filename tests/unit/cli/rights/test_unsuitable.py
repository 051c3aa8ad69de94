"""Which directories `setup` refuses, by whatever name they are called, and which it takes."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audiobatchd.cli.rights import unsuitable as module
from audiobatchd.cli.rights.unsuitable import unsuitable, unwritable
from audiobatchd.disk import filesystems
from support.audio_files import make_track

Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mounts, undone at the end."""
    places: list[Path] = []

    def do(place: Path, *options: object) -> None:
        done = subprocess.run(["mount", *map(str, options), place], capture_output=True, check=False)
        if os.geteuid() != 0 or done.returncode:
            pytest.skip("mounting is not allowed here")
        places.append(place)

    yield do
    for place in reversed(places):
        subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)


TOPS = (
    "home",
    "srv",
    "mnt",
    "media",
    "opt",
    "tmp",
    "etc",
    "usr",
    "var",
    "proc",
    "sys",
    "run",
    "boot",
    "root",
    "bin",
    "lib",
)
PLACES = ["/", *(f"/{name}" for name in TOPS), "/usr/local", "/var/lib", "/dev/shm", "/etc/ssl", "/usr/share"]  # noqa: S108  # named, not used


@pytest.mark.parametrize("path", PLACES)
def test_places_of_the_machine_are_refused(path: str) -> None:
    if not Path(path).is_dir():
        pytest.skip("it is not there")
    assert unsuitable(os.path.realpath(path), ())


def test_a_plain_directory_is_taken(tmp_path: Path) -> None:
    make_track(tmp_path / "Song", seconds=0.1)
    assert unsuitable(str(tmp_path), ()) == ""
    assert unsuitable(str(tmp_path), [str(tmp_path), "/srv/others"]) == ""


@pytest.mark.parametrize("shown_as", ["link", "link/", "a/../link", "./link/."])
def test_a_link_to_the_system_is_refused(tmp_path: Path, shown_as: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    assert "operating system" in unsuitable(os.path.realpath(tmp_path / shown_as), ())


@pytest.mark.parametrize("of", ["/etc", "/usr/share", "/", "/root"])
def test_a_bind_mount_of_the_system_is_refused(tmp_path: Path, mount: Mount, of: str) -> None:
    mount(tmp_path, "--bind", of)
    assert unsuitable(str(tmp_path), ())


def test_a_bind_mount_of_a_dataset_overlaps_it(tmp_path: Path, mount: Mount) -> None:
    for name in ("music/A", "other", "below"):
        (tmp_path / name).mkdir(parents=True)
    mount(tmp_path / "other", "--bind", tmp_path / "music")
    mount(tmp_path / "below", "--bind", tmp_path / "music/A")
    for name in ("other", "below", "other/A"):
        assert "two datasets overlap" in unsuitable(str(tmp_path / name), [str(tmp_path / "music")]), name
    assert unsuitable(str(tmp_path / "other"), ()) == ""


def test_a_disk_of_its_own_is_a_dataset(tmp_path: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    mount(tmp_path, "-t", "tmpfs", "none")
    assert unsuitable(str(tmp_path), ()) == ""
    monkeypatch.setattr(module, "_PARENTS", frozenset({str(tmp_path)}))
    assert "a place for different things" in unsuitable(str(tmp_path), ())
    make_track(tmp_path / "Song", seconds=0.1)
    assert unsuitable(str(tmp_path), ()) == ""


def test_a_place_for_disks_is_refused_and_a_disk_is_not(
    tmp_path: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DESKTOP", (str(tmp_path),))
    (tmp_path / "me/disk/music").mkdir(parents=True)
    assert unsuitable(str(tmp_path / "me"), ()) == ""
    mount(tmp_path / "me/disk", "-t", "tmpfs", "none")
    (tmp_path / "me/disk/music").mkdir()
    assert unsuitable(str(tmp_path / "me"), ())
    assert unsuitable(str(tmp_path / "me/disk"), ()) == ""
    assert unsuitable(str(tmp_path / "me/disk/music"), ()) == ""


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("mia", "it is the home of mia"),
        ("", "the home of mia is in it"),
        ("mia/.ssh", "hidden files of mia"),
        ("mia/.local/share", "hidden files of mia"),
        ("mia/Music", ""),
        ("music", ""),
    ],
)
def test_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, why: str) -> None:
    mia = pwd.struct_passwd(("mia", "x", 1000, 1000, "", str(tmp_path / "mia"), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwall", lambda: [mia])
    for name in ("mia/Music", "mia/.ssh", "mia/.local/share", "music"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    found = unsuitable(str(tmp_path / path) if path else str(tmp_path), ())
    assert why in found
    assert bool(found) == bool(why)


def test_a_home_that_no_list_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory service answers for a name, and lists nobody."""
    otto = pwd.struct_passwd(("otto", "x", 70000, 1000, "", str(tmp_path / "otto"), "/bin/sh"))
    (tmp_path / "otto").mkdir()

    def named(name: str) -> pwd.struct_passwd:
        if name != "otto":
            raise KeyError(name)
        return otto

    monkeypatch.setattr(pwd, "getpwnam", named)
    assert unsuitable(str(tmp_path / "otto"), ()) == "it is the home of otto"


@pytest.mark.parametrize(
    ("names", "why"),
    [(("bin", "etc", "usr", "var"), "an operating system"), ((".bashrc", ".ssh"), "a home"), (("bin", ".cache"), "")],
)
def test_what_a_directory_holds_tells_what_it_is(tmp_path: Path, names: tuple[str, ...], why: str) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    found = unsuitable(str(tmp_path), ())
    assert why in found
    assert bool(found) == bool(why)


@pytest.mark.parametrize(("path", "overlaps"), [("", True), ("music", False), ("music/A", True), ("musi", False)])
def test_parents_and_children_of_datasets_overlap(tmp_path: Path, path: str, overlaps: bool) -> None:
    for name in ("music/A", "musi"):
        (tmp_path / name).mkdir(parents=True)
    found = unsuitable(os.path.normpath(tmp_path / path), [str(tmp_path / "music")])
    assert ("two datasets overlap" in found) == overlaps


@pytest.mark.parametrize("letter", ["\n", "\t", "\r", "\x1b", "\x7f", "\x85", "\u2028", "\0"])
def test_control_characters_cannot_be_written_down(letter: str) -> None:
    assert unwritable(f"/srv/mu{letter}sic") == "there are control characters in it"


@pytest.mark.parametrize("path", ["/srv/my music", "/srv/caf\u00e9", "/srv/\u3000", "/srv/'\"$`\\%", "/srv/\U0001f3b5"])
def test_odd_letters_can_be_written_down(path: str) -> None:
    assert unwritable(path) == ""


def test_a_name_outside_utf_8_cannot() -> None:
    assert "outside UTF-8" in unwritable("/srv/caf\udce9")


def test_names_of_a_directory_without_mounts(tmp_path: Path) -> None:
    assert str(tmp_path) in filesystems.names_of(str(tmp_path))

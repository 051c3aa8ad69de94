"""Boots one machine for the whole session, with the package in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.audio_files import make_track
from system.machine import CACHE, CannotBootError, Machine, base_root, copy_of
from system.unit import PACKAGE, TRACKS, Unit

ROOT = Path(__file__).parents[2]
_RELEASES = {"bookworm": "deb12", "trixie": "deb13", "noble": "ubuntu24.04"}
_ORDER = {"test_fresh_install.py": 0, "test_removal.py": 2}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of these tests alone."""
    group = parser.getgroup("system")
    group.addoption("--release", choices=sorted(_RELEASES), default="bookworm", help="the system that is booted")
    group.addoption("--write-screens", action="store_true", help="write what commands show into docs/how-to/screens")
    group.addoption("--bare-root", action="store_true", help="also try the README's commands in a bare Debian; slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The fresh install comes first and the removal last, so that the package is installed once."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(300, func_only=True))
    items.sort(key=lambda item: _ORDER.get(item.path.name, 1))


@pytest.fixture(scope="session")
def package(pytestconfig: pytest.Config) -> Path:
    """The package under test: the newest in dist/."""
    pattern = f"audiobatchd_*+{_RELEASES[pytestconfig.getoption('--release')]}_*.deb"
    found = sorted((ROOT / "dist").glob(pattern), key=lambda path: path.stat().st_mtime)
    assert found, f"no dist/{pattern}: ./dev deb builds it"
    return found[-1]


@pytest.fixture(scope="session")
def debian(pytestconfig: pytest.Config) -> Iterator[Path]:
    """A root of which copies are made. One run at a time has it; the next one waits."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "system.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield base_root(pytestconfig.getoption("--release"))


@pytest.fixture(scope="session")
def machine(package: Path, debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that is switched on, without the package; tracks and package lie ready in /var/tmp."""
    with copy_of(debian, "system-running") as root:
        machine = Machine(root, tmp_path_factory.mktemp("machine") / "console")
        (root / "etc/hostname").write_text("studio\n")
        _lay_ready(root, package)
        try:
            machine.boot()
        except CannotBootError as error:
            _skip_loudly(f"systemd cannot be booted here: {error}")
        yield machine
        machine.power_cut()


@pytest.fixture(scope="session")
def _people(machine: Machine) -> None:
    """Make the people who work there: Mia is a member of the service's group, Otto is not, Ada has sudo alone."""
    for name in ("mia", "otto", "ada"):
        machine.run("useradd", "--create-home", name)
    machine.path("/etc/sudoers.d/ada").write_text("ada ALL=(ALL:ALL) NOPASSWD: ALL\n")


@pytest.fixture
def unit(machine: Machine, _people: None) -> Unit:
    """The installed service, in whatever state the test before left it; `begin` makes it new."""
    unit = Unit(machine)
    if not machine.running:
        machine.boot()
    if not unit.installed():
        unit.install()
    machine.run("usermod", "-aG", "audiobatch", "mia")
    return unit


def _lay_ready(root: Path, package: Path) -> None:
    shutil.copyfile(package, root / PACKAGE.lstrip("/"))
    tracks = root / TRACKS.lstrip("/")
    demo = [sys.executable, str(ROOT / "demo" / "make_tracks.py"), str(tracks)]
    subprocess.run(demo, check=True, stdout=subprocess.DEVNULL)
    make_track(tracks / "short", seconds=4.0, stems=("drums",))
    make_track(tracks / "song", seconds=30.0, stems=("bass",), extension="ogg")
    make_track(tracks / "long", seconds=240.0, stems=(), extension="ogg")
    make_track(tracks / "damaged", seconds=1.0, stems=())
    (tracks / "damaged" / "full_mix.flac").write_bytes(os.urandom(20_000))


def _skip_loudly(reason: str) -> None:
    sys.__stderr__.write(f"\n!!! NO TEST OF THE SYSTEM WAS RUN: {reason}\n")  # type: ignore[union-attr]
    pytest.skip(reason)

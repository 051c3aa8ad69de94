"""The apt of a Debian of its own installs from a published repository, by HTTP, and from no forged one.

A package of a few bytes stands for the real one. Nothing is booted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from support.apt_rig import Keys, make_package, own_keys, publish
from system.machine import copy_of

SUITES = {"bookworm": "deb12", "trixie": "deb13"}
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
SOURCES = "etc/apt/sources.list.d"


class Quiet(SimpleHTTPRequestHandler):
    """Files as a web server hands them out, without a log."""

    def log_message(self, *_: object) -> None:
        """Tell nothing."""


class Place:
    """A Debian, a repository, and the web server between them."""

    def __init__(self, root: Path, directory: Path, url: str, suite: str, keys: Keys) -> None:
        self.root, self.directory, self.url, self.suite, self.keys = root, directory, url, suite, keys
        self.key = keys.make("Publisher <p@example.org>")
        self._published = 0
        """Number of publications so far."""

    def publish(self, version: str, *options: str, key: str | None = None) -> None:
        """Publish a version, and let the machine know the repository as the how-to says."""
        package = make_package(self.directory.parent, f"{version}+{SUITES[self.suite]}")
        key = self.key if key is None else key
        done = publish(self.directory, "--url", self.url, package, *options, key=key, home=self.keys.home)
        assert done.returncode == 0, done.stderr
        # A client asks by whole seconds for what is newer, and this is the next publication of a later day.
        self._published += 1
        for path in self.directory.glob("dists/*/*Release*"):
            os.utime(path, ns=(0, path.stat().st_mtime_ns + self._published * 1_000_000_000))

    def trust(self) -> None:
        """Lay key and source where the how-to puts them."""
        (self.root / "etc/apt/keyrings").mkdir(exist_ok=True)
        for keyring in self.directory.glob("*.gpg"):
            shutil.copy(keyring, self.root / "etc/apt/keyrings")
        shutil.copy(self.directory / f"audiobatchd-{self.suite}.sources", self.root / SOURCES)

    def apt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run apt-get there."""
        command = ["chroot", str(self.root), "apt-get", "-oAPT::Update::Error-Mode=any", *arguments]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)

    def installed(self) -> str:
        """Version of the package that is installed there."""
        command = ["chroot", str(self.root), "dpkg-query", "-W", "-f", "${Version}", "audiobatchd"]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def root(debian: Path) -> Iterator[Path]:
    """A Debian that knows no repository yet, and needs no network."""
    with copy_of(debian, "repository-running") as root:
        (root / "etc/apt/sources.list").unlink(missing_ok=True)
        yield root


@pytest.fixture
def place(root: Path, pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[Place]:
    directory = tmp_path / "apt"
    directory.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        with own_keys() as keys:
            yield Place(root, directory, url, pytestconfig.getoption("--release"), keys)
    finally:
        server.shutdown()
        server.server_close()


def test_apt_refuses_an_unsigned_one(place: Place) -> None:
    place.publish("1.0-1", "--unsigned", key="")
    place.trust()
    assert place.apt("update").returncode != 0
    assert place.apt("install", "-y", "audiobatchd").returncode != 0
    assert place.installed() == ""


def test_apt_installs_and_upgrades_from_it_and_from_no_other(place: Place) -> None:
    place.publish("1.0-1")
    place.trust()
    assert place.apt("update").returncode == 0
    done = place.apt("install", "-y", "audiobatchd")
    assert done.returncode == 0, done.stderr
    assert place.installed() == f"1.0-1+{SUITES[place.suite]}"

    place.publish("1.1-1")
    assert (place.apt("update").returncode, place.apt("upgrade", "-y").returncode) == (0, 0)
    assert place.installed() == f"1.1-1+{SUITES[place.suite]}"

    place.publish("1.2-1", "--change-key", key=place.keys.make("Forger <f@example.org>"))
    assert place.apt("update").returncode != 0
    place.apt("upgrade", "-y")
    assert place.installed() == f"1.1-1+{SUITES[place.suite]}"
    place.trust()
    assert (place.apt("update").returncode, place.apt("upgrade", "-y").returncode) == (0, 0)
    assert place.installed() == f"1.2-1+{SUITES[place.suite]}"

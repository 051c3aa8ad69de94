"""The README's two commands on a Debian that has nothing: only with --bare-root, for all that is fetched."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.service import eventually
from system.machine import CACHE, copy_of, leader_of, make_root

ROOT = Path(__file__).parents[2]
SOURCE = "root/audiobatchd"
PIP_LOG = "root/pip.log"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP = re.compile(r"PIP_\w+|\w+_proxy|\w+_PROXY")
FIRST_RECORDS = 900.0


@pytest.fixture(scope="module")
def bare(pytestconfig: pytest.Config) -> Iterator[Path]:
    """The smallest Debian, and what has been committed, as `git clone` would bring it."""
    if not pytestconfig.getoption("--bare-root"):
        pytest.skip("only with --bare-root")
    release = pytestconfig.getoption("--release")
    base = CACHE / f"bare-{release}"
    if not base.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        make_root(base.with_suffix(".new"), release)
        base.with_suffix(".new").rename(base)
    with copy_of(base, "bare-running") as root:
        (root / SOURCE).mkdir(parents=True)
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-xC", root / SOURCE], input=archive, check=True)
        yield root


@pytest.mark.timeout(1800, func_only=True)
def test_two_commands_are_enough(bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "told"
    began = time.monotonic()
    with told.open("wb") as output:
        started = subprocess.Popen(
            in_root(bare, "./dev", "run"), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        eventually(lambda: records(bare) == 3 or started.poll() is not None, FIRST_RECORDS, told.read_text)
        measured = time.monotonic() - began
        assert started.poll() is None, told.read_text()
        os.kill(eventually(lambda: leader_of(started)), signal.SIGINT)
        assert started.wait(60) == 130, told.read_text()
    finally:
        started.kill()
        started.wait()
    by_apt, by_pip = megabytes(bare)

    tests = in_root(bare, "./dev", "test", "-q", "tests/unit/core")
    began = time.monotonic()
    done = subprocess.run(tests, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with capsys.disabled():
        print(f"\n./dev run: three records after {measured:.0f} s; fetched {by_apt} MB by apt, {by_pip} MB by pip")  # noqa: T201
        print(f"./dev test: {time.monotonic() - began:.0f} s, {done.stdout.splitlines()[-1]}")  # noqa: T201


def records(root: Path) -> int:
    """Count the records of the demo tracks."""
    return len(list((root / SOURCE / "dataset").glob("*/*.INFO")))


def megabytes(root: Path) -> tuple[int, int]:
    """Sizes of what apt-get and pip have fetched."""
    places = [root / "var/cache/apt/archives", root / "var/lib/apt/lists"]
    by_apt = sum(path.stat().st_size for place in places for path in place.rglob("*") if path.is_file())
    told = re.findall(r"Downloading \S+ \(([0-9.]+) ([kM])B\)", (root / PIP_LOG).read_text(errors="replace"))
    by_pip = sum(float(number) * (1 if unit == "M" else 1e-3) for number, unit in told)
    return by_apt // 1_000_000, round(by_pip)


def in_root(root: Path, *command: str) -> list[str]:
    """A command in the source there, with this machine's way to the package index: certificates, pip's settings."""
    environment = {name: value for name, value in os.environ.items() if PIP.fullmatch(name)}
    places = {
        Path("/etc/pip.conf"): "/etc/pip.conf",
        Path.home() / ".config/pip/pip.conf": "/root/.config/pip/pip.conf",
        Path.home() / ".pip/pip.conf": "/root/.pip/pip.conf",
    }
    if CERTIFICATES.exists():
        # Under another name: the package ca-certificates is installed there, and writes its own.
        places[CERTIFICATES] = environment["PIP_CERT"] = "/etc/host-certificates.crt"
    return [
        *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--pipe", f"--directory={root}"),
        *(f"--bind-ro={outside}:{inside}" for outside, inside in places.items() if outside.exists()),
        *(
            f"--setenv={name}={value}"
            for name, value in {**environment, "HOME": "/root", "PIP_LOG": f"/{PIP_LOG}"}.items()
        ),
        *(f"--chdir=/{SOURCE}", "--", *command),
    ]

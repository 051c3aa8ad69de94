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
from system.bare import bare_root, in_root
from system.machine import leader_of

SOURCE = "root/audiobatchd"
PIP_LOG = "root/pip.log"
ENVIRONMENT = {"HOME": "/root", "PIP_LOG": f"/{PIP_LOG}"}
FIRST_RECORDS = 900.0


@pytest.fixture(scope="module")
def bare(pytestconfig: pytest.Config) -> Iterator[Path]:
    """The smallest Debian, and what has been committed, as `git clone` would bring it."""
    if not pytestconfig.getoption("--bare-root"):
        pytest.skip("only with --bare-root")
    with bare_root("bare", pytestconfig.getoption("--release"), SOURCE) as root:
        yield root


@pytest.mark.timeout(1800, func_only=True)
def test_two_commands_are_enough(bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "told"
    began = time.monotonic()
    with told.open("wb") as output:
        started = subprocess.Popen(
            in_root(bare, SOURCE, "./dev", "run", env=ENVIRONMENT),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
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

    tests = in_root(bare, SOURCE, "./dev", "test", "-q", "tests/unit/core", env=ENVIRONMENT)
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

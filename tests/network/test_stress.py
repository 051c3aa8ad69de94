"""Stress of the locks by processes of both hosts and of the server itself, some killed at any moment.

The witness is memory that all of them share, for they run in one guest; see tests/stress/lock_stress.py.
"""

from __future__ import annotations

import sys

import pytest

from network.disks import PROJECT
from network.guest import Guest
from network.kinds import SHARED, Kind

SHORT = ("--cycles", 15, "--kills", 6, "--seconds-limit", 120)
LONG = ("--cycles", 1667, "--kills", 200, "--seconds-limit", 6 * 3600)
"""10,000 acquisitions."""


@pytest.mark.timeout(7 * 3600, func_only=True)
@pytest.mark.parametrize("kind", SHARED, ids=lambda kind: kind.name)
def test_stress_of_all_hosts_makes_no_second_holder(
    guest: Guest, kind: Kind, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    length = LONG if pytestconfig.getoption("--long") else SHORT
    # The server sees its own disk where its clients mount it.
    guest.server.sh('mkdir -p "$2"; mountpoint -q "$2" || mount --bind "$1" "$2"', "/srv/both", kind.place("both"))
    hosts = [guest.server.run("cat", f"/run/hosts/{name}").out.strip() for name in ("a", "b")]
    stress = ("python3", f"/{PROJECT}/stress/lock_stress.py", "--directory", kind.place("both"), "--hosts", *hosts, 1)
    done = guest.server.run(*stress, "--processes", 6, "--folders", 4, *length, check=False, timeout=7 * 3600)
    with capsys.disabled():
        sys.stdout.write(f"\n{kind.name}: {done.text}")
    assert done.code == 0, done

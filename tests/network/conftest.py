"""Boots one guest for the whole session."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from network.guest import Guest
from network.kinds import mount_all
from network.peer import Peer


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of these tests alone."""
    group = parser.getgroup("network")
    group.addoption("--long", action="store_true", help="10,000 acquisitions and 200 kills for each file system")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An emulated machine takes its time."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(1800, func_only=True))


@pytest.fixture(scope="session")
def peers(guest: Guest) -> Callable[[], tuple[Peer, Peer]]:
    """Gives a process on each host; they live from test to test, and are started anew where one was killed."""
    found: list[Peer] = []

    def give() -> tuple[Peer, Peer]:
        found[:] = [
            found[place] if len(found) > place and found[place].lives else Peer(host)
            for place, host in enumerate((guest.a, guest.b))
        ]
        return found[0], found[1]

    return give


@pytest.fixture(scope="session")
def guest() -> Iterator[Guest]:
    """A guest that is switched on, with every kind of file system mounted on both hosts."""
    if shutil.which("qemu-system-x86_64") is None:
        sys.__stderr__.write("\n!!! NO TEST OVER THE NETWORK WAS RUN: there is no qemu\n")  # type: ignore[union-attr]
        pytest.skip("there is no qemu")
    with tempfile.TemporaryDirectory(prefix="audiobatchd-network-", dir="/var/tmp") as directory:
        guest = Guest(Path(directory))
        try:
            guest.boot()
            mount_all(guest)
            yield guest
        finally:
            guest.switch_off()

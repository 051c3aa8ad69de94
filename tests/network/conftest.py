"""Boots one guest for the whole session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from network.guest import Guest
from network.kinds import mount_all


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of these tests alone."""
    group = parser.getgroup("network")
    group.addoption("--long", action="store_true", help="10,000 acquisitions and 200 kills for each file system")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An emulated machine takes its time."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(600, func_only=True))


@pytest.fixture(scope="session")
def guest() -> Iterator[Guest]:
    """A guest that is switched on, with every kind of file system mounted on both hosts."""
    directory = Path(tempfile.mkdtemp(prefix="audiobatchd-network-", dir="/var/tmp"))
    guest = None
    try:
        guest = Guest(directory)
        mount_all(guest)
        yield guest
    finally:
        if guest is not None:
            guest.switch_off()
        shutil.rmtree(directory)

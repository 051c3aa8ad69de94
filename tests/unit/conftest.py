"""A service's status to look at (see `support.statuses`), and no proxy between tests and their own servers."""

from __future__ import annotations

import pytest

from audiobatchd.control.status import Status
from support import statuses
from support.statuses import HOSTILE


@pytest.fixture
def hostile() -> tuple[str, ...]:
    """Names of folders as a dataset from the net may have them."""
    return HOSTILE


@pytest.fixture
def busy() -> Status:
    """A large dataset, half done, with every hostile name at work and in trouble."""
    return statuses.busy()


@pytest.fixture
def idle() -> Status:
    """Make the status of a service that has done everything, and has no trouble."""
    return statuses.idle()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

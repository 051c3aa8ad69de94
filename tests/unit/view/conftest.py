"""A daemon's status to look at; see `support.statuses`."""

from __future__ import annotations

import pytest

from audiobatchd.status import Status
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
    """Everything is done and nothing is wrong."""
    return statuses.idle()

"""The fixtures of locks, and the watch over descriptors in every test."""

from __future__ import annotations

import pytest

from support.lock_fixtures import no_descriptor_stays_open, remote, start, track

__all__ = ["no_descriptor_stays_open", "remote", "start", "track"]


@pytest.fixture(autouse=True)
def _watched(no_descriptor_stays_open: None) -> None:
    """Watch over the descriptors."""

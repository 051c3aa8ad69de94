"""Fixtures of tests in several rooms."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let what a test starts be interrupted: background jobs ignore Ctrl-C, and a handler ends with the `exec`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

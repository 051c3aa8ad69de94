"""Surroundings of all tests, and fixtures of tests in several rooms."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from audiobatchd.worker.pool import THREAD_CAPS

# As the service has it in a worker. While one thread of a numeric library works, the others spin: the same numbers took
# up to three times the processor time. Set before any of them is loaded.
os.environ |= dict.fromkeys(THREAD_CAPS, "1")

# The same examples each time: what was not changed does not fail. `--hypothesis-profile=default` draws others.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let what a test starts be interrupted: background jobs ignore Ctrl-C, and a handler ends with the `exec`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

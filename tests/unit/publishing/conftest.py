"""The key that publishes in these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.apt_rig import Keys, own_keys


@pytest.fixture(scope="session")
def keys() -> Iterator[Keys]:
    """A GNUPGHOME of its own."""
    with own_keys() as keys:
        yield keys


@pytest.fixture(scope="session")
def key(keys: Keys) -> str:
    """The fingerprint of a key in it."""
    return keys.make("Publisher <p@example.org>")

"""The key that publishes in these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.apt_rig import Keys


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    """A GNUPGHOME of its own."""
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    keys = Keys(home)
    yield keys
    keys.close()


@pytest.fixture(scope="session")
def key(keys: Keys) -> str:
    """The fingerprint of a key in it."""
    return keys.make("Publisher <p@example.org>")

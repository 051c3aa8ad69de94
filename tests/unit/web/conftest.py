"""A page on real directories, for the tests of files: each has its own `music`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.web_rig import Site, site


@pytest.fixture(scope="module")
def page(music: Path) -> Iterator[Site]:
    """Serve the page in a session that is open."""
    with site(music) as made:
        made.log_in()
        yield made

"""Directories that are inboxes, and those that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.cli.rights.inboxes import refuse_unfit
from audiobatchd.errors import UsageError


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/etc", "it belongs to the operating system"),
        ("/nonesuch/inbox", "make the directory, and repeat this"),
        ("/srv/caf\udce9", "a path outside UTF-8"),
    ],
)
def test_unfit_inboxes_are_refused(path: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        refuse_unfit(path)


def test_a_directory_of_its_own_is_an_inbox(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    refuse_unfit(str(tmp_path / "inbox"))

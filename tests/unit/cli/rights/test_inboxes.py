"""The inboxes of a dataset, as a configuration names them, and those that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.cli.rights.inboxes import inboxes_of, refuse_unfit
from audiobatchd.errors import ConfigError, UsageError


def test_inboxes_are_found_by_their_dataset_s_place(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "link").symlink_to("music")
    text = "".join(
        f'[[inbox]]\npath = "{name}"\ndataset = "{dataset}"\n'
        for name, dataset in (("a", "music"), ("b", "link"), ("/c", str(tmp_path / "music")), ("d", "other"))
    )
    found = inboxes_of(str(tmp_path / "music"), text, tmp_path / "c.toml")
    assert found == [str(tmp_path / "a"), str(tmp_path / "b"), "/c"]
    assert inboxes_of(str(tmp_path / "music"), "", tmp_path / "c.toml") == []
    with pytest.raises(ConfigError, match="not TOML"):
        inboxes_of(str(tmp_path / "music"), "=", tmp_path / "c.toml")


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

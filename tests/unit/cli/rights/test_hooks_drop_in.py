"""The drop-in of hooks: as much of the network as their URLs take, and nothing secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.cli.rights.hooks_drop_in import NAME, changes, content
from audiobatchd.errors import UsageError

HOOK = '[[hook]]\non = ["folder-done"]\nurl = "https://me:secret@127.0.0.1/secret"\n'


@pytest.mark.parametrize(
    ("urls", "allowed"),
    [
        (["http://localhost:1/", "http://[::1]/", "http://127.0.0.9/"], "localhost"),
        (["http://192.168.1.5/", "http://localhost/"], "192.168.1.5 localhost"),
        (["http://192.168.1.5/", "https://example.org/"], "any"),
    ],
)
def test_no_more_is_allowed_than_the_urls_take(urls: list[str], allowed: str) -> None:
    assert f"IPAddressAllow={allowed}\n" in content(urls)


def test_it_is_written_once_and_removed_again(tmp_path: Path) -> None:
    configuration = tmp_path / "c.toml"
    configuration.write_text(HOOK)
    ((path, text),) = changes(tmp_path, configuration, undo=False).items()
    assert path == tmp_path / NAME
    assert text is not None
    assert "secret" not in text
    path.write_text(text)
    assert changes(tmp_path, configuration, undo=False) == {}
    assert changes(tmp_path, configuration, undo=True) == {path: None}
    path.unlink()
    assert changes(tmp_path, configuration, undo=True) == {}


def test_without_a_url_the_unit_stays_as_it_is(tmp_path: Path) -> None:
    configuration = tmp_path / "c.toml"
    configuration.write_text('[[hook]]\non = ["folder-done"]\ncommand = ["true"]\n')
    with pytest.raises(UsageError, match="has a `url`"):
        changes(tmp_path, configuration, undo=False)

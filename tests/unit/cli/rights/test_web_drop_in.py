"""The drop-in of the page, and the table that is added where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.cli.rights.web_drop_in import LISTEN, NAME, changes, content
from audiobatchd.config.file import load_config
from audiobatchd.errors import UsageError


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    return tmp_path / "c.toml"


def done(drop_ins: Path, configuration: Path, text: str, *, undo: bool = False) -> dict[Path, str | None]:
    """What is changed, and change it."""
    configuration.write_text(text)
    files = changes(drop_ins, configuration, text, undo=undo)
    for path, new in files.items():
        path.unlink() if new is None else path.write_text(new)
    return files


def test_a_page_is_added_and_taken_out_again(tmp_path: Path, configuration: Path) -> None:
    before = "# mine\nworkers = 2\n"
    assert set(done(tmp_path, configuration, before)) == {configuration, tmp_path / NAME}
    assert load_config(configuration).web.listen == LISTEN
    assert done(tmp_path, configuration, configuration.read_text()) == {}
    done(tmp_path, configuration, configuration.read_text(), undo=True)
    assert configuration.read_text() == before
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(
    "text", ['[web]\nlisten = "[::1]:99" # mine\n', 'web = { listen = "[::1]:99" }\n', 'web.listen = "[::1]:99"\n']
)
def test_a_page_of_one_s_own_is_left_as_it_is(tmp_path: Path, configuration: Path, text: str) -> None:
    assert set(done(tmp_path, configuration, text)) == {tmp_path / NAME}
    assert "[::1]:99" in (tmp_path / NAME).read_text()
    assert set(done(tmp_path, configuration, text, undo=True)) == {tmp_path / NAME}


def test_a_page_without_an_address_is_refused(tmp_path: Path, configuration: Path) -> None:
    with pytest.raises(UsageError, match="listen"):
        done(tmp_path, configuration, '[web]\nbase_path = "/x/"\n')


def test_a_socket_needs_no_network(tmp_path: Path, configuration: Path) -> None:
    with pytest.raises(UsageError, match="no network"):
        done(tmp_path, configuration, '[web]\nlisten = "/run/x.sock"\nhosts = ["nas"]\n')


def test_on_loopback_no_other_machine_is_let_in() -> None:
    assert "IPAddressAllow=localhost\n" in content("127.0.0.1:8787")
    assert "IPAddressAllow=any\n" in content("192.168.1.5:8787")

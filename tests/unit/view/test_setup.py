"""Setting up the service for a dataset: what is written where, what stays as it was, and how it is taken back."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd import config
from audiobatchd.commands import setup
from audiobatchd.config import DatasetConfig
from audiobatchd.control_command import main

ROOT = os.geteuid() == 0
OTHERS = """# My own words.
workers = 2

[[dataset]]
path = "/srv/other"  # stays
settle = 9.0

[analyzer.rhythm]
method = "degara"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine's configuration and units, below a directory that anybody may enter."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        monkeypatch.setattr(setup, "_CONFIGURATION", Path(place) / "etc" / "audiobatchd.toml")
        monkeypatch.setattr(setup, "_DROP_INS", Path(place) / "units")
        monkeypatch.setattr(setup, "_USER", "nobody")
        monkeypatch.setattr(setup, "_tell_systemd", lambda *, restart: [f"restart: {restart}"])
        (Path(place) / "music" / "A").mkdir(parents=True)
        yield Path(place)


def ctl(*arguments: object) -> int:
    return main(["setup", *map(str, arguments)])


def files(machine: Path) -> dict[str, str]:
    """The configuration and the drop-ins."""
    found = (path for place in ("etc", "units") for path in (machine / place).rglob("*") if path.is_file())
    return {str(path.relative_to(machine)): path.read_text() for path in found}


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_a_dataset_is_added_and_taken_out_again(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (machine / "music").chmod(0o777)
    (machine / "music" / "A").chmod(0o777)
    (machine / "etc").mkdir()
    (machine / "etc" / "audiobatchd.toml").write_text(OTHERS)
    before = files(machine)
    assert ctl(machine / "music", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["trouble"], told["done"][-1]) == ("", "restart: True")
    loaded = config.load(machine / "etc" / "audiobatchd.toml")
    assert [each.path for each in loaded.dataset] == ["/srv/other", str(machine / "music")]
    (drop_in,) = (text for name, text in files(machine).items() if name.startswith("units"))
    assert f'ReadWritePaths="-{machine}/music"' in drop_in
    assert f'RequiresMountsFor="{machine}/music"' in drop_in
    assert "ProtectHome" not in drop_in
    assert os.listdir(machine / "music") == ["A"]
    once = files(machine)
    assert ctl(machine / "music") == 0
    assert (files(machine), capsys.readouterr().out) == (once, "Nothing was to be done.\n")
    assert ctl(machine / "music", "--undo") == 0
    assert {name: text.rstrip() for name, text in files(machine).items()} == {
        name: text.rstrip() for name, text in before.items()
    }


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
@pytest.mark.parametrize("closed", ["music", "music/A"])
def test_a_dataset_where_the_service_cannot_write(
    machine: Path, capsys: pytest.CaptureFixture[str], closed: str
) -> None:
    for name in ("music", "music/A"):
        (machine / name).chmod(0o755 if name == closed else 0o777)
    assert ctl(machine / "music") == 1
    out = capsys.readouterr().out
    assert f"the service's user nobody cannot write there: {machine}/{closed}" in out
    assert "Permission denied" in out
    assert files(machine) == {}
    assert "chgrp -R nobody" in out


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_a_dataset_in_a_home_that_is_closed(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "_HIDDEN", (str(machine / "home"),))
    music = machine / "home" / "me" / "music"
    music.mkdir(parents=True)
    music.chmod(0o777)
    music.parent.chmod(0o700)
    assert ctl(music) == 0
    (drop_in,) = (text for name, text in files(machine).items() if name.startswith("units"))
    assert f'BindPaths="-{music}"' in drop_in
    assert os.listdir(music) == []
    music.chmod(0o700)
    assert ctl(music) == 1


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_a_configuration_that_would_be_invalid_is_left_alone(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (machine / "etc").mkdir()
    for name in ("music", "music/A"):
        (machine / name).chmod(0o777)
    (machine / "etc" / "audiobatchd.toml").write_text(f'[[dataset]]\npath = "{machine}"\n')
    before = files(machine)
    assert ctl(machine / "music") == 2
    assert "two datasets overlap" in capsys.readouterr().err
    assert files(machine) == before
    (machine / "etc" / "audiobatchd.toml").write_text("[[")
    assert ctl(machine / "music") == 2
    assert "not TOML" in capsys.readouterr().err


@pytest.mark.parametrize(
    "table", ['  [[dataset]]\npath = "{0}"', '[[ dataset ]]\npath = "{0}"', 'dataset = [{{path = "{0}"}}]']
)
def test_a_table_of_another_hand_is_not_said_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "audiobatchd").mkdir()
    file = tmp_path / "audiobatchd" / "audiobatchd.toml"
    file.write_text(table.format(tmp_path / "music"))
    (tmp_path / "music").mkdir()
    code = ctl(tmp_path / "music", "--user", "--undo")
    if code:
        assert "its table is written in a way of its own" in capsys.readouterr().err
        assert file.read_text() == table.format(tmp_path / "music")
    else:
        assert config.load(file).dataset == ()


def test_a_configuration_behind_a_link_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "audiobatchd").mkdir()
    (tmp_path / "real.toml").write_text("# mine\n")
    (tmp_path / "real.toml").chmod(0o640)
    link = tmp_path / "audiobatchd" / "audiobatchd.toml"
    link.symlink_to("../real.toml")
    (tmp_path / "music").mkdir()
    assert ctl(tmp_path / "music", "--user") == 0
    assert link.is_symlink()
    assert "# mine" in (tmp_path / "real.toml").read_text()
    assert (tmp_path / "real.toml").stat().st_mode & 0o777 == 0o640


def test_one_s_own_service_needs_no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "music").mkdir()
    assert ctl(tmp_path / "music", "--user") == 0
    loaded = config.load(tmp_path / "config" / "audiobatchd" / "audiobatchd.toml")
    assert loaded.dataset == (DatasetConfig(str(tmp_path / "music")),)
    assert ctl(tmp_path / "music", "--user", "--undo") == 0
    assert config.load(tmp_path / "config" / "audiobatchd" / "audiobatchd.toml").dataset == ()


def test_what_is_no_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(tmp_path / "nowhere", "--user") == 2
    assert f"no such directory: {tmp_path}/nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("/srv/music", "srv-music"),
        ("/srv/my music", r"srv-my\x20music"),
        ("/srv/.hidden-place", r"srv-.hidden\x2dplace"),
        ("/.music", r"\x2emusic"),
        ("/", "-"),
        ("/caf\u00e9", r"caf\xc3\xa9"),
    ],
)
def test_drop_ins_are_named_as_systemd_would(dataset: str, name: str) -> None:
    assert setup._drop_in_name(dataset) == f"dataset-{name}.conf"


def test_a_dataset_in_a_home_is_the_only_thing_seen_there() -> None:
    text = setup._drop_in('/home/me/50% "music"')
    assert "ProtectHome=tmpfs" in text
    assert r'BindPaths="-/home/me/50%% \"music\""' in text

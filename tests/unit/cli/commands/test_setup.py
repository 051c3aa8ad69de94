"""Setting up the service for a dataset: what is written where, what stays as it was, and how it is taken back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.cli.commands import setup
from audiobatchd.cli.control import main
from audiobatchd.cli.rights import drop_in, user_unit
from audiobatchd.config.file import DatasetConfig, load_config

ROOT = os.geteuid() == 0
needs_acls = pytest.mark.skipif(
    not ROOT or not shutil.which("setfacl"), reason="it takes root and Debian's package acl"
)
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
        monkeypatch.setattr(setup, "_SAVED_ACLS", Path(place) / "saved")
        monkeypatch.setattr(setup, "USER", "nobody")
        monkeypatch.setattr(setup, "_tell_systemd", lambda *, restart: [f"restart: {restart}"])
        (Path(place) / "music" / "A").mkdir(parents=True)
        yield Path(place)


def ctl(*arguments: object) -> int:
    return main(["setup", *map(str, arguments)])


def acls(place: Path) -> str:
    """What getfacl says of all that is there."""
    command = ["getfacl", "--recursive", "--numeric", "--absolute-names", str(place)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


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
    loaded = load_config(machine / "etc" / "audiobatchd.toml")
    assert [each.path for each in loaded.dataset] == ["/srv/other", str(machine / "music")]
    (text,) = (text for name, text in files(machine).items() if name.startswith("units"))
    assert f'ReadWritePaths="-{machine}/music"' in text
    assert "ProtectHome" not in text
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
    assert f"audiobatchctl setup --grant {machine}/music" in out
    assert "-R" not in out.replace("--recursive", "-R"), "no command that goes through a tree"


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
@pytest.mark.parametrize("shown_as", ["/etc", "/", "/home", "/srv", "/etc/", "/usr/../etc", "link", "music/../link"])
def test_a_place_of_the_machine_is_refused_without_a_command(
    machine: Path, capsys: pytest.CaptureFixture[str], shown_as: str
) -> None:
    (machine / "link").symlink_to("/etc")
    for option in ((), ("--grant",), ("--json",)):
        assert ctl(machine / shown_as, *option) == 2
        out, err = capsys.readouterr()
        assert err.startswith(f"audiobatchctl: cannot set up {os.path.realpath(machine / shown_as)}: it ")
        assert out == ""
        assert not any(word in err for word in ("chgrp", "chmod", "setfacl"))
    assert files(machine) == {}
    assert not (machine / "saved").exists()


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_what_no_line_of_a_unit_can_hold_is_refused(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = machine / "mu\nUser=root\nsic"
    odd.mkdir(mode=0o777)
    for name in (odd, machine / "gone\x1b"):
        assert ctl(name) == 2
        assert "there are control characters in it" in capsys.readouterr().err
    assert files(machine) == {}


@needs_acls
def test_rights_are_granted_and_taken_back(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    music = machine / "music"
    (music / "A" / "full_mix.flac").touch(0o600)
    (music / "A").chmod(0o700)
    before = acls(music)
    assert ctl(music, "--grant") == 0
    out = capsys.readouterr().out
    assert f"{music}: nobody got rights to what is there and comes: 3 ACLs\n" in out
    assert f"{machine}/saved/" in out
    assert f"{machine}/etc/audiobatchd.toml: added the dataset {music}\n" in out
    assert acls(music) != before
    granted = acls(music)
    assert ctl(music, "--grant") == 0
    assert capsys.readouterr().out == "Nothing was to be done.\n"
    assert acls(music) == granted
    assert ctl(music, "--undo") == 0
    assert f"{music}: the ACLs that were there are back (3 changed)\n" in capsys.readouterr().out
    assert acls(music) == before
    assert list((machine / "saved").iterdir()) == []


@needs_acls
def test_rights_below_a_directory_that_cannot_be_passed(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    music = machine / "closed" / "music"
    music.mkdir(parents=True)
    music.parent.chmod(0o700)
    before = acls(music)
    assert ctl(music, "--grant") == 1
    assert "it must also be able to pass the directories above it" in capsys.readouterr().out
    assert files(machine) == {}
    assert ctl(music, "--undo") == 0
    assert acls(music) == before


@needs_acls
def test_acls_of_a_dataset_that_is_not_there_are_kept(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    music = machine / "music"
    before = acls(music)
    assert ctl(music, "--grant") == 0
    music.rename(machine / "away")
    assert ctl(music, "--undo") == 0
    assert "its ACLs stay in" in capsys.readouterr().out
    (machine / "away").rename(music)
    assert ctl(music, "--undo") == 0
    assert acls(music) == before


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_where_there_are_no_acls_it_says_what_else_helps(
    machine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "audiobatchd.cli.rights.grants.Grants.trouble", lambda _: "its file system (nfs4) has no POSIX ACLs"
    )
    assert ctl(machine / "music", "--grant") == 2
    assert "(nfs4) has no POSIX ACLs. Make the service's user a member" in capsys.readouterr().err
    assert ctl(machine / "music") == 1
    out = capsys.readouterr().out
    assert "No rights can be granted: its file system (nfs4) has no POSIX ACLs.\n" in out
    assert files(machine) == {}


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
@pytest.mark.parametrize("option", [(), ("--undo",)])
def test_both_files_are_written_or_neither(
    machine: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    """The drop-in cannot be changed: it is immutable, when the configuration is in its place already."""
    for name in ("music", "music/A"):
        (machine / name).chmod(0o777)
    assert ctl(machine / "music") == 0
    (drop_in,) = (machine / "units").rglob("*.conf")
    if not option:
        drop_in.write_text("of an older version")
        (machine / "etc" / "audiobatchd.toml").write_text("# mine\n")
    before = files(machine)
    if subprocess.run(["chattr", "+i", drop_in], capture_output=True, check=False).returncode:
        pytest.skip("no file can be made immutable here")
    try:
        assert ctl(machine / "music", *option) != 0
    finally:
        subprocess.run(["chattr", "-i", drop_in], check=True)
    err = capsys.readouterr().err
    assert f"cannot change {drop_in}: " in err
    assert "nothing was changed" in err
    assert files(machine) == before


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_a_path_as_long_as_paths_may_be(machine: Path) -> None:
    paths = [machine / ("m" * 250) / (letter * 245) for letter in "ab"]
    for path in paths:
        path.mkdir(parents=True)
        path.chmod(0o777)
        assert ctl(path) == 0
    (one, other) = sorted(name for name in files(machine) if name.startswith("units"))
    assert one != other
    assert len(os.path.basename(one)) < 255
    for path in paths:
        assert ctl(path, "--undo") == 0
    assert not any(name.startswith("units") for name in files(machine))


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_a_dataset_in_a_home_that_is_closed(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drop_in, "_HIDDEN", (str(machine / "home"),))
    music = machine / "home" / "me" / "music"
    music.mkdir(parents=True)
    music.chmod(0o777)
    music.parent.chmod(0o700)
    assert ctl(music) == 0
    (text,) = (text for name, text in files(machine).items() if name.startswith("units"))
    assert f'BindPaths="-{music}"' in text
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
        assert load_config(file).dataset == ()


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


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_a_fifo_in_place_of_the_configuration_is_refused(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (machine / "etc").mkdir()
    os.mkfifo(machine / "etc" / "audiobatchd.toml")
    assert ctl(machine / "music") == 2
    assert "audiobatchd.toml: it is not a regular file" in capsys.readouterr().err
    assert not (machine / "units").exists()


def test_one_s_own_service_needs_no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(user_unit, "_PACKAGED", ())
    unit = tmp_path / "config" / "systemd" / "user" / "audiobatchd.service"
    for name in ("music", "more"):
        (tmp_path / name).mkdir()
        assert ctl(tmp_path / name, "--user") == 0
        assert unit.exists()
    assert ctl(tmp_path / "more", "--user", "--undo") == 0
    assert unit.exists()
    loaded = load_config(tmp_path / "config" / "audiobatchd" / "audiobatchd.toml")
    assert loaded.dataset == (DatasetConfig(str(tmp_path / "music")),)
    assert ctl(tmp_path / "music", "--user", "--undo") == 0
    assert load_config(tmp_path / "config" / "audiobatchd" / "audiobatchd.toml").dataset == ()
    assert not unit.exists()


def test_what_is_no_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(tmp_path / "nowhere", "--user") == 2
    assert f"no such directory: {tmp_path}/nowhere" in capsys.readouterr().err

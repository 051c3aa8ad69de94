"""The unit of a user's own service: written for this installation, taken back, and never over another hand's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from audiobatchd.cli.rights import user_unit
from audiobatchd.cli.rights.user_unit import MARK, UserUnit
from audiobatchd.errors import AudiobatchError

UNIT = Path(__file__).parents[4] / "systemd" / "user" / "audiobatchd.service"


@pytest.fixture(autouse=True)
def _without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package has brought a unit, whatever is installed on this machine."""
    monkeypatch.setattr(user_unit, "_PACKAGED", ())


def unit(home: Path, configuration: str = "audiobatchd.toml") -> UserUnit:
    return UserUnit(home / configuration, {"XDG_CONFIG_HOME": str(home)})


def test_it_is_written_once_and_removed(tmp_path: Path) -> None:
    said = unit(tmp_path).write()
    path = tmp_path / "systemd" / "user" / "audiobatchd.service"
    assert said == [
        f"{path}: the unit of your own service",
        "when you are ready: systemctl --user daemon-reload",
        "then: systemctl --user enable --now audiobatchd",
        "to go on when you log out: loginctl enable-linger",
    ]
    assert unit(tmp_path).write() == []
    enabled = path.parent / "default.target.wants" / path.name
    enabled.parent.mkdir()
    enabled.symlink_to(path)
    assert unit(tmp_path).remove()[0] == f"{path}: removed"
    assert [each for each in tmp_path.rglob("*") if not each.is_dir()] == []
    assert unit(tmp_path).remove() == []


def test_it_is_the_package_s_with_the_paths_of_this_installation(tmp_path: Path) -> None:
    started = re.compile(r"^Exec(Start|Reload)=(\S+)(.*)$", re.MULTILINE)
    made = unit(tmp_path).content()
    assert made.startswith(MARK)
    assert started.sub("", made.removeprefix(MARK)) == started.sub("", UNIT.read_text())
    (_, start, options), (_, reload, _) = started.findall(made)
    assert os.access(start, os.X_OK)
    assert os.access(reload, os.X_OK)
    assert options == f" --config {tmp_path / 'audiobatchd.toml'}"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd is here to read it")
def test_systemd_takes_a_path_of_any_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "a b%n;c $HOME é"
    odd.mkdir()
    for program in ("audiobatchd", "audiobatchctl"):
        (odd / program).symlink_to("/bin/true")
    monkeypatch.setattr(user_unit, "_programs", lambda: odd)
    unit(tmp_path, 'my "music"\'\\%.toml').write()
    verify = ["systemd-analyze", "--user", "verify", "--man=no", str(unit(tmp_path).path)]
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    told = subprocess.run(verify, capture_output=True, text=True, env=environ, check=False)
    assert "audiobatchd.service" not in told.stderr


def test_one_of_an_earlier_installation_is_renewed(tmp_path: Path) -> None:
    unit(tmp_path).write()
    path = unit(tmp_path).path
    path.write_text(path.read_text().replace("/bin/audiobatchd", "/gone/audiobatchd"))
    assert unit(tmp_path).write()
    assert path.read_text() == unit(tmp_path).content()


@pytest.mark.parametrize("letter", ["'", '"', "\\"])
def test_programs_that_systemd_cannot_start_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letter: str
) -> None:
    monkeypatch.setattr(user_unit, "_programs", lambda: Path(f"/opt/a{letter}b"))
    with pytest.raises(AudiobatchError, match="systemd starts nothing with quotes in its path"):
        unit(tmp_path).write()


@pytest.mark.parametrize("kind", ["file", "bytes", "link", "mask"])
def test_what_setup_has_not_written_stays(tmp_path: Path, kind: str) -> None:
    path = unit(tmp_path).path
    path.parent.mkdir(parents=True)
    other = tmp_path / "other"
    if kind == "link":
        other.write_text(f"{MARK}[Unit]\n")
        path.symlink_to(other)
    elif kind == "mask":
        path.symlink_to("/dev/null")
    else:
        path.write_bytes(b"[Unit]\n" if kind == "file" else b"\xff")
    before = path.lstat()
    assert "left alone" in unit(tmp_path).write()[0]
    assert unit(tmp_path).remove() == []
    assert path.lstat() == before


def test_a_fifo_in_its_place_is_refused(tmp_path: Path) -> None:
    unit(tmp_path).path.parent.mkdir(parents=True)
    os.mkfifo(unit(tmp_path).path)
    with pytest.raises(AudiobatchError, match=r"cannot read .*: it is not a regular file"):
        unit(tmp_path).write()


def test_a_file_in_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "systemd").write_text("")
    with pytest.raises(AudiobatchError, match=r"cannot (read|write) .*audiobatchd\.service"):
        unit(tmp_path).write()


def test_a_path_that_no_unit_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudiobatchError, match="into a unit: there are control characters in it"):
        unit(tmp_path, "a\nb.toml").write()
    assert not unit(tmp_path).path.exists()


def test_where_the_package_has_brought_one_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_unit, "_PACKAGED", (UNIT.parent,))
    assert unit(tmp_path).write() == []

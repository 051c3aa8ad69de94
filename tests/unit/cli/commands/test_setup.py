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
from audiobatchd.cli.rights import drop_in, membership, user_unit
from audiobatchd.cli.rights.grants import Grants
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
        monkeypatch.setattr(setup, "_tell_systemd", lambda verb, *, now: [f"{verb}: {now}"])
        monkeypatch.setenv("SUDO_UID", "0")
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
    assert files(machine) == once
    assert capsys.readouterr().out == "Nothing was to be done.\nWatch it work: audiobatchctl top\n"
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
    before = acls(machine / "music")
    assert ctl(machine / "music", "--no-grant") == 1
    out = capsys.readouterr().out
    assert f"the service's user nobody cannot write there: {machine}/{closed}" in out
    assert acls(machine / "music") == before
    assert "Permission denied" in out
    assert files(machine) == {}
    assert "Without `--no-grant` it gets rights to this dataset alone" in out
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
    assert capsys.readouterr().out == "Nothing was to be done.\nWatch it work: audiobatchctl top\n"
    assert acls(music) == granted
    assert ctl(music, "--undo") == 0
    assert f"{music}: the ACLs that were there are back (3 changed)\n" in capsys.readouterr().out
    assert acls(music) == before
    assert list((machine / "saved").iterdir()) == []


@needs_acls
def test_rights_that_are_lacking_are_granted_and_announced(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    music = machine / "music"
    before = acls(music)
    assert ctl(music) == 0
    first, second, third, *_ = capsys.readouterr().out.splitlines()
    assert first == f"The service's user nobody cannot write there yet: {music}: Permission denied"
    assert second.startswith("It gets rights to this dataset alone, by ACLs, which `--undo` takes back exactly: ")
    assert third == f"{music}: nobody got rights to what is there and comes: 2 ACLs"
    assert acls(music) != before
    assert ctl(music, "--undo") == 0
    assert acls(music) == before


@needs_acls
def test_rights_that_are_there_are_not_granted_again(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("music", "music/A"):
        (machine / name).chmod(0o777)
    before = acls(machine / "music")
    assert ctl(machine / "music", "--json") == 0
    assert "ACL" not in capsys.readouterr().out
    assert acls(machine / "music") == before


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
@pytest.mark.parametrize(
    "text", ["", OTHERS, "# mine\n", 'operators = ["daemon"]\n\n[analyzer.rhythm]\nmethod = "degara"\n']
)
def test_operator_joins_the_group_and_is_configured(
    machine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    joined: list[tuple[str, str]] = []

    def join(user: str, group: str) -> bool:
        joined.append((user, group))
        return True

    monkeypatch.setattr(membership, "join", join)
    monkeypatch.setattr(membership, "is_member", lambda *_: True)
    (machine / "etc").mkdir()
    (machine / "etc" / "audiobatchd.toml").write_text(text)
    assert ctl("--operator", "bin") == 0
    told = capsys.readouterr().out.splitlines()
    assert (
        told[0]
        == "bin is in the group nobody now, and may ask the service from the next login on, or by: newgrp nobody"
    )
    assert told[1:3] == [
        f"{machine}/etc/audiobatchd.toml: bin is an operator, who may pause, retry and reload",
        "reload: True",
    ]
    assert joined == [("bin", "nobody")]
    loaded = load_config(machine / "etc" / "audiobatchd.toml")
    assert loaded.operators == (*(["daemon"] if "daemon" in text else []), "bin")
    assert not (machine / "units").exists()
    monkeypatch.setattr(membership, "join", lambda *_: False)
    before = files(machine)
    assert ctl("--operator", "bin") == 0
    assert capsys.readouterr().out.startswith("Nothing was to be done.\n")
    assert files(machine) == before


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_operator_that_is_no_user_is_refused(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("--operator", "no-such-user") == 2
    assert "there is no user no-such-user" in capsys.readouterr().err
    assert files(machine) == {}


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
@pytest.mark.parametrize(
    ("person", "member", "line"),
    [
        ("", False, "Watch it work: audiobatchctl top"),
        ("bin", True, "Watch it work: audiobatchctl top; where that is refused, log in again, or: newgrp nobody"),
        (
            "bin",
            False,
            "Watch it work: sudo audiobatchctl top; without sudo after: sudo audiobatchctl setup --operator bin",
        ),
    ],
)
def test_last_line_says_who_may_watch(
    machine: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    person: str,
    member: bool,
    line: str,
) -> None:
    for name in ("music", "music/A"):
        (machine / name).chmod(0o777)
    monkeypatch.setattr(membership, "caller", lambda _: person)
    monkeypatch.setattr(membership, "is_member", lambda *_: member)
    assert ctl(machine / "music") == 0
    assert capsys.readouterr().out.splitlines()[-1] == line


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (["/srv/my music"], "sudo audiobatchctl setup '/srv/my music'; --user sets up your own"),
        (["/srv/caf\udce9"], r"sudo audiobatchctl setup $'/srv/caf\xe9'; "),
        (["--undo", "/srv/music"], "sudo audiobatchctl setup --undo /srv/music; "),
        (["--operator", "mia"], "sudo audiobatchctl setup --operator mia; "),
        (["--no-grant", "--operator", "mia", "/m"], "sudo audiobatchctl setup --no-grant --operator mia /m; "),
        ([], "which dataset?"),
        (["--undo", "--operator", "mia"], "which dataset?"),
        (["--user", "--operator", "mia", "/m"], "--operator is for the machine's service"),
        (["--user", "--grant", "/m"], "--grant is for the machine's service"),
    ],
)
def test_refusal_without_root_names_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str], refusal: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert ctl(*options) == 2
    assert refusal in capsys.readouterr().err


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
def test_a_dataset_in_a_home_that_is_closed(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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
    capsys.readouterr()
    assert ctl(music, "--no-grant") == 1
    assert f"cannot write there: {music}: Permission denied" in capsys.readouterr().out


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


def with_inbox(machine: Path) -> Path:
    """Configure an inbox of the dataset, where the service cannot write."""
    inbox = machine / "inbox"
    (inbox / "Artist").mkdir(parents=True)
    with (machine / "etc" / "audiobatchd.toml").open("a") as file:
        file.write(f'\n[[inbox]]\npath = "{inbox}"\ndataset = "{machine}/music"\n')
    return inbox


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_inboxes_of_the_dataset_are_set_up_too(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for each in ("music", "music/A"):
        (machine / each).chmod(0o777)
    assert ctl(machine / "music") == 0
    before = files(machine)
    inbox = with_inbox(machine)
    assert ctl(machine / "music", "--no-grant") == 1
    assert f"{inbox}: Permission denied" in capsys.readouterr().out
    assert files(machine).keys() == before.keys()
    inbox.chmod(0o777)
    (inbox / "Artist").chmod(0o777)
    assert ctl(machine / "music") == 0
    (added,) = files(machine).keys() - before.keys()
    assert f'ReadWritePaths="-{inbox}"' in files(machine)[added]
    assert ctl(machine / "music", "--undo") == 0
    assert files(machine) == {"etc/audiobatchd.toml": ""}


@needs_acls
def test_rights_in_an_inbox_are_granted_and_taken_back(machine: Path) -> None:
    assert ctl(machine / "music", "--grant") == 0
    inbox = with_inbox(machine)
    before = acls(inbox)
    assert ctl(machine / "music", "--grant") == 0
    assert acls(inbox) != before
    assert ctl(machine / "music", "--undo") == 0
    assert acls(inbox) == before


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_an_inbox_that_is_not_there_is_to_be_made(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for each in ("music", "music/A"):
        (machine / each).chmod(0o777)
    assert ctl(machine / "music") == 0
    shutil.rmtree(with_inbox(machine))
    capsys.readouterr()
    assert ctl(machine / "music") == 2
    assert f"there is no inbox {machine}/inbox: make the directory" in capsys.readouterr().err


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_the_page_is_set_up_shown_and_taken_back(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (machine / "etc").mkdir()
    (machine / "etc" / "audiobatchd.toml").write_text(OTHERS)
    before = files(machine)
    assert ctl("--web") == 0
    said = capsys.readouterr().out
    assert "PrivateNetwork=no" in said
    assert "restart: True" in said
    assert "PrivateNetwork=no" in files(machine)["units/audiobatchd.service.d/web.conf"]
    assert load_config(machine / "etc" / "audiobatchd.toml").web.listen == "127.0.0.1:8787"
    assert ctl("--web") == 0
    assert capsys.readouterr().out.startswith("Nothing was to be done.")
    assert ctl("--web", "--undo") == 0
    assert files(machine) == before


@pytest.mark.parametrize("beside", [["/srv/music"], ["--operator", "mia"], ["--grant"]])
def test_the_page_is_set_up_alone(beside: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("--web", *beside) != 0
    assert "--web" in capsys.readouterr().err


@pytest.mark.skipif(not ROOT, reason="setting up a machine takes root")
def test_a_users_own_service_gets_the_page_as_well(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(machine / "home"))
    assert ctl("--web", "--user") == 0
    assert (machine / "home" / "systemd" / "user" / "audiobatchd.service.d" / "web.conf").exists()
    assert "systemctl --user restart" in capsys.readouterr().out


@needs_acls
def test_nothing_is_granted_for_what_would_be_invalid(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (machine / "etc").mkdir()
    file = machine / "etc" / "audiobatchd.toml"
    file.write_text("workers = 'two'\n")
    before = acls(machine / "music")
    assert ctl(machine / "music") == 2
    assert capsys.readouterr().err.startswith(f"audiobatchctl: {file}: ")
    assert acls(machine / "music") == before
    assert not (machine / "saved").exists()
    assert os.listdir(machine / "etc") == ["audiobatchd.toml"]


@needs_acls
@pytest.mark.parametrize("option", [(), ("--grant",)])
def test_nothing_is_granted_where_an_inbox_takes_no_rights(
    machine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...]
) -> None:
    (machine / "etc").mkdir()
    inbox, before = with_inbox(machine), acls(machine / "music")
    monkeypatch.setattr(
        Grants, "trouble", lambda grants: "its file system has no ACLs" * str(grants.saved).endswith("inbox.acl")
    )
    assert ctl(machine / "music", *option) == (2 if option else 1)
    told = capsys.readouterr()
    assert f"{inbox}: " in told.out + told.err
    assert "its file system has no ACLs" in told.out + told.err
    assert acls(machine / "music") == before

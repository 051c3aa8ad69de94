"""Samba's shares, and whether locks of their clients reach this machine."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from audiobatchd.disk import bounded, filesystems, shares
from audiobatchd.disk.filesystems import Kind


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset; smb.conf lies beside it."""
    monkeypatch.setattr(shares, "SAMBA", tmp_path / "smb.conf")
    (tmp_path / "music" / "rock").mkdir(parents=True)
    return tmp_path / "music"


@dataclass(frozen=True)
class Written:
    """Content of smb.conf, in which MUSIC is the dataset, and whether it makes locks weak."""

    name: str
    lines: str
    weak: bool


SHARED = "[Music]\npath = MUSIC\n"
WRITTEN = [
    Written("nothing", "", False),
    Written("read only, as Samba has it by default", SHARED, False),
    Written("written to", SHARED + "read only = no\n", True),
    Written("by other names", "[Music]\n directory=MUSIC/\n Write OK = Yes\n", True),
    Written("by some", SHARED + "write list = @music\n", True),
    Written("in quotes, over two lines", '[Music]\npath = \\\n"MUSIC"\nwriteable = 1', True),
    Written("the directory above", "[all]\npath = MUSIC/..\nread only = no\n", True),
    Written("a directory in it", "[rock]\npath = MUSIC/rock\nread only = no\n", True),
    Written("a directory for each client", "[own]\npath = MUSIC/%U\nread only = no\n", True),
    Written("a directory beside it", "[other]\npath = MUSIC2\nread only = no\n", False),
    Written("by default", "[global]\nread only = no\n" + SHARED, True),
    Written("by default, and this one not", "[global]\nread only = no\n" + SHARED + "read only = yes\n", False),
    Written("switched off", SHARED + "read only = no\navailable = no\n", False),
    Written("a printer", SHARED + "read only = no\nprintable = yes\n", False),
    Written("commented out", "# [Music]\n; path = MUSIC\n#read only = no\n", False),
    Written("with the cure", SHARED + f"read only = no\n{shares.CURE}\n", False),
    Written("with the cure for all", f"[global]\n{shares.CURE}\n" + SHARED + "read only = no\n", False),
    Written("with another veto", SHARED + "read only = no\nveto oplock files = /*.doc/*.lock2/\n", True),
    Written("without oplocks", SHARED + "read only = no\noplocks = no\n", False),
    Written("with locks of its own", SHARED + f"read only = no\n{shares.CURE}\nposix locking = no\n", True),
    Written("without locks", SHARED + f"read only = no\n{shares.CURE}\nlocking = no\n", True),
    Written("a copy", "[template]\nread only = no\n[Music]\ncopy = Template\npath = MUSIC\n", True),
    Written("garbage", "\0\n=\n[\n]\n[]\npath\n\xff = 1\ninclude =\n", False),
]


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: written.name)
def test_shares_are_judged(written: Written, music: Path) -> None:
    shares.SAMBA.write_text(written.lines.replace("MUSIC", str(music)), encoding="utf-8")
    kind, filesystem = shares.of(str(music))
    assert kind is (Kind.WEAK if written.weak else Kind.LOCAL)
    assert (shares.CURE in filesystem) is written.weak
    assert ("without `" in filesystems.refusal(filesystem)) is written.weak


def test_the_share_is_named(music: Path) -> None:
    shares.SAMBA.write_text(f"[Mu\x1bsic]\npath = {music}\nread only = no\n", encoding="utf-8")
    _, filesystem = shares.of(str(music))
    assert " that Samba shares as [Mu\\x1bsic] without " in filesystem


def test_included_lines_stand_in_their_place(music: Path) -> None:
    more = shares.SAMBA.with_name("more.conf")
    more.write_text(f"path = {music}\ninclude = {more}\n", encoding="utf-8")
    shares.SAMBA.write_text(f"[Music]\ninclude = {more}\nread only = no\ninclude = /none/%m.conf\n", encoding="utf-8")
    assert shares.of(str(music))[0] is Kind.WEAK


@pytest.mark.parametrize(("acl", "weak"), [("S-1-1-0:F,", True), ("S-1-1-0:R,", False)])
def test_shares_of_users_are_seen(acl: str, weak: bool, music: Path) -> None:
    users = music.with_name("users")
    users.mkdir()
    (users / "mine").write_text(f"#VERSION 2\npath={music}\nusershare_acl={acl}\n", encoding="utf-8")
    (users / "other").mkdir()
    shares.SAMBA.write_text(f"[global]\nusershare path = {users}\n", encoding="utf-8")
    assert shares.of(str(music))[0] is (Kind.WEAK if weak else Kind.LOCAL)
    shares.SAMBA.write_text(f"[global]\nusershare path = {users}\n{shares.CURE}\n", encoding="utf-8")
    assert shares.of(str(music))[0] is Kind.LOCAL


def test_a_link_is_followed(music: Path) -> None:
    link = music.with_name("link")
    link.symlink_to(music)
    shares.SAMBA.write_text(f"[Music]\npath = {link}\nread only = no\n", encoding="utf-8")
    assert shares.of(str(music))[0] is Kind.WEAK
    shares.SAMBA.write_text(f"[Music]\npath = {music}\nread only = no\n", encoding="utf-8")
    assert shares.of(str(link))[0] is Kind.WEAK


@pytest.mark.parametrize("what", ["a directory", "a FIFO", "too large", "not ours to read"])
def test_configuration_that_cannot_be_read(what: str, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    match what:
        case "a directory":
            shares.SAMBA.mkdir()
        case "a FIFO":
            os.mkfifo(shares.SAMBA)
        case "too large":
            shares.SAMBA.touch()
            os.truncate(shares.SAMBA, bounded.SETTINGS_LIMIT + 1)
        case _:
            monkeypatch.setattr(bounded, "read", lambda *_: (_ for _ in ()).throw(PermissionError(errno.EACCES, "no")))
    assert shares.of(str(music))[0] is Kind.LOCAL


def test_a_shortage_is_no_answer(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "read", lambda *_: (_ for _ in ()).throw(OSError(errno.EMFILE, "too many")))
    with pytest.raises(OSError, match="too many"):
        shares.of(str(music))


def test_samba_is_not_asked_of_other_file_systems(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "of", lambda _: (Kind.NETWORK, "nfs4"))
    monkeypatch.setattr(bounded, "read", lambda *_: pytest.fail("its locks are the server's affair"))
    assert shares.of(str(music)) == (Kind.NETWORK, "nfs4")

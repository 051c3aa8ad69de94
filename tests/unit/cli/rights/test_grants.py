"""Rights by ACLs: who may do what after a grant, and that an undo gives back what `getfacl -R` told before."""

from __future__ import annotations

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.cli.rights import grants as module
from audiobatchd.cli.rights.grants import Grants, grants_are_saved
from audiobatchd.errors import AudiobatchError

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setfacl"), reason="it takes root and Debian's package acl"
)

SERVICE, MIA, OTTO, BAND = 64_001, 64_002, 64_003, 64_004
SHM = Path("/dev/shm")  # noqa: S108  # a tmpfs, where tmp_path is on the disk


@pytest.fixture(params=["disk", "tmpfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory that anybody may enter, on each kind of file system."""
    with tempfile.TemporaryDirectory(dir=SHM if request.param == "tmpfs" else None) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def music(place: Path) -> Path:
    """A dataset of Mia's, with what people have: private files, a default ACL, a mask, links, odd names."""
    music = place / "music"
    for name in ("A", "B", "B/deeper", "caf\\e \u00e9\t1", "crops", ".hidden"):
        (music / name).mkdir(parents=True)
        (music / name / "full_mix.flac").write_text("sound")
    (music / "A" / "full_mix.flac").chmod(0o600)
    (music / "A.lock").touch(0o640)
    (music / "B" / "tool").touch(0o4755)
    os.mkfifo(music / "B" / "pipe")
    (music / "B" / "link").symlink_to("/etc/passwd")
    (music / "C").symlink_to(place / "outside")
    (place / "outside").mkdir()
    (place / "outside" / "x").touch(0o600)
    for path in (music, *music.rglob("*")):
        os.chown(path, MIA, BAND, follow_symlinks=False)
    (music / "B").chmod(0o3770)
    acl("-m", f"u:{OTTO}:rwx,m::r-x,d:u:{OTTO}:r-x", music / "B" / "deeper")
    acl("-m", f"u:{OTTO}:rw,m::r", music / "B" / "deeper" / "full_mix.flac")
    return music


def acl(*arguments: object) -> None:
    subprocess.run(["setfacl", *map(str, arguments)], check=True)


def told(place: Path) -> str:
    """What getfacl says of all that is there, and the modes of what has no ACL."""
    command = ["getfacl", "--recursive", "--physical", "--numeric", "--absolute-names", str(place)]
    modes = [f"{path} {path.lstat().st_mode:o}" for path in sorted(place.rglob("*"))]
    return "\n".join([os.fsdecode(subprocess.run(command, capture_output=True, check=True).stdout), *modes])


def grants(music: Path) -> Grants:
    return Grants(str(music), SERVICE, frozenset({SERVICE}), music.parent.parent / "saved" / "music.acl")


@pytest.fixture(autouse=True)
def _saved(place: Path) -> Iterator[None]:
    yield
    shutil.rmtree(place.parent / "saved", ignore_errors=True)


def may(user: int, path: Path, rights: int, groups: tuple[int, ...] = ()) -> bool:
    """What the kernel says, asked as that user."""
    return may_all(user, [path], rights, groups)


def may_all(user: int, paths: list[Path], rights: int, groups: tuple[int, ...] = ()) -> bool:
    """The same of several paths, asked by one process."""
    code = f"import os, sys; sys.exit(not all(os.access(path, {rights}) for path in sys.argv[1:]))"
    command = [sys.executable, "-I", "-c", code, *map(str, paths)]
    return subprocess.run(command, user=user, group=user, extra_groups=groups, check=False).returncode == 0


def make(user: int, path: Path) -> None:
    """Have a user make a file, for nobody else."""
    code = "import os, sys; os.close(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY, 0o660))"
    subprocess.run([sys.executable, "-I", "-c", code, str(path)], user=user, group=user, extra_groups=(), check=True)


ALL = os.R_OK | os.W_OK | os.X_OK


def test_the_service_may_work_there_and_others_as_before(music: Path) -> None:
    report = grants(music).grant()
    assert report.changed == 7  # music, A, B, B/deeper, caf..., A's private file, the lock
    assert report.skipped == []
    for name in ("", "A", "B", "B/deeper"):
        assert may(SERVICE, music / name, ALL), name
    assert may(SERVICE, music / "A" / "full_mix.flac", os.R_OK)
    assert not may(SERVICE, music / "A" / "full_mix.flac", os.W_OK)
    assert may(SERVICE, music / "A.lock", os.R_OK | os.W_OK)
    for name in (".hidden", "crops"):
        assert not may(SERVICE, music / name, os.W_OK)
    assert not may(SERVICE, music.parent / "outside" / "x", os.R_OK)
    assert stat.S_IMODE((music / "B").stat().st_mode) & 0o7000 == 0o3000
    assert not may(OTTO, music / "B" / "deeper", os.W_OK), "the mask kept that from him"
    assert not may(OTTO, music / "B" / "deeper" / "full_mix.flac", os.W_OK)


def test_what_the_service_makes_is_the_owner_s_as_well(music: Path) -> None:
    grants(music).grant()
    make(SERVICE, music / "A" / "A.INFO")
    assert may(MIA, music / "A" / "A.INFO", os.R_OK | os.W_OK)
    assert may(OTTO, music / "A" / "A.INFO", os.R_OK, groups=(BAND,))
    assert not may(OTTO, music / "A" / "A.INFO", os.W_OK, groups=(BAND,))
    make(MIA, music / "A" / "drums.flac")
    assert may(SERVICE, music / "A" / "drums.flac", os.R_OK)


def test_undo_gives_all_back(music: Path) -> None:
    before = told(music.parent)
    each = grants(music)
    each.grant()
    assert told(music.parent) != before
    assert grants_are_saved(each.saved)
    assert stat.S_IMODE(each.saved.stat().st_mode) == 0o600
    report = each.undo()
    assert (report.changed, report.changed_since) == (7, 0)
    assert told(music.parent) == before
    assert not grants_are_saved(each.saved)


def test_what_was_saved_serves_setfacl_itself(music: Path) -> None:
    before = told(music.parent)
    each = grants(music)
    each.grant()
    acl(f"--restore={each.saved}")
    assert told(music.parent) == before


def test_a_second_grant_adds_what_came_and_changes_nothing_else(music: Path) -> None:
    before = told(music)
    each = grants(music)
    each.grant()
    once = told(music)
    assert each.grant().changed == 0
    assert told(music) == once
    shutil.move(elsewhere(music.parent / "new"), music / "new")
    assert each.grant().changed == 1
    assert may(SERVICE, music / "new", ALL)
    each.undo()
    shutil.rmtree(music / "new")
    assert told(music) == before


def elsewhere(path: Path) -> Path:
    path.mkdir()
    os.chown(path, MIA, BAND)
    return path


def test_what_came_since_loses_the_service_s_entries_alone(music: Path) -> None:
    each = grants(music)
    each.grant()
    make(SERVICE, music / "A" / "A.INFO")
    (music / "A" / "sub").mkdir()
    each.undo()
    for name in ("A/A.INFO", "A/sub"):
        text = told(music / name)
        assert f":{SERVICE}:" not in text
        assert f"user:{MIA}:rw" in text


def test_what_the_administrator_gave_the_service_before_stays(music: Path) -> None:
    acl("-m", f"u:{SERVICE}:rwx,d:u:{SERVICE}:rwx", music / "A")
    acl("-m", f"u:{SERVICE}:r", music / "A" / "full_mix.flac")
    before = told(music)
    each = grants(music)
    each.grant()
    each.undo()
    assert told(music) == before


def test_what_somebody_changed_since_is_not_turned_back(music: Path) -> None:
    each = grants(music)
    each.grant()
    (music / "A").chmod(0o700)
    acl("-m", f"u:{OTTO}:rx", music / "B")
    report = each.undo()
    assert report.changed_since == 2
    assert stat.S_IMODE((music / "A").stat().st_mode) == 0o700
    assert f"user:{OTTO}:r-x" in told(music / "B")
    assert f"user:{SERVICE}:" not in told(music)


def test_a_file_with_several_names_is_left_alone_and_named(music: Path) -> None:
    (music.parent / "secret").touch(0o600)
    os.link(music.parent / "secret", music / "A" / "drums.flac")
    before = told(music.parent / "secret")
    report = grants(music).grant()
    ((path, why),) = report.skipped
    assert (path, "hard links" in why) == ("A/drums.flac", True)
    assert told(music.parent / "secret") == before


def test_a_mount_in_it_is_left_alone_and_named(music: Path) -> None:
    before = told(music.parent / "outside")
    if subprocess.run(["mount", "--bind", music.parent / "outside", music / "A"], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        report = grants(music).grant()
    finally:
        subprocess.run(["umount", music / "A"], check=True)
    assert [path for path, _ in report.skipped] == ["A"]
    assert told(music.parent / "outside") == before


def test_a_link_that_comes_into_the_path_is_not_followed(music: Path) -> None:
    each = grants(music)
    before = told(music.parent / "outside")
    (music.parent / "mine").mkdir()
    music.rename(music.parent / "mine" / "music")
    music.symlink_to(music.parent / "outside")
    with pytest.raises(OSError, match=r"."):
        each.grant()
    inner = Grants(str(music.parent / "way" / "x"), SERVICE, frozenset(), each.saved)
    (music.parent / "outside" / "x").unlink()
    (music.parent / "outside" / "x").mkdir()
    (music.parent / "way").symlink_to(music.parent / "outside")
    with pytest.raises(AudiobatchError, match=r"^cannot enter .*: a link has come into its path meanwhile$"):
        inner.grant()
    assert told(music.parent / "outside").count("user:") == before.count("user:")


@pytest.mark.parametrize("at", [1, 2, 3, 4, 7])
def test_undo_after_a_grant_that_was_killed(music: Path, at: int) -> None:
    """Killed at the start of the n-th of the programs that it runs, or just before its end."""
    before = told(music.parent)
    dies(music, "grant", at)
    each = grants(music)
    if grants_are_saved(each.saved):
        each.undo()
    assert told(music.parent) == before


@pytest.mark.parametrize("at", [2, 3, 6])
def test_a_grant_and_an_undo_go_on_after_they_were_killed(music: Path, at: int) -> None:
    before = told(music.parent)
    each = grants(music)
    dies(music, "grant", at)
    each.grant()
    assert may(SERVICE, music / "B" / "deeper", ALL)
    dies(music, "undo", at)
    if grants_are_saved(each.saved):
        each.undo()
    assert told(music.parent) == before


def dies(music: Path, what: str, at: int) -> None:
    """Run it in a process that kills itself before the n-th start of getfacl or setfacl, with two things a batch."""
    code = f"""
import os, signal, subprocess, sys
from pathlib import Path
from audiobatchd.cli.rights import grants
grants._BATCH = 2
run, left = subprocess.run, [{at}]
def dying(*arguments, **options):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(*arguments, **options)
subprocess.run = dying
music = Path(os.fsdecode({os.fsencode(music)!r}))
saved = music.parent.parent / "saved" / "music.acl"
grants.Grants(str(music), {SERVICE}, frozenset({{{SERVICE}}}), saved).{what}()
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode in (0, -signal.SIGKILL)


def test_a_section_that_broke_off_is_cut_away(music: Path) -> None:
    before = told(music)
    each = grants(music)
    each.grant()
    with each.saved.open("ab") as file:
        file.write(b"# file: " + os.fsencode(music) + b"/A\nuser::---\ngroup::")
    assert each.grant().changed == 0
    each.undo()
    assert told(music) == before


def test_two_at_once_do_not_mix(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = grants(music)
    run = module._run

    def meanwhile(*arguments: object) -> bytes:
        monkeypatch.setattr(module, "_run", run)
        with pytest.raises(AudiobatchError, match=r"^cannot lock .*another `setup`"):
            grants(music).grant()
        return run(*arguments)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(module, "_run", meanwhile)
    assert each.grant().changed == 7


def test_a_file_system_without_acls_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert grants(tmp_path).trouble() == ""
    without = Grants("/proc", SERVICE, frozenset(), tmp_path / "saved")
    assert without.trouble() == "its file system (proc) has no POSIX ACLs"


@pytest.mark.parametrize("seed", range(5))
def test_any_tree_comes_back_as_it_was(place: Path, seed: int) -> None:
    chance = random.Random(seed)
    music = place / "music"
    music.mkdir()
    directories = [music]
    for number in range(30):
        parent = chance.choice(directories)
        path = parent / chance.choice([f"t {number}", f"\u00e9\\{number}", f"n\n{number}", f"caf\udce9{number}"])
        path.mkdir() if chance.random() < 0.5 else path.touch()
        if path.is_dir():
            directories.append(path)
        os.chown(path, chance.choice([0, MIA, OTTO]), chance.choice([0, BAND, SERVICE]))
        path.chmod(chance.randrange(0o10000))
        for default in ("", "d:") if path.is_dir() else ("",):
            if chance.random() < 0.4:
                entries = [f"u:{who}:{rights(chance)}" for who in chance.sample([MIA, OTTO, SERVICE], 2)]
                entries += [f"g:{BAND}:{rights(chance)}", f"m::{rights(chance)}"]
                acl("-m", ",".join(default + each for each in entries), path)
    before, each = told(place), grants(music)
    each.grant()
    assert may_all(SERVICE, directories, ALL)
    files = [path for path in music.rglob("*") if path.is_file()]
    assert may_all(SERVICE, files, os.R_OK)
    assert each.grant().changed == 0
    each.undo()
    assert told(place) == before


def rights(chance: random.Random) -> str:
    return "".join(letter if chance.random() < 0.5 else "-" for letter in "rwx")

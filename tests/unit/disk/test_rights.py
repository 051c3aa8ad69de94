"""The rights of a record that replaces another, or none, written by one who may not give files away."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.disk import record, rights
from audiobatchd.disk.rights import Rights

# The service's user and group; a listener with her group; another one.
SERVICE, MIA, OTTO = 4300, 4301, 4302
NAME = "Song.INFO"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="writing as one user into files of another takes root")
needs_acls = pytest.mark.skipif(not shutil.which("setfacl"), reason="it takes Debian's package acl")
needs_namespaces = pytest.mark.skipif(
    subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode != 0,
    reason="no user namespace can be made here",
)

_PUBLISH = """
import os, sys
from audiobatchd.disk import record
folder = os.open(sys.argv[1], os.O_RDONLY)
record.publish("Song.INFO", folder, {"lufs": -14.2}, {}, first=record.rights_like(folder, ["full_mix.flac"]))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Mia's own folder, mode 700, with a mix that only she may read; where every user may come by."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        made = Path(place) / "Song"
        made.mkdir(mode=0o700)
        (made / "full_mix.flac").touch(0o600)
        for path in (made, made / "full_mix.flac"):
            os.chown(path, MIA, MIA)
        yield made


def let_in(folder: Path, *more: str) -> None:
    """The service may do everything there, and in what comes; Otto may go in."""
    entries = [f"u:{SERVICE}:rwx", f"d:u:{SERVICE}:rwx", f"u:{OTTO}:x", *more]
    done = subprocess.run(["setfacl", "-m", ",".join(entries), folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no ACLs here: {done.stderr}")
    subprocess.run(["setfacl", "-m", f"u:{SERVICE}:r", folder / "full_mix.flac"], check=True)


def publish(folder: Path, *before: str, user: int = SERVICE) -> None:
    """Write the record of the folder as that user, by a process behind a command."""
    command = [*before, sys.executable, "-c", _PUBLISH, str(folder)]
    done = subprocess.run(
        command, user=user, group=user, extra_groups=[], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr


def may(user: int, test: str, path: Path) -> bool:
    """What `test -r` or `-w` says of a user in a group of that number."""
    return subprocess.run(["test", test, path], user=user, group=user, extra_groups=[], check=False).returncode == 0


@needs_acls
def test_first_record_in_private_folder_is_its_owners(folder: Path) -> None:
    let_in(folder)
    publish(folder)
    path = folder / NAME
    assert path.stat().st_uid == SERVICE
    assert [may(MIA, test, path) for test in ("-r", "-w")] == [True, True]
    assert not may(OTTO, "-r", path)


@needs_acls
@pytest.mark.parametrize(
    ("mode", "own_acl"), [(0o600, True), (0o640, True), (0o660, True), (0o644, True), (0o644, False)]
)
def test_owner_keeps_record_that_service_merges(folder: Path, mode: int, own_acl: bool) -> None:
    let_in(folder)
    path = folder / NAME
    path.write_text('{"mine": 1}')
    if not own_acl:
        subprocess.run(["setfacl", "-b", path], check=True)
    os.chown(path, MIA, MIA)
    path.chmod(mode)
    if own_acl:
        subprocess.run(["setfacl", "-m", f"u:{SERVICE}:rw", path], check=True)
    publish(folder)
    assert '"mine": 1' in path.read_text()
    assert [may(MIA, test, path) for test in ("-r", "-w")] == [True, True]
    assert may(OTTO, "-r", path) == (mode == 0o644)
    publish(folder)
    assert [may(MIA, test, path) for test in ("-r", "-w")] == [True, True], "also when it is merged again"


@needs_acls
def test_group_that_cannot_be_kept_becomes_an_entry(folder: Path) -> None:
    let_in(folder)
    path = folder / NAME
    path.write_text("{}")
    os.chown(path, MIA, OTTO)
    path.chmod(0o640)
    subprocess.run(["setfacl", "-m", f"u:{SERVICE}:rw,g::r,m::rw", path], check=True)
    publish(folder)
    told = subprocess.run(["getfacl", "-nc", path], capture_output=True, text=True, check=True).stdout
    assert f"group:{OTTO}:r--" in told
    assert f"user:{MIA}:rw-" in told
    assert "group::---" in told, "what the group could is not given to the service's"


@needs_acls
def test_mask_hides_no_owner_and_opens_nothing(folder: Path) -> None:
    """The inherited mask is closed, as the mix is; the named user's entry stays cut to it."""
    let_in(folder, f"d:u:{OTTO}:rwx")
    publish(folder)
    path = folder / NAME
    assert [may(MIA, test, path) for test in ("-r", "-w")] == [True, True]
    assert not may(OTTO, "-w", path)


@pytest.mark.parametrize(("mode", "expected"), [(0o2770, 0o660), (0o2775, 0o660), (0o2750, 0o600), (0o755, 0o600)])
def test_first_record_has_what_folders_group_may(folder: Path, mode: int, expected: int) -> None:
    os.chown(folder, SERVICE, OTTO)
    os.chown(folder / "full_mix.flac", SERVICE, OTTO)
    folder.chmod(mode)
    publish(folder, user=0)
    status = (folder / NAME).stat()
    assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (OTTO, expected)


@needs_acls
def test_group_of_a_folder_is_not_its_mask(folder: Path) -> None:
    let_in(folder)
    assert folder.stat().st_mode & 0o070 == 0o070
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        assert rights.of_group(descriptor) == 0
    finally:
        os.close(descriptor)


@needs_acls
def test_acl_that_cannot_be_set_leaves_the_group_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The group's bits of a mode are the mask where there is an ACL."""
    path = folder / NAME
    path.write_text("{}")
    path.chmod(0o600)
    let_in(folder)
    subprocess.run(["setfacl", "-m", f"u:{OTTO}:rw", path], check=True)

    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "setxattr", refuse)
    _publish_here(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
@pytest.mark.parametrize("call", ["fchown", "fchmod", "setxattr", "removexattr", "getxattr"])
def test_rights_that_cannot_be_given_hinder_no_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    (folder / NAME).write_text("{}")
    os.chown(folder / NAME, MIA, MIA)
    monkeypatch.setattr(os, call, refuse)
    _publish_here(folder)
    assert "lufs" in (folder / NAME).read_text()


@needs_namespaces
@pytest.mark.parametrize("mapped", [(), ("--map-root-user",)], ids=["nothing", "root"])
@pytest.mark.parametrize("first", [True, False])
def test_owner_without_a_number_here_is_not_copied(folder: Path, mapped: tuple[str, ...], first: bool) -> None:
    folder.chmod(0o777)
    (folder / "full_mix.flac").chmod(0o644)
    if not first:
        (folder / NAME).write_text('{"mine": 1}')
        (folder / NAME).chmod(0o644)
        os.chown(folder / NAME, MIA, OTTO)
    publish(folder, "unshare", "--user", *mapped)
    status = (folder / NAME).stat()
    assert (status.st_uid, status.st_gid) == (SERVICE, SERVICE)
    assert stat.S_IMODE(status.st_mode) & 0o604 == 0o604


def test_overflow_user_is_never_copied(folder: Path) -> None:
    os.chown(folder / "full_mix.flac", 65534, 65534)
    os.chown(folder, MIA, 65534)
    _publish_here(folder)
    status = (folder / NAME).stat()
    assert 65534 not in (status.st_uid, status.st_gid)


def _publish_here(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        first: Rights = record.rights_like(descriptor, ["full_mix.flac"])
        record.publish(NAME, descriptor, {"lufs": -14.2}, {}, first=first)
    finally:
        os.close(descriptor)

"""What a file system's locks are worth, by its mount as the kernel tells it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind, classify, kind_of, mount_of

ROOT = os.geteuid() == 0
LINE = "{number} 28 {device} / {where} {options} shared:5 master:1 - {kind} {source} {superblock}"


@pytest.mark.parametrize(
    ("filesystem", "options", "kind"),
    [
        ("ext4", "rw,relatime", Kind.LOCAL),
        ("xfs", "rw", Kind.LOCAL),
        ("btrfs", "rw,subvol=/@", Kind.LOCAL),
        ("zfs", "rw", Kind.LOCAL),
        ("tmpfs", "rw", Kind.LOCAL),
        ("overlay", "rw", Kind.LOCAL),
        ("ext4", "rw,nolock", Kind.LOCAL),
        ("something new", "", Kind.LOCAL),
        ("nfs", "rw,vers=3", Kind.NETWORK),
        ("nfs4", "rw,vers=4.2,local_lock=none", Kind.NETWORK),
        ("cifs", "rw,vers=3.1.1", Kind.NETWORK),
        ("smb3", "rw", Kind.NETWORK),
        ("ceph", "rw", Kind.NETWORK),
        ("nfs4", "rw,local_lock=flock", Kind.NETWORK),
        ("nfs", "rw,nolock,vers=3", Kind.WEAK),
        ("nfs4", "rw,local_lock=all", Kind.WEAK),
        ("nfs", "rw,local_lock=posix", Kind.WEAK),
        ("cifs", "rw,nobrl", Kind.WEAK),
        ("cifs", "rw,nolease", Kind.NETWORK),
        ("fuse", "rw", Kind.WEAK),
        ("fuse.sshfs", "rw", Kind.WEAK),
        ("fuse.rclone", "rw", Kind.WEAK),
        ("9p", "rw", Kind.WEAK),
        ("virtiofs", "rw", Kind.WEAK),
        ("vboxsf", "rw", Kind.WEAK),
    ],
)
def test_mounts_are_classified(filesystem: str, options: str, kind: Kind) -> None:
    assert classify(filesystem, set(options.split(","))) is kind


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def mountinfo(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Let the kernel tell of these mounts."""
    content = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    monkeypatch.setattr(Path, "read_bytes", lambda path: content)


def line(path: Path, kind: str, superblock: str = "rw", options: str = "rw,relatime", where: str = "/mnt") -> str:
    """The line of a mount that `path` lies on."""
    device = path.stat().st_dev
    return LINE.format(
        number=999_999_999,  # of no real mount
        device=f"{os.major(device)}:{os.minor(device)}",
        where=where,
        options=options,
        kind=kind,
        source="nas:/export",
        superblock=superblock,
    )


OTHER = LINE.format(
    number=999_999_998, device="999:999", where="/o", options="rw", kind="9p", source="x", superblock="rw"
)


@pytest.mark.parametrize(
    ("kind", "superblock", "options", "expected"),
    [
        ("ext4", "rw,errors=remount-ro", "rw", Kind.LOCAL),
        ("nfs4", "rw,vers=4.2,local_lock=none", "rw", Kind.NETWORK),
        ("nfs", "rw,nolock", "rw", Kind.WEAK),
        ("nfs", "rw", "rw,nolock", Kind.WEAK),
        ("fuse.sshfs", "rw,user_id=0", "rw", Kind.WEAK),
    ],
)
def test_the_kernel_s_line_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, superblock: str, options: str, expected: Kind
) -> None:
    mountinfo(monkeypatch, OTHER, line(tmp_path, kind, superblock, options), OTHER)
    with opened(tmp_path) as descriptor:
        assert kind_of(descriptor) is expected


@pytest.mark.parametrize(
    "where",
    [
        r"/mnt/with\040blank",
        r"/mnt/with\012line\011tab\134backslash",
        "/mnt/-",
        "/mnt/caf\udce9",
        "/mnt/日本",
        "/mnt/carriage\rreturn",
        "/mnt/feed\x0b\x0c\x1c\x1d\x1e",
        "/mnt/next\x85line and\u2028separators\u2029".replace(" ", r"\040"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("others", [True, False])
def test_a_mount_may_be_called_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, others: bool
) -> None:
    strange = line(tmp_path, "nfs4", where=where)
    if others:
        strange = strange.replace(strange.split()[2], "999:998", 1)
    mountinfo(monkeypatch, strange, *([line(tmp_path, "nfs4")] if others else []))
    with opened(tmp_path) as descriptor:
        assert kind_of(descriptor) is Kind.NETWORK


def test_a_device_that_is_mounted_nowhere_counts_as_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mountinfo(monkeypatch, OTHER)
    with opened(tmp_path) as descriptor:
        assert kind_of(descriptor) is Kind.LOCAL


def test_the_tests_own_directory(tmp_path: Path) -> None:
    with opened(tmp_path) as descriptor:
        assert kind_of(descriptor) in Kind


@pytest.mark.skipif(not ROOT, reason="mounting takes root")
@pytest.mark.parametrize("name", ["with blank", "caf\udce9", "line\nfeed", "two\u2028lines", "-"], ids=ascii)
def test_a_real_mount(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=True)
    try:
        with opened(place) as descriptor:
            assert kind_of(descriptor) is Kind.LOCAL
    finally:
        subprocess.run(["umount", place], check=True)


def test_where_a_file_system_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mountinfo(monkeypatch, OTHER, line(tmp_path, "xfs"), line(tmp_path, "ext4", where=r"/srv/my\040music"), OTHER)
    assert mount_of(str(tmp_path)) == "/srv/my music (ext4)", "the last one lies on top"
    assert mount_of(str(tmp_path / "nowhere")) == ""
    mountinfo(monkeypatch, OTHER)
    assert mount_of(str(tmp_path)) == ""


# Files whose device no mount has


def mount_number(path: Path) -> str:
    """The number of the mount that `path` lies on, as the kernel tells it."""
    with opened(path) as descriptor:
        found = re.search(r"^mnt_id:\s*(\d+)$", Path(f"/proc/self/fdinfo/{descriptor}").read_text(), re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("kind", "superblock", "expected"),
    [("btrfs", "rw,subvol=/@music", Kind.LOCAL), ("nfs4", "rw", Kind.NETWORK), ("fuse.sshfs", "rw", Kind.WEAK)],
)
def test_the_number_of_the_mount_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, superblock: str, expected: Kind
) -> None:
    number = mount_number(tmp_path)
    ours = LINE.format(
        number=number, device="0:999", where="/srv", options="rw", kind=kind, source="x", superblock=superblock
    )
    same_device = line(tmp_path, "9p")
    mountinfo(monkeypatch, OTHER, ours, same_device)
    with opened(tmp_path) as descriptor:
        assert kind_of(descriptor) is expected
    assert filesystems.of(str(tmp_path)) == (expected, kind)
    assert mount_of(str(tmp_path)) == f"/srv ({kind})"


def test_a_path_that_may_not_be_read_has_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o000)
    opening = os.open
    flags: list[int] = []

    def noting(path: str, how: int) -> int:
        flags.append(how)
        return opening(path, how)

    monkeypatch.setattr(os, "open", noting)
    assert filesystems.of(str(closed))[0] in Kind
    assert all(how & os.O_PATH for how in flags)
    with pytest.raises(FileNotFoundError):
        filesystems.of(str(tmp_path / "nowhere"))


def mounted(*arguments: str | Path) -> AbstractContextManager[None]:
    """A mount by these arguments of `mount`, of which the last is the place; skips the test where it cannot be."""

    @contextmanager
    def mounting() -> Iterator[None]:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount it here: {done.stderr.strip()}")
        try:
            yield
        finally:
            subprocess.run(["umount", arguments[-1]], check=True)

    return mounting()


@pytest.mark.skipif(not ROOT, reason="mounting takes root")
def test_a_subvolume_of_btrfs_is_btrfs(tmp_path: Path) -> None:
    if not shutil.which("mkfs.btrfs"):
        pytest.skip("there is no mkfs.btrfs")
    image, place = tmp_path / "image", tmp_path / "place"
    image.touch()
    os.truncate(image, 128 << 20)
    place.mkdir()
    subprocess.run(["mkfs.btrfs", "--quiet", image], check=True)
    with mounted("-o", "loop", image, place):
        subprocess.run(["btrfs", "subvolume", "create", place / "music"], check=True, capture_output=True)
        assert (place / "music").stat().st_dev != place.stat().st_dev
        assert filesystems.of(str(place / "music")) == (Kind.LOCAL, "btrfs")
        assert mount_of(str(place / "music")) == f"{place} (btrfs)"


@pytest.mark.skipif(not ROOT, reason="mounting takes root")
def test_a_file_on_overlayfs_is_on_overlayfs(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=1m", "none", tmp_path):
        for name in ("lower", "upper", "work", "place"):
            (tmp_path / name).mkdir()
        (tmp_path / "lower" / "file").touch()
        layers = ",".join(f"{name}dir={tmp_path / name}" for name in ("lower", "upper", "work"))
        with mounted("-t", "overlay", "-o", layers, "none", tmp_path / "place"):
            assert filesystems.of(str(tmp_path / "place" / "file")) == (Kind.LOCAL, "overlay")


@pytest.mark.skipif(not ROOT, reason="mounting takes root")
def test_a_bind_mount_is_told_by_its_own_place(tmp_path: Path) -> None:
    for name in ("disk", "bound"):
        (tmp_path / name).mkdir()
    with mounted("-t", "tmpfs", "-o", "size=64k", "none", tmp_path / "disk"):
        (tmp_path / "disk" / "music").mkdir()
        with mounted("--bind", tmp_path / "disk" / "music", tmp_path / "bound"):
            assert mount_of(str(tmp_path / "bound")) == f"{tmp_path / 'bound'} (tmpfs)"
            assert mount_of(str(tmp_path / "disk")) == f"{tmp_path / 'disk'} (tmpfs)"


@pytest.mark.skipif(not ROOT, reason="mounting takes root")
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("mount --bind . . && mount -o remount,bind,ro .", True),
        ("mount -t tmpfs -o ro none .", False),
        ("mount -t tmpfs none .", False),
        ("true", False),
    ],
    ids=["of a unit", "for all", "writable", "no mount"],
)
def test_mount_that_is_read_only_for_this_process_alone(tmp_path: Path, script: str, expected: bool) -> None:
    asked = f"from audiobatchd.disk import filesystems; print(filesystems.is_read_only_here({str(tmp_path)!r}))"
    command = ["unshare", "--mount", "sh", "-ec", f'{script}; exec "$0" -c "$1"', sys.executable, asked]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "permission denied" in done.stderr.lower():
        pytest.skip("nothing can be mounted here")
    assert (done.stdout.strip(), done.stderr) == (str(expected), "")

"""The drop-in of a dataset: its name, and what it has the unit write, mount and see."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.cli.rights import drop_in


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
    assert drop_in.file_name(dataset) == f"dataset-{name}.conf"


@pytest.mark.parametrize(
    ("dataset", "units"),
    [
        ("/srv/nas/music", "srv.mount srv-nas.mount srv-nas-music.mount"),
        ("/srv/my nas", r"srv.mount srv-my\x20nas.mount"),
        ("/srv/50% off", r"srv.mount srv-50\x25\x20off.mount"),
        (f"/srv/{'m' * 250}/a", "srv.mount"),
    ],
)
def test_mounts_are_wanted_and_not_required(dataset: str, units: str) -> None:
    lines = drop_in.content(dataset).splitlines()
    assert f"Wants={units}" in lines
    assert f"After={units}" in lines
    assert not any(line.startswith("Requires") for line in lines)


@pytest.mark.parametrize(
    ("dataset", "mounts", "writable"),
    [
        ("DISK/music", {"/", "DISK"}, "DISK"),
        ("DISK", {"/", "DISK"}, "DISK"),
        ("DISK/a/music", {"/", "DISK", "DISK/a"}, "DISK/a"),
        ("/srv/music", {"/"}, "/srv/music"),
        ("/srv/music", {"/", "/srv"}, "/srv/music"),
        ("/var/lib/music", {"/", "/var"}, "/var/lib/music"),
        ("/home/me/disk/music", {"/", "/home", "/home/me/disk"}, "/home/me/disk/music"),
    ],
)
def test_a_mounted_disk_is_writable_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, mounts: set[str], writable: str
) -> None:
    (tmp_path / "a").mkdir()
    found = {mount.replace("DISK", str(tmp_path)) for mount in mounts}
    monkeypatch.setattr("audiobatchd.disk.filesystems.mount_points", lambda: found)
    expected = f'ReadWritePaths="-{writable.replace("DISK", str(tmp_path))}"'
    assert expected in drop_in.content(dataset.replace("DISK", str(tmp_path))).splitlines()


def test_a_dataset_in_a_home_is_the_only_thing_seen_there() -> None:
    text = drop_in.content('/home/me/50% "music"')
    assert "ProtectHome=tmpfs" in text
    assert r'BindPaths="-/home/me/50%% \"music\""' in text


def test_an_inbox_has_a_drop_in_of_its_own() -> None:
    assert drop_in.file_name("/srv/music", "/srv/in") == "inbox-srv-in.conf"
    text = drop_in.content("/srv/music", "/srv/in")
    assert text.startswith("# Written by `audiobatchctl setup /srv/music`; `--undo` removes it.\n")
    assert 'ReadWritePaths="-/srv/in"' in text
    assert 'BindPaths="-/home/me/in"' in drop_in.content("/srv/music", "/home/me/in")

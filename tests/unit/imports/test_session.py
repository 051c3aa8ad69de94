"""An import from beginning to end: what is there afterwards, what a second run does, and what stops it."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from audiobatchd.errors import AudiobatchError, UsageError
from audiobatchd.imports import build, manifest, session, transfer, trial
from audiobatchd.imports.manifest import Mode
from audiobatchd.imports.transfer import CannotError
from support.music_library import folders, import_all, tree, write

ONE, TWO = "Artist - Album - One", "Artist - Album - Two"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return write(tmp_path / "music", "Artist/Album/01 One.flac", "Artist/Album/02 Two.wav")


def fail(code: int) -> Callable[..., NoReturn]:
    def failing(*_: object, **__: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return failing


def test_a_second_run_does_nothing(music: Path, tmp_path: Path) -> None:
    first = import_all(music, tmp_path / "dataset")
    assert folders(tmp_path / "dataset") == {ONE: ["full_mix.flac"], TWO: ["full_mix.wav"]}
    before = tree(tmp_path / "dataset")
    second = import_all(music, tmp_path / "dataset")
    assert (second.id, second.plan.already, second.imported, second.failed) == ("", 2, {}, [])
    assert tree(tmp_path / "dataset") == before
    assert [each.id for each in manifest.all_in(str(tmp_path / "dataset"))] == [first.id]


def test_what_is_new_comes_to_what_is_there(music: Path, tmp_path: Path) -> None:
    import_all(music, tmp_path / "dataset")
    write(music, "Artist/Album/03 Three.flac", "Other/Album/01 One.flac", "artist/album/01 ONE.flac")
    result = import_all(music, tmp_path / "dataset")
    assert sorted(result.imported) == ["Artist - Album - Three", "Other - Album - One", "artist - album - ONE (2)"]


def test_a_folder_with_another_name_is_still_known(music: Path, tmp_path: Path) -> None:
    import_all(music, tmp_path / "dataset")
    (tmp_path / "dataset" / ONE).rename(tmp_path / "dataset" / "Mine")
    assert import_all(music, tmp_path / "dataset").plan.already == 2


def test_another_folder_with_the_inode_of_one_is_not_known(music: Path, tmp_path: Path) -> None:
    made = import_all(music, tmp_path / "dataset")
    (tmp_path / "dataset" / ONE).rename(tmp_path / "dataset" / "Mine")
    (tmp_path / "dataset" / "Mine" / "full_mix.flac").write_bytes(b"another song")
    assert made.id
    assert list(import_all(music, tmp_path / "dataset").imported) == [ONE]


def test_a_folder_that_was_removed_or_undone_comes_again(music: Path, tmp_path: Path) -> None:
    made = import_all(music, tmp_path / "dataset")
    (tmp_path / "dataset" / ONE / "full_mix.flac").unlink()
    (tmp_path / "dataset" / ONE).rmdir()
    assert list(import_all(music, tmp_path / "dataset").imported) == [ONE]
    session.undone(str(tmp_path / "dataset"), made.id, dict, lambda *_: None)
    assert list(import_all(music, tmp_path / "dataset").imported) == [TWO]


def test_a_source_that_changed_or_got_stems_is_told(music: Path, tmp_path: Path) -> None:
    made = import_all(music, tmp_path / "dataset")
    os.utime(music / "Artist" / "Album" / "01 One.flac")
    write(music, "Artist/Album/02 Two (drums).wav")
    result = import_all(music, tmp_path / "dataset")
    assert result.imported == {}
    assert [each.why.partition(":")[0] for each in result.plan.troubles] == [
        f"01 One.flac changed when {ONE} was imported",
        f"02 Two (drums).wav was not there when {TWO} was imported",
    ]
    assert all(f"--undo {made.id}" in each.why for each in result.plan.troubles)


def test_after_a_move_another_file_of_the_name_is_new(music: Path, tmp_path: Path) -> None:
    import_all(music, tmp_path / "dataset", Mode.MOVE)
    assert list(tree(music)) == []
    assert not import_all(music, tmp_path / "dataset", Mode.MOVE).plan.tracks
    write(music, "Artist/Album/01 One.flac")
    os.utime(music / "Artist" / "Album" / "01 One.flac")
    assert list(import_all(music, tmp_path / "dataset", Mode.MOVE).imported) == [f"{ONE} (2)"]


def test_a_dry_run_changes_nothing(music: Path, tmp_path: Path) -> None:
    request = session.Request((str(music),), str(tmp_path / "dataset"))
    assert [track.name for track in session.dry_run(request, lambda *_: None).tracks] == [ONE, TWO]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["music"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_it_and_the_same_command_goes_on(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    bring = transfer.bring
    monkeypatch.setattr(
        transfer,
        "bring",
        lambda origin, target, mode: (fail(code) if "Two" in origin.source else bring)(origin, target, mode),
    )
    result = import_all(music, tmp_path / "dataset", Mode.COPY)
    assert list(result.imported) == [ONE]
    assert os.strerror(code) in result.stopped
    assert "the same command goes on" in result.stopped
    assert list(folders(tmp_path / "dataset")) == [ONE]
    monkeypatch.undo()
    again = import_all(music, tmp_path / "dataset", Mode.COPY)
    assert (list(again.imported), again.id) == ([TWO], result.id)


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ENOENT])
def test_a_file_that_cannot_be_read_is_told_and_others_come(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    bring = transfer.bring
    monkeypatch.setattr(
        transfer,
        "bring",
        lambda origin, target, mode: (fail(code) if "One" in origin.source else bring)(origin, target, mode),
    )
    result = import_all(music, tmp_path / "dataset", Mode.COPY)
    assert list(result.imported) == [TWO]
    assert [os.strerror(code) in each.why for each in result.failed] == [True]
    assert list(folders(tmp_path / "dataset")) == [TWO]


def test_a_dataset_that_cannot_be_written_is_told_by_name(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dataset").mkdir()
    monkeypatch.setattr(os, "mkdir", fail(errno.EROFS))
    with pytest.raises(AudiobatchError, match=r"cannot import into .*dataset: Read-only file system"):
        import_all(music, tmp_path / "dataset")


def test_without_hard_links_or_reflinks_nothing_is_done(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", fail(errno.EXDEV))
    monkeypatch.setattr(fcntl, "ioctl", fail(errno.EOPNOTSUPP))
    for mode in (Mode.HARDLINK, Mode.REFLINK):
        with pytest.raises(CannotError, match=f"cannot import by {mode}, nothing was done"):
            import_all(music, tmp_path / "dataset", mode)
    assert folders(tmp_path / "dataset") == {}
    assert [path.name for path in (tmp_path / "dataset" / manifest.DIRECTORY).iterdir()] == ["lock"]
    assert len(import_all(music, tmp_path / "dataset", Mode.AUTO).imported) == 2


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.AUTO])
def test_a_copy_for_which_there_is_no_room_is_not_begun(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    monkeypatch.setattr(fcntl, "ioctl", fail(errno.EOPNOTSUPP))
    monkeypatch.setattr(trial, "_SPARE", 1 << 60)
    with pytest.raises(CannotError, match="are needed, and"):
        import_all(music, tmp_path / "dataset", mode)
    assert folders(tmp_path / "dataset") == {}


def test_a_symbolic_link_is_copied_and_never_moved(music: Path, tmp_path: Path) -> None:
    (music / "link.flac").symlink_to(write(tmp_path / "far", "song.flac") / "song.flac")
    moved = import_all(music, tmp_path / "dataset", Mode.MOVE)
    assert len(moved.imported) == 2
    assert [each.why for each in moved.failed] == [
        "link.flac cannot be moved: it is a symbolic link; move what it leads to"
    ]
    assert list(import_all(music, tmp_path / "dataset", Mode.COPY).imported) == ["link"]
    assert not (tmp_path / "dataset" / "link" / "full_mix.flac").is_symlink()


def test_a_name_that_comes_meanwhile_is_not_replaced(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = build._fill

    def slow(site: build.Site, line: manifest.Build, mode: Mode) -> None:
        fill(site, line, mode)
        if line.folder == ONE:
            (tmp_path / "dataset" / ONE).mkdir()

    monkeypatch.setattr(build, "_fill", slow)
    result = import_all(music, tmp_path / "dataset")
    assert [each.why for each in result.failed] == [f"{ONE} has come into the dataset meanwhile"]
    assert folders(tmp_path / "dataset") == {ONE: [], TWO: ["full_mix.wav"]}


@pytest.mark.parametrize(("mode", "writable"), [(0o2775, True), (0o770, True), (0o755, False)])
def test_a_folder_is_of_the_dataset_s_group(music: Path, tmp_path: Path, mode: int, writable: bool) -> None:
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    os.chown(dataset, -1, os.getgroups()[-1] if os.geteuid() else 12345)
    dataset.chmod(mode)
    import_all(music, dataset, Mode.COPY)
    made = (dataset / ONE).stat()
    assert made.st_gid == (dataset / ONE / "full_mix.flac").stat().st_gid == dataset.stat().st_gid
    assert bool(made.st_mode & 0o020) is writable
    assert made.st_mode & 0o2000 == mode & 0o2000


def test_a_moved_file_keeps_its_group_and_its_rights(music: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    os.chown(tmp_path / "dataset", -1, os.getgroups()[-1] if os.geteuid() else 12345)
    before = (music / "Artist" / "Album" / "01 One.flac").stat()
    import_all(music, tmp_path / "dataset", Mode.MOVE)
    after = (tmp_path / "dataset" / ONE / "full_mix.flac").stat()
    assert (after.st_gid, after.st_mode) == (before.st_gid, before.st_mode)


@pytest.mark.parametrize(("template", "stems"), [("{nothing}", ""), ("{title}", "(")])
def test_a_request_that_cannot_be_understood_makes_no_dataset(
    music: Path, tmp_path: Path, template: str, stems: str
) -> None:
    request = session.Request((str(music),), str(tmp_path / "dataset"), Mode.AUTO, template, stems)
    with pytest.raises(UsageError, match="cannot understand --"):
        session.run(request, dict, lambda *_: None)
    assert not (tmp_path / "dataset").exists()


def test_a_name_that_the_file_system_refuses_is_told(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda one, two: (fail(errno.EINVAL) if "One" in str(two) else rename)(one, two))
    result = import_all(music, tmp_path / "dataset")
    assert [each.why for each in result.failed] == [f"the dataset's file system takes no folder called {ONE}"]
    assert folders(tmp_path / "dataset").keys() == {TWO}


@pytest.fixture
def other_device(tmp_path: Path) -> Iterator[Path]:
    """Make a directory on another file system."""
    memory = Path("/dev/shm")  # noqa: S108  # the directory in it has a name of its own
    if not os.access(memory, os.W_OK | os.X_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to write to")
    with tempfile.TemporaryDirectory(dir=memory) as made:
        yield Path(made)


def test_a_move_across_file_systems_goes_there_and_back(music: Path, other_device: Path) -> None:
    before = tree(music)
    made = import_all(music, other_device / "dataset", Mode.MOVE)
    assert (len(made.imported), tree(music)) == (2, {})
    assert {content for content, _ in tree(other_device / "dataset").values()} == {each for each, _ in before.values()}
    session.undone(str(other_device / "dataset"), made.id, dict, lambda *_: None)
    assert (tree(music), folders(other_device / "dataset")) == (before, {})


def test_a_hard_link_across_file_systems_is_refused_at_once(music: Path, other_device: Path) -> None:
    with pytest.raises(CannotError, match="cannot import by hardlink, nothing was done: cannot make a hard link"):
        import_all(music, other_device / "dataset", Mode.HARDLINK)
    assert folders(other_device / "dataset") == {}


@pytest.mark.skipif(shutil.which("setfacl") is None, reason="acl is not installed: ./dev test installs it where it can")
def test_a_default_acl_of_the_dataset_is_inherited(music: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    if subprocess.run(["setfacl", "-d", "-m", "u:12345:rwX", tmp_path / "dataset"], check=False).returncode:
        pytest.skip("the file system has no ACLs")
    import_all(music, tmp_path / "dataset", Mode.COPY)
    for path in (tmp_path / "dataset" / ONE, tmp_path / "dataset" / ONE / "full_mix.flac"):
        told = subprocess.run(["getfacl", "-pn", path], capture_output=True, text=True, check=True).stdout
        assert "user:12345:r" in told, told


def test_an_inbox_never_makes_its_dataset(music: Path, tmp_path: Path) -> None:
    request = session.Request((str(music),), str(tmp_path / "dataset"), Mode.MOVE, inbox=frozenset({"Artist"}))
    with pytest.raises(AudiobatchError, match="cannot import into"):
        session.run(request, dict, lambda *_: None)
    assert not (tmp_path / "dataset").exists()


def test_an_inbox_takes_what_is_named_alone(music: Path, tmp_path: Path) -> None:
    write(music, "Other/Album/1 Song.flac")
    (tmp_path / "dataset").mkdir()
    request = session.Request((str(music),), str(tmp_path / "dataset"), Mode.MOVE, inbox=frozenset({"Other"}))
    assert list(session.run(request, dict, lambda *_: None).imported) == ["Other - Album - 1 Song"]
    (made,) = manifest.all_in(str(tmp_path / "dataset"))
    assert (made.begin.inbox, len(tree(music))) == (True, 2)


def test_recovery_ends_what_was_begun(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = tmp_path / "dataset"
    with monkeypatch.context() as patched:
        patched.setattr(build, "_drop", lambda *_: None)
        patched.setattr(transfer, "bring", fail(errno.ENOSPC))
        assert import_all(music, dataset).stopped
    assert [name for name in folders(dataset) if name.startswith(transfer.HIDDEN)] != []
    session.recover(str(dataset), dict)
    assert folders(dataset) == {}
    session.recover(str(dataset), dict)
    session.recover(str(tmp_path / "nowhere"), dict)

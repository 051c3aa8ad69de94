"""An importer and its inbox: what is moved, what waits, what stays and is told once, and what holds everything up."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from audiobatchd.imports import build, importer, manifest, settling, transfer
from audiobatchd.imports.inbox import Left, Order, Report, Terms
from audiobatchd.imports.manifest import Mode, Origin
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.states import InboxState
from support.import_once import Inbox, across_devices, working
from support.music_library import folders, tree, write

ONE, TWO = "Artist - Album - One", "Artist - Album - Two"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return write(tmp_path / "inbox", "Artist/Album/01 One.flac", "Artist/Album/02 Two.wav")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    (tmp_path / "dataset").mkdir()
    return tmp_path / "dataset"


def last(made: Inbox) -> Report:
    return made.look()[-1]


def rest_of(inbox: Path) -> list[str]:
    return sorted(path for path in tree(inbox) if path != settling.CLAIM)


def test_what_has_settled_is_moved_and_told_of(inbox: Path, dataset: Path) -> None:
    with working(inbox, dataset) as made:
        reports = made.look()
    assert [each.remark for each in reports if each.state is InboxState.MOVING] == ["track 1 of 2", "track 2 of 2"]
    assert [each.folder for each in reports[-1].moved] == [ONE, TWO]
    assert (reports[-1].state, reports[-1].waiting, reports[-1].left_count) == (InboxState.WATCHING, 0, 0)
    assert folders(dataset) == {ONE: ["full_mix.flac"], TWO: ["full_mix.wav"]}
    assert os.listdir(inbox) == [settling.CLAIM]


def test_discs_and_stems_go_together_with_their_directories(dataset: Path, tmp_path: Path) -> None:
    stems = [f"A/separated/htdemucs/Song/{stem}.wav" for stem in ("drums", "bass")]
    inbox = write(tmp_path / "inbox", "A/B/CD1/Song.flac", "A/B/CD2/Other.flac", *stems)
    with working(inbox, dataset) as made:
        made.look()
    assert folders(dataset) == {
        "A - B - Other": ["full_mix.flac"],
        "A - B - Song": ["bass.wav", "drums.wav", "full_mix.flac"],
    }
    assert os.listdir(inbox) == [settling.CLAIM]


def test_a_dataset_s_template_and_marker_count(inbox: Path, dataset: Path) -> None:
    with working(inbox, dataset, name="{title}", marker=".ready") as made:
        made.look()
    assert folders(dataset) == {"One": [".ready", "full_mix.flac"], "Two": [".ready", "full_mix.wav"]}


def test_nothing_is_moved_before_it_has_settled(inbox: Path, dataset: Path) -> None:
    with working(inbox, dataset, settle=3600.0) as made:
        assert (last(made).waiting, folders(dataset)) == (2, {})


def test_a_file_that_is_still_written_holds_its_directory_up(inbox: Path, dataset: Path) -> None:
    part = (
        write(inbox, "Artist/Album/03 Three.flac.part", "Other/Album/1 Song.flac") / "Artist/Album/03 Three.flac.part"
    )
    with working(inbox, dataset) as made:
        told = last(made)
        assert [each.folder for each in told.moved] == ["Other - Album - 1 Song"]
        assert (told.waiting, told.remark.startswith("waits for Artist/Album/03 Three.flac.part")) == (2, True)
        part.rename(part.with_suffix(""))
        made.look()
        assert len(folders(dataset)) == 4


def test_what_stays_is_told_of_once(inbox: Path, dataset: Path) -> None:
    write(inbox, "Artist/Album/cover.jpg", "Artist/Album/list.m3u", "Artist/Album/image.flac", "notes.txt")
    (inbox / "Artist/Album/image.cue").write_text('FILE "image.flac" WAVE\nTRACK 01 AUDIO\nTRACK 02 AUDIO\n')
    with working(inbox, dataset) as made:
        told = last(made)
        album, kinds = Left("Artist/Album/image.flac", "x"), "no track: 1 other file, 1 picture, 1 playlist"
        assert [each.path for each in told.told] == [".", album.path, "Artist"]
        assert [each.why for each in told.told][2] == kinds
        made.look()
        again = made.look()  # all that moved has settled, and nothing is new
        assert [each for report in again for each in report.told] == []
        assert len(told.left) == told.left_count == 3
        (inbox / "notes.txt").unlink()
        made.look()
        made.order(Order(go=False, why="for a report"))
        assert [each.path for each in last(made).left] == [album.path, "Artist"]


def test_links_and_fifos_stay(inbox: Path, dataset: Path, tmp_path: Path) -> None:
    secret = write(tmp_path / "elsewhere", "secret.flac", "Album/inner.flac")
    (inbox / "linked.flac").symlink_to(secret / "secret.flac")
    (inbox / "Linked").symlink_to(secret / "Album")
    os.mkfifo(inbox / "pipe.flac")
    with working(inbox, dataset) as made:
        told = last(made)
    assert sorted(folders(dataset)) == [ONE, TWO]
    assert sorted(tree(secret)) == ["Album/inner.flac", "secret.flac"]
    assert {each.path: each.why for each in told.left} == {
        "pipe.flac": "cannot read it: it is no regular file",
        ".": "no track: 2 file links",
    }


def test_a_file_that_becomes_a_link_is_not_followed(
    inbox: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song, secret = inbox / "Artist/Album/01 One.flac", tmp_path / "secret"
    secret.write_bytes(song.read_bytes())
    os.utime(secret, ns=(1, song.stat().st_mtime_ns))

    def swap(origin: Origin, target: str, mode: Mode) -> None:
        if not song.is_symlink():
            song.unlink()
            song.symlink_to(secret)
        bring(origin, target, mode)

    bring = transfer.bring
    monkeypatch.setattr(transfer, "bring", swap)
    for link in (os.link, across_devices):
        monkeypatch.setattr(os, "link", link)
        with working(inbox, dataset) as made:
            made.look()
        assert ONE not in folders(dataset)
        assert (secret.stat().st_nlink, song.is_symlink()) == (1, True)


@pytest.mark.parametrize("name", [b"caf\xe9.flac", b"two\nlines.flac", b"-rf.flac", b"quote'\".flac"])
def test_hostile_names_are_moved_or_told_of(dataset: Path, tmp_path: Path, name: bytes) -> None:
    inbox = write(tmp_path / "inbox", name)
    with working(inbox, dataset) as made:
        told = last(made)
    assert (len(told.moved), rest_of(inbox), len(folders(dataset))) == (1, [], 1)


def test_nothing_is_moved_into_a_dataset_that_does_not_work(inbox: Path, dataset: Path) -> None:
    with working(inbox, dataset) as made:
        made.order(Order(go=False, why="its dataset is paused: by an operator"))
        told = last(made)
        assert (told.state, told.remark, told.waiting) == (InboxState.HELD, "its dataset is paused: by an operator", 2)
        assert not list(dataset.iterdir())
        made.order(Order(go=True, root=FileId(1, 1)))
        told = last(made)
        assert (told.state, "is a mount lost?" in told.remark) == (InboxState.HINDERED, True)
        assert not list(dataset.iterdir())


def test_a_pause_counts_between_two_tracks(inbox: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with working(inbox, dataset) as made:

        def pausing(*arguments: object) -> str:
            made.order(Order(go=False, why="paused"))
            return str(original(*arguments))  # type: ignore[arg-type]  # those of the original

        original = build.build
        monkeypatch.setattr(build, "build", pausing)
        told = last(made)
        assert ([each.folder for each in told.moved], told.state, told.waiting) == ([ONE], InboxState.HELD, 2)
        monkeypatch.setattr(build, "build", original)
        made.order(Order(go=True, root=FileId.of(dataset.stat())))
        assert [each.folder for each in last(made).moved] == [TWO]


def test_a_vanished_or_empty_inbox_is_no_loss(inbox: Path, dataset: Path) -> None:
    with working(inbox, dataset) as made:
        made.look()
        before = folders(dataset)
        inbox.rename(inbox.with_name("away"))
        told = last(made)
        assert (told.state, told.remark) == (InboxState.HINDERED, f"{inbox}: No such file or directory")
        inbox.mkdir()
        assert last(made).state is InboxState.WATCHING
        assert folders(dataset) == before
        inbox.rmdir()
        inbox.symlink_to(inbox.with_name("away"))
        assert "leads to" in last(made).remark


def test_no_room_is_told_and_tried_again(inbox: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", across_devices)
    monkeypatch.setattr(importer, "_FIRST_RETRY", 3600.0)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, working(inbox, dataset) as made:
        patched.setattr(os, "copy_file_range", full)
        told = last(made)
        assert (told.state, told.remark.endswith("No space left on device")) == (InboxState.HINDERED, True)
        assert (rest_of(inbox), folders(dataset)) == (["Artist/Album/01 One.flac", "Artist/Album/02 Two.wav"], {})
        patched.undo()
        assert made.look() == []  # not at once, and it is told of once
        monkeypatch.setattr(os, "link", across_devices)
    with working(inbox, dataset) as made:
        assert len(last(made).moved) == 2


def test_a_unit_that_may_not_write_there_is_told_the_cure(
    inbox: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def barred(path: str, *_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setenv("INVOCATION_ID", "1")
    monkeypatch.setattr("audiobatchd.locks.kernel.open_lock", barred)
    with working(inbox, dataset) as made:
        told = last(made)
    assert told.remark == (
        f"{inbox}/{settling.CLAIM}: Read-only file system; "
        f"where the unit may not write there: audiobatchctl setup {dataset}"
    )


def test_another_import_at_work_holds_it_up(inbox: Path, dataset: Path) -> None:
    with working(inbox, dataset) as made:
        with manifest.held(str(dataset)):
            told = last(made)
        assert len(last(made).moved) == 2
    assert (told.state, told.waiting) == (InboxState.HELD, 2)
    assert "another import is at work there" in told.remark


def test_two_inboxes_may_have_one_dataset(inbox: Path, dataset: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", "Artist/Album/01 ONE.flac")
    with working(inbox, dataset) as first, working(other, dataset) as second:
        first.look()
        second.look()
    assert sorted(folders(dataset)) == ["Artist - Album - ONE (2)", ONE, TWO]


def test_a_file_that_changes_while_it_is_copied_settles_again(
    inbox: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = inbox / "Artist/Album/01 One.flac"

    def growing(*arguments: int) -> int:
        with song.open("ab") as file:
            file.write(b"more")
        return copy(*arguments)

    copy = os.copy_file_range
    monkeypatch.setattr(os, "link", across_devices)
    with working(inbox, dataset) as made:
        with monkeypatch.context() as patched:
            patched.setattr(os, "copy_file_range", growing)
            made.look()
        assert ONE not in folders(dataset)
        made.look()
        assert sorted(folders(dataset)) == [ONE, TWO]
        assert (dataset / ONE / "full_mix.flac").read_bytes().endswith(b"more")
    assert os.listdir(inbox) == [settling.CLAIM]


def test_what_an_earlier_process_left_is_brought_to_its_end(
    inbox: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, working(inbox, dataset) as made:
        patched.setattr(build, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            made.look()
    assert sorted(folders(dataset)) == [ONE]
    assert len(rest_of(inbox)) == 2
    with working(inbox, dataset) as made:
        made.look()
    assert (sorted(folders(dataset)), rest_of(inbox)) == ([ONE, TWO], [])


def test_the_process_ends_with_the_service(inbox: Path, dataset: Path) -> None:
    reading, writing = os.pipe()
    channel = importer.Channel(reading, writing)
    os.close(writing)
    with pytest.raises(SystemExit):
        channel.hear()
    os.close(reading)
    assert not list(dataset.iterdir())
    assert len(rest_of(inbox)) == 2


def test_terms_and_an_order_may_come_at_once() -> None:
    terms, order = Terms("/in", "/in", "/music", 1.0, "{title}", "", (), ""), Order(go=False, why="paused")
    reading, writing = os.pipe()
    channel = importer.Channel(reading, writing)
    os.write(writing, b"\n".join((msgspec.json.encode(terms), msgspec.json.encode(order), b"")))
    assert (channel.terms(), channel.order) == (terms, order)
    for each in (reading, writing):
        os.close(each)

"""One directory read: what is in it, and which changes show in its signature, in its access, or in neither."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from audiobatchd.core import discovery
from audiobatchd.core.discovery import Contents, Name
from audiobatchd.disk import listing as dataset
from audiobatchd.disk.listing import read_folder, read_names, read_sources
from audiobatchd.vocabulary.files import FileStamp

ROOT = os.geteuid() == 0
EARLIER = 1_700_000_000_000_000_000


def put(path: Path, content: bytes = b"sound") -> None:
    """Write a file whose time is long ago, so that any other write shows."""
    path.write_bytes(content)
    os.utime(path, ns=(EARLIER, EARLIER))


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A track folder with a mix, a stem, a second mix that loses, a record, and things of no interest."""
    folder = tmp_path / "Song"
    folder.mkdir()
    for name in ("full_mix.flac", "drums.wav", "full_mix.mp3", "Song.INFO", "notes.txt", "full_mix.pdf"):
        put(folder / name)
    (folder / "crops").mkdir()
    return folder


# What changes what


def _mix_grows(song: Path) -> None:
    put(song / "full_mix.flac", b"sound and more")


def _mix_is_touched(song: Path) -> None:
    os.utime(song / "full_mix.flac", ns=(EARLIER, EARLIER + 1))


def _mix_is_replaced(song: Path) -> None:
    put(song / "new")
    (song / "new").rename(song / "full_mix.flac")


def _stem_appears(song: Path) -> None:
    put(song / "bass.ogg")


def _stem_goes(song: Path) -> None:
    (song / "drums.wav").unlink()


def _stem_is_called_otherwise(song: Path) -> None:
    (song / "drums.wav").rename(song / "drums.WAV")


def _better_mix_appears(song: Path) -> None:
    (song / "full_mix.mp3").rename(song / "full_mix.wav")


def _file_on_its_way(song: Path) -> None:
    put(song / "vocals.flac.part")


def _mix_becomes_a_link(song: Path) -> None:
    (song / "full_mix.flac").rename(song.parent / "elsewhere.flac")
    put(song.parent / "other.flac")
    (song / "full_mix.flac").symlink_to("../other.flac")


def _mode_of_the_mix(song: Path) -> None:
    (song / "full_mix.flac").chmod(0o600)


def _mode_of_the_folder(song: Path) -> None:
    song.chmod(0o700)


def _group_of_the_folder(song: Path) -> None:
    if not ROOT:
        pytest.skip("giving files away takes root")
    os.chown(song, -1, 4242)


def _record_is_written(song: Path) -> None:
    put(song / "new", b"{}")
    (song / "new").rename(song / "Song.INFO")


def _mode_of_the_record(song: Path) -> None:
    (song / "Song.INFO").chmod(0o600)


def _record_goes(song: Path) -> None:
    (song / "Song.INFO").unlink()


def _record_becomes_a_directory(song: Path) -> None:
    (song / "Song.INFO").unlink()
    (song / "Song.INFO").mkdir()


def _losing_mix_changes(song: Path) -> None:
    put(song / "full_mix.mp3", b"anything")


def _our_temporary_file(song: Path) -> None:
    put(song / ".audiobatch-0123456789ab.tmp")


def _locks(song: Path) -> None:
    put(song.parent / "Song.lock", b"")
    put(song / "full_mix.lock", b"")


def _others_files(song: Path) -> None:
    put(song / "notes.txt", b"more notes")
    put(song / "cover.jpg")
    put(song / ".hidden.flac")
    put(song / "Other.INFO")
    put(song / "something.tmp")
    (song / "more").mkdir()


def _mix_is_read(song: Path) -> None:
    os.utime(song / "full_mix.flac", ns=(EARLIER + 5, EARLIER))


CHANGES: list[tuple[Callable[[Path], None], bool, bool | None]] = [
    # (what happens, whether the signature changes, whether the access does; None: it may)
    (_mix_grows, True, None),
    (_mix_is_touched, True, None),
    (_mix_is_replaced, True, None),
    (_stem_appears, True, None),
    (_stem_goes, True, None),
    (_stem_is_called_otherwise, True, None),
    (_better_mix_appears, False, False),
    (_file_on_its_way, True, False),
    (_mix_becomes_a_link, True, None),
    (_mode_of_the_mix, False, True),
    (_mode_of_the_folder, False, True),
    (_group_of_the_folder, False, True),
    (_record_is_written, False, True),
    (_mode_of_the_record, False, True),
    (_record_goes, False, True),
    (_record_becomes_a_directory, False, True),
    (_losing_mix_changes, False, False),
    (_our_temporary_file, False, False),
    (_locks, False, False),
    (_others_files, False, False),
    (_mix_is_read, False, None),
]


@pytest.mark.parametrize(("happens", "signature", "access"), CHANGES)
def test_what_changes_signature_and_access(
    song: Path, happens: Callable[[Path], None], signature: bool, access: bool | None
) -> None:
    before = read_folder(str(song))
    assert read_folder(str(song)) == before
    happens(song)
    after = read_folder(str(song))
    assert (after.signature != before.signature) == signature
    assert access is None or (after.access != before.access) == access


def test_arrival_under_final_name_changes_signature(song: Path) -> None:
    put(song / "vocals.flac.part")
    coming = read_folder(str(song))
    (song / "vocals.flac.part").rename(song / "vocals.flac")
    there = read_folder(str(song))
    assert coming.contents.temporaries == ["vocals.flac.part"]
    assert there.contents.temporaries == []
    assert coming.signature != there.signature


# What is found


def test_stamps_are_those_of_the_files_that_count(song: Path) -> None:
    listing = read_folder(str(song))
    assert listing.contents.sources == {"full_mix": "full_mix.flac", "drums": "drums.wav"}
    assert listing.contents.shadowed == ["full_mix.mp3"]
    assert listing.stamps == {
        "full_mix": FileStamp(b"full_mix.flac", 5, EARLIER),
        "drums": FileStamp(b"drums.wav", 5, EARLIER),
    }


def test_a_link_counts_as_the_file_that_it_leads_to(song: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere.flac", b"a longer sound")
    (song / "bass.flac").symlink_to(tmp_path / "elsewhere.flac")
    assert read_folder(str(song)).stamps["bass"] == FileStamp(b"bass.flac", 14, EARLIER)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        os.mkfifo,
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to("notes.txt/below"),
        lambda path: path.symlink_to(path.name),
        lambda path: path.symlink_to("."),
        lambda path: path.symlink_to("/dev/null"),
    ],
    ids=["directory", "fifo", "dangling", "below a file", "loop", "the folder itself", "device"],
)
def test_source_name_of_no_file_is_listed(song: Path, make: Callable[[Path], None]) -> None:
    (song / "full_mix.flac").unlink()
    (song / "full_mix.mp3").unlink()
    make(song / "full_mix.flac")
    listing = read_folder(str(song))
    assert listing.contents.is_track
    assert (listing.stamps["full_mix"].name, listing.stamps["full_mix"].size) == (b"full_mix.flac", -1)
    assert listing.signature == read_folder(str(song)).signature


def test_sources_are_the_same_without_all_else(song: Path) -> None:
    names = (
        "drums.wav",
        "Drums.flac",
        "bass.tmp",
        "vocals",
        "other.mp3.part",
        "full_mix.x.wav",
        "full_mix.wav",
        "a.wav",
    )
    for name in names:
        put(song / name)
    (song / "other.wav").mkdir()
    found = read_names(str(song)).sources
    assert read_sources(str(song)) == found
    assert read_sources(str(song), ("drums",)) == {"drums": found["drums"]}
    assert found.keys() == {"full_mix", "drums", "other"}


def test_directories_are_those_to_be_entered(song: Path) -> None:
    for name in ("more", "b", ".hidden", "@eaDir", "skipped", "caf\udce9"):
        (song / name).mkdir()
    (song / "link").symlink_to("more")
    assert read_folder(str(song), ("skip*",)).contents.directories == ["b", "caf\udce9", "more"]


def test_a_directory_without_sources_has_no_signature(tmp_path: Path) -> None:
    put(tmp_path / "notes.txt")
    (tmp_path / "Album").mkdir()
    listing = read_folder(str(tmp_path))
    assert (listing.stamps, listing.signature, listing.access) == ({}, "", "")
    assert listing.contents.directories == ["Album"]


# What moves meanwhile


def going(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Let these go after the names were read, and before anything is asked of them."""

    def contents(names: Iterable[Name], ignore: tuple[str, ...], marker: str | None, folder: str) -> Contents:
        found = discovery.contents(names, ignore, marker, folder)
        for path in paths:
            path.unlink()
        return found

    monkeypatch.setattr(dataset, "contents", contents)


def test_a_stem_that_goes_is_not_there(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        going(patch, song / "drums.wav")
        listing = read_folder(str(song))
    assert listing.contents.sources == {"full_mix": "full_mix.flac"}
    assert listing == read_folder(str(song))


def test_without_its_mix_it_is_no_track_any_more(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going(monkeypatch, song / "full_mix.flac")
    listing = read_folder(str(song))
    assert not listing.contents.is_track
    assert listing.contents.lacks_mix
    assert listing.stamps.keys() == {"drums"}


def _not_there(path: Path) -> str:
    return str(path / "none")


def _a_file(path: Path) -> str:
    (path / "file").touch()
    return str(path / "file")


def _below_a_file(path: Path) -> str:
    return _a_file(path) + "/below"


@pytest.mark.parametrize(
    ("where", "error"),
    [(_not_there, FileNotFoundError), (_a_file, NotADirectoryError), (_below_a_file, NotADirectoryError)],
)
def test_there_is_no_such_folder(tmp_path: Path, where: Callable[[Path], str], error: type[OSError]) -> None:
    with pytest.raises(error, match=re.escape(str(tmp_path))):
        read_folder(where(tmp_path))


@pytest.mark.skipif(not ROOT, reason="becoming another user takes root")
@pytest.mark.parametrize("mode", [0o711, 0o744, 0o700], ids=["not to be listed", "not to be searched", "neither"])
def test_a_folder_that_may_not_be_read_is_told(mode: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        song = Path(place) / "Song"
        song.mkdir()
        put(song / "full_mix.flac")
        song.chmod(mode)
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionError):
                read_folder(str(song))
        finally:
            os.seteuid(0)


def test_names_alone_cost_no_look_at_files(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_folder(str(song))
    monkeypatch.setattr("audiobatchd.disk.listing._status", None)
    found = read_folder(str(song), names_alone=True)
    assert (found.contents, found.stamps, found.signature) == (whole.contents, {}, "")

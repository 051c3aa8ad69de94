"""What is passed over in a directory and looks as if it were meant, and how it is counted over a dataset."""

from __future__ import annotations

import pytest

from audiobatchd.core.discovery import Name, contents
from audiobatchd.core.near_misses import Miss, Tally, misses_in
from audiobatchd.vocabulary.files import UNREAD_EXTENSIONS, MissKind


def missed(path: str, *files: str, links: tuple[str, ...] = ()) -> tuple[Miss, ...]:
    """The near misses of the directory at `path` below the dataset, with these files and links to directories."""
    names = [Name(name, is_dir=False, is_link=False) for name in files]
    names += [Name(name, is_dir=True, is_link=True) for name in links]
    return misses_in(contents(names, folder=path.rpartition("/")[2]), path)


@pytest.mark.parametrize("extension", [*sorted(UNREAD_EXTENSIONS), "WV", "Wma"])
def test_a_full_mix_in_a_format_that_is_not_read(extension: str) -> None:
    name = f"Full_Mix.{extension}"
    assert missed("Song", name, "drums.wav") == (Miss(MissKind.UNREAD, 1, name),)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["full_mix"], Miss(MissKind.UNREAD, 1, "full_mix")),
        (["full_mix.wv", "drums.wma"], Miss(MissKind.UNREAD, 2, "drums.wma")),
        (["Song.flac"], Miss(MissKind.NAMED_LIKE_FOLDER, 1, "Song.flac")),
        (["SONG.Wv", "cover.jpg"], Miss(MissKind.NAMED_LIKE_FOLDER, 1, "SONG.Wv")),
        (["Song.FLAC"], Miss(MissKind.NAMED_LIKE_FOLDER, 1, "Song.FLAC")),
        (["Song.flac", "drums.flac"], Miss(MissKind.NAMED_LIKE_FOLDER, 1, "Song.flac")),
        (["drums.flac", "bass.flac"], Miss(MissKind.STEMS_ALONE, 1, "")),
        (["02.flac", "01.flac", "cover.jpg"], Miss(MissKind.OTHER_NAMES, 2, "01.flac")),
        (["take.caf"], Miss(MissKind.OTHER_NAMES, 1, "take.caf")),
        (["full mix.flac"], Miss(MissKind.OTHER_NAMES, 1, "full mix.flac")),
        (["full_mix.flac", "vocals.ape"], Miss(MissKind.UNREAD, 1, "vocals.ape")),
    ],
)
def test_what_a_folder_has_of_a_kind(files: list[str], found: Miss) -> None:
    assert missed("Artist/Song", *files) == (found,)
    assert missed("Artist/Song", *reversed(files)) == (found,)


@pytest.mark.parametrize(
    "files",
    [
        (),
        ("cover.jpg", "notes.txt", "Song.INFO"),
        ("full_mix.flac", "preview.mp3", "Song.flac", "full_mix.wv"),
        ("._Song.flac", "._full_mix.wv", ".hidden.flac"),
        ("full_mix.flac.part",),
    ],
    ids=["nothing", "no audio", "a track", "hidden files", "on its way"],
)
def test_other_files_are_not_counted(files: tuple[str, ...]) -> None:
    assert missed("Song", *files) == ()


def test_accents_taken_apart_are_the_same_name() -> None:
    # macOS writes "e" and a combining accent where others write one letter.
    assert missed("Caf\u00e9", "cafe\u0301.flac") == (Miss(MissKind.NAMED_LIKE_FOLDER, 1, "cafe\u0301.flac"),)


def test_names_outside_utf_8_are_names_like_others() -> None:
    assert missed("caf\udce9", "caf\udce9.flac")[0].kind is MissKind.NAMED_LIKE_FOLDER


def test_audio_in_the_dataset_s_own_directory_is_loose() -> None:
    assert missed("", "b.flac", "a.wma") == (Miss(MissKind.LOOSE, 2, "a.wma"),)


def test_links_are_counted_beside_the_rest() -> None:
    found = missed("", "a.flac", links=("to B", "to A", "crops", ".hidden"))
    assert found == (Miss(MissKind.LINKED, 2, "to A"), Miss(MissKind.LOOSE, 1, "a.flac"))


def test_a_tally_keeps_a_number_and_one_example_of_each_kind() -> None:
    counts = {"b": 3, "a": 2, "a b": 4}
    for order in (list(counts), sorted(counts), sorted(counts, reverse=True)):
        tally = Tally()
        for path in order:
            tally.add(path, [Miss(MissKind.OTHER_NAMES, counts[path], "1.flac")])
        tally.add("\udcff", [Miss(MissKind.NAMED_LIKE_FOLDER, 1, "\udcff.flac")])
        told = {miss.kind: (miss.count, miss.example) for miss in tally.told()}
        assert told == {
            MissKind.OTHER_NAMES: (9, "a/1.flac"),
            MissKind.NAMED_LIKE_FOLDER: (1, r"\xff/\xff.flac"),
        }


@pytest.mark.parametrize("kind", MissKind)
def test_every_kind_says_how_many_which_and_what_to_do(kind: MissKind) -> None:
    for count in (1, 1234):
        tally = Tally()
        tally.add("A", [Miss(kind, count, "b")])
        (told,) = tally.told()
        assert told.what.startswith(f"{count:,} ")
        assert told.line == f"{told.what} (such as A/b): {told.todo}"
        assert told.todo

"""Which names in a directory are source files, which are on their way, which directories are entered."""

from __future__ import annotations

import pytest

from audiobatchd.core.discovery import Contents, Name, contents, is_relevant, is_temporary
from audiobatchd.vocabulary.files import EXTENSIONS


def files(*names: str, directories: tuple[str, ...] = (), links: tuple[str, ...] = ()) -> Contents:
    """The contents of a directory with these files, these directories, and these links to directories."""
    entries = [Name(name, is_dir=False, is_link=False) for name in names]
    entries += [Name(name, is_dir=True, is_link=False) for name in directories]
    entries += [Name(name, is_dir=True, is_link=True) for name in links]
    return contents(entries)


@pytest.mark.parametrize("extension", [*EXTENSIONS, *(each.upper() for each in EXTENSIONS), "FlAc"])
def test_every_extension_in_any_case_makes_a_track(extension: str) -> None:
    found = files(f"full_mix.{extension}", f"drums.{extension}")
    assert found.sources == {"full_mix": f"full_mix.{extension}", "drums": f"drums.{extension}"}
    assert found.is_track
    assert not found.lacks_mix


@pytest.mark.parametrize(
    "name",
    ["full_mix", "full_mix.", "full_mix.txt", "full_mix.flac.txt", " full_mix.flac", "full mix.flac",
     "full_mix.INFO", "piano.flac", ".full_mix.flac", "full_mix.fla", "guitar.wav", "flac", ""],
)  # fmt: skip
def test_other_names_are_no_source_files(name: str) -> None:
    assert files(name) == Contents()


@pytest.mark.parametrize("better", range(len(EXTENSIONS) - 1))
def test_the_earlier_extension_wins_in_any_order_of_listing(better: int) -> None:
    names = [f"full_mix.{EXTENSIONS[better]}", f"full_mix.{EXTENSIONS[better + 1]}"]
    for listing in (names, names[::-1]):
        found = files(*listing)
        assert (found.sources["full_mix"], found.shadowed) == (names[0], [names[1]])


@pytest.mark.parametrize("name", ["Full_Mix.wav", "FULL_MIX.FLAC", "full_MIX.Oga", "Full_Mix.M4B"])
def test_a_full_mix_in_any_case_makes_a_track(name: str) -> None:
    found = files(name, "DRUMS.Wav", "Vocals.mp4")
    assert found.sources == {"full_mix": name, "drums": "DRUMS.Wav", "vocals": "Vocals.mp4"}


@pytest.mark.parametrize("name", ["full_m\u0130x.flac", "\uff46ull_mix.flac", "full_mix.\ufb02ac", "ba\u00df.wav"])
def test_letters_that_only_look_alike_are_other_names(name: str) -> None:
    assert not files(name).sources


def test_the_exact_case_goes_first_the_new_extensions_last() -> None:
    best_first = ["full_mix.flac", "full_mix.wav", "full_mix.oga", "full_mix.wave", "FULL_MIX.FLAC", "full_mix.FLAC",
                  "Full_Mix.wav", "full_mix.MP3", "Full_Mix.aif", "Full_Mix.oga"]  # fmt: skip
    for place in range(len(best_first)):
        found = files(*reversed(best_first[place:]))
        assert (found.sources["full_mix"], found.shadowed) == (best_first[place], best_first[place + 1 :])


def test_a_directory_is_a_source_file_only_where_no_file_is() -> None:
    alone = files(directories=("full_mix.wav",))
    assert alone.sources == {"full_mix": "full_mix.wav"}
    beside = files("full_mix.aif", directories=("full_mix.wav",))
    assert (beside.sources["full_mix"], beside.shadowed) == ("full_mix.aif", ["full_mix.wav"])


def test_stems_without_a_mix() -> None:
    found = files("drums.wav", "bass.flac")
    assert found.lacks_mix
    assert not found.is_track
    assert list(found.sources) == ["drums", "bass"]


def test_roles_come_in_one_order_whatever_the_listing() -> None:
    found = files("vocals.wav", "other.wav", "full_mix.wav", "bass.wav", "drums.wav")
    assert list(found.sources) == ["full_mix", "drums", "bass", "other", "vocals"]


@pytest.mark.parametrize(
    "name",
    [
        "full_mix.flac.part", "full_mix.flac.partial", "full_mix.flac.filepart",  # FTP, WinSCP
        "Track.zip.PART",  # Firefox
        "full_mix.flac.crdownload", "full_mix.wav.download", "Unconfirmed 12345.crdownload",  # Chrome, Safari
        "drums.wav.!qB", "drums.wav.!ut",  # qBittorrent, uTorrent
        ".full_mix.flac.aB3xY9", ".drums.MP3.ABCDEF",  # rsync
        ".syncthing.full_mix.flac.tmp", "~syncthing~full_mix.flac.tmp",
        "full_mix.flac.tmp", "vocals.opus.TMP", "Full_Mix.m4b.tmp",
    ],
)  # fmt: skip
def test_temporary_names_are_on_their_way(name: str) -> None:
    assert is_temporary(name)
    assert files("full_mix.flac", name).temporaries == [name]


@pytest.mark.parametrize(
    "name",
    ["notes.tmp", ".audiobatch-00ff00ff00ff.tmp", ".syncthing.cover.jpg.tmp", ".cover.jpg.aB3xY9", "full_mix.flac",
     ".full_mix.flac.aB3x", ".full_mix.flac.toolong", "full_mix.flac.aB3xY9", "party", "Song.INFO", ".part.txt", "tmp"],
)  # fmt: skip
def test_temporary_name_of_another_kind_holds_nothing_up(name: str) -> None:
    assert not is_temporary(name)


def test_directory_with_a_temporary_name_holds_nothing_up() -> None:
    found = files("full_mix.flac", directories=("disc.part",))
    assert (found.temporaries, found.directories) == ([], ["disc.part"])


def test_which_directories_are_entered() -> None:
    entered = contents(
        [
            *(Name(name, is_dir=True, is_link=False) for name in ("b", "a", "Crops", "crops", "@eaDir", "lost+found")),
            *(Name(name, is_dir=True, is_link=False) for name in (".stfolder", ".git", "old mixes", "older", "OLD x")),
            Name("link", is_dir=True, is_link=True),
            Name("file", is_dir=False, is_link=True),
        ],
        ignore=("old*",),
    )
    assert entered.directories == ["Crops", "OLD x", "a", "b"]


def test_names_that_are_no_text_are_names_all_the_same() -> None:
    assert files("caf\udce9.flac", "full_mix.flac", directories=("\udcff",)).directories == ["\udcff"]


@pytest.mark.parametrize(
    ("name", "relevant"),
    [("full_mix.flac", True), ("drums.WAV", True), ("Bass.OGA", True), ("Song.INFO", True),
     ("full_mix.flac.part", True),
     (".full_mix.flac.aB3xY9", True), ("cover.jpg", False), ("Song.lock", False), ("Song.info", False),
     (".audiobatch-0123456789ab.tmp", False)],
)  # fmt: skip
def test_changes_of_which_files_can_matter(name: str, relevant: bool) -> None:
    assert is_relevant(name) is relevant


@pytest.mark.parametrize(
    ("name", "folder", "is_dir", "relevant"),
    [
        ("Song.BEATS_GRID", "Song", False, True),
        ("N.W.A.BEATS_GRID", "N.W.A", False, True),
        ("Song.BEATS_GRID", None, False, True),
        ("N.W.A", "Artists", False, False),
        ("N.W.A", "N.W", True, False),
        ("N.W.A", None, True, False),
        ("Other.BEATS_GRID", "Song", False, False),
        ("full_mix.flac", "Song", True, True),
    ],
)
def test_feature_in_a_file_begins_with_the_folder(name: str, folder: str | None, is_dir: bool, relevant: bool) -> None:
    assert is_relevant(name, folder, is_dir=is_dir) is relevant

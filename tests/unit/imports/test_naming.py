"""Names of track folders: from templates, fit for disks, different from each other."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiobatchd.errors import UsageError
from audiobatchd.imports.naming import LONGEST, USUAL, Names, Template
from audiobatchd.imports.text import folded

FULL = {"artist": "AC/DC", "album": "Back in Black", "title": "Hells Bells", "year": "1980"}


@pytest.mark.parametrize(
    ("template", "without", "name"),
    [
        (USUAL, (), "AC-DC - Back in Black - Hells Bells"),
        (USUAL, ("album",), "AC-DC - Hells Bells"),
        (USUAL, ("artist",), "Back in Black - Hells Bells"),
        (USUAL, ("artist", "album"), "Hells Bells"),
        (USUAL, ("artist", "album", "title"), "Unnamed"),
        ("{title} ({year})", (), "Hells Bells (1980)"),
        ("{title} ({year})", ("year",), "Hells Bells"),
        ("({year}) {title}", ("year",), "Hells Bells"),
        ("{artist}/{title}", (), "AC-DC-Hells Bells"),
    ],
)
def test_a_template_leaves_out_what_is_empty(template: str, without: tuple[str, ...], name: str) -> None:
    assert Template(template).filled({key: text for key, text in FULL.items() if key not in without}) == name


@pytest.mark.parametrize("template", ["", "name", "{", "{artist.__class__}", "{title!r}", "{title:>9}", "{0}", "{}"])
def test_a_template_of_anything_else_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match="cannot understand --name"):
        Template(template)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("..", "Unnamed"),
        (".hidden", "hidden"),
        (".audiobatch-imports", "audiobatch-imports"),
        ("--help", "help"),
        ("a\x00b\x1b[31mc\n", "ab[31mc"),
        ("C:\\Windows", "C:-Windows"),
        ("", "Unnamed"),
        ("\u202e", "Unnamed"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_a_hostile_title_is_made_harmless(title: str, name: str) -> None:
    assert Template("{title}").filled({"title": title}) == name


@pytest.mark.parametrize("wanted", ["crops", "lost+found", "drums.wav", "full_mix.flac", "Song.lock", "live set"])
def test_a_name_that_means_something_gets_a_number(wanted: str) -> None:
    assert Names([], ignore=("*set",)).give(wanted) == f"{wanted} (2)"


def test_names_that_fold_alike_are_numbered() -> None:
    names = Names(["Taken"])
    wanted = ["Song", "SONG", unicodedata.normalize("NFD", "Sóng"), "Sóng", "taken", "Song (2)"]
    given = [names.give(each) for each in wanted]
    assert given[:2] == ["Song", "SONG (2)"]
    assert given[3:] == ["Sóng (2)", "taken (2)", "Song (2) (2)"]


@pytest.mark.parametrize("char", ["a", "é", "世", "🎵"])
def test_long_names_are_cut_at_a_character_and_differ(char: str) -> None:
    names = Names([])
    given = [names.give(char * 300) for _ in range(12)]
    assert len(set(given)) == 12
    assert all(LONGEST - 4 < len(name.encode()) <= LONGEST for name in given)
    assert given[11].endswith(" (12)")


def test_a_pattern_that_leaves_out_everything_ends() -> None:
    assert Names([], ignore=("*",)).give("Song").startswith("Song")


@pytest.mark.parametrize(
    ("filesystem", "name"), [("exfat", "Why_ _A_B_"), ("cifs", "Why_ _A_B_"), ("ext4", 'Why? "A:B". ')]
)
def test_names_keep_to_the_rules_of_the_file_system(filesystem: str, name: str) -> None:
    assert Names([], filesystem=filesystem).give('Why? "A:B". ') == name.rstrip()


@given(st.lists(st.text(max_size=300), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_any_titles_become_names_of_their_own(titles: list[str]) -> None:
    names = Names(["Unnamed"])
    given_names = [names.give(Template("{title}").filled({"title": title})) for title in titles]
    assert len({folded(name) for name in given_names}) == len(titles)
    for name in given_names:
        assert 0 < len(name.encode()) <= LONGEST
        assert not {"/", "\\", "\0", "\n"} & set(name)
        assert name[0] not in ". -"
        assert name == unicodedata.normalize("NFC", name)

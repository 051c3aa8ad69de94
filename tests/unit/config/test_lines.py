"""Lines of a TOML file on which keys stand."""

from __future__ import annotations

import pytest

from audiobatchd.config.lines import Place, line_of, said

TEXT = """\
# workers = 1
workers = 2
"quoted-key" = 3
analyzers = [
    "loudness",
]
[analyzer.rhythm]  # the costly one
fold = [80, 160]
[[dataset]]
path = "/a"
  settle = 5
[[ dataset ]]
path = "/b"
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("workers",), 2),
        (("quoted-key",), 3),
        (("analyzers", 0), 4),
        (("analyzer",), 7),
        (("analyzer", "rhythm", "fold"), 8),
        (("dataset", 0, "settle"), 11),
        (("dataset",), 9),
        (("dataset", 1), 12),
        (("dataset", 1, "path"), 13),
        (("dataset", 1, "settle"), 12),
        (("reap",), None),
        ((), 2),
    ],
)
def test_key_is_found_in_its_own_table(place: Place, line: int | None) -> None:
    assert line_of(TEXT, place) == line


def test_dotted_keys_are_found() -> None:
    assert line_of("\nanalyzer.rhythm.fold = 1\n", ("analyzer", "rhythm", "fold")) == 2


@pytest.mark.parametrize("quotes", ['"""', "'''"])
def test_text_of_several_lines_makes_it_unsure(quotes: str) -> None:
    assert line_of(f"a = {quotes}\nworkers = 1\n{quotes}\nworkers = 2\n", ("workers",)) is None


def test_line_is_said_where_it_is_sure() -> None:
    assert said(TEXT.encode(), ("workers",)) == " (line 2)"
    assert said(b"\xff", ("workers",)) == ""

"""The table of models: in parts, with a remark below its model, and never wider than the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.cli.model_table import Entry, entry_of, size_said, table_lines
from audiobatchd.cli.terminal.text import cells
from audiobatchd.models.manifest import BY_NAME, DEFAULT
from audiobatchd.models.store import Files, State, Verdict


def entries(tmp_path: Path) -> list[Entry]:
    """All that are published, one of which is here and damaged, and a model of the user's own."""
    (tmp_path / "mine-1.pb").write_bytes(b"x" * 2000)
    damaged = Verdict(State.WRONG, "cannot trust /srv/models/with-a-long-name/danceability-musicnn-msd-2.pb")
    there = Files("mine-1", tmp_path)
    mine = Entry("mine-1", None, there, Verdict(State.UNPINNED))
    published = [Entry(name, model, None, None) for name, model in BY_NAME.items()]
    wrong = Entry(DEFAULT[0], BY_NAME[DEFAULT[0]], there, damaged, (damaged.trouble,))
    return [wrong if each.name == DEFAULT[0] else each for each in [*published, mine]]


def test_parts_stand_in_order(tmp_path: Path) -> None:
    lines = list(table_lines(entries(tmp_path), {*DEFAULT}, 80))
    places = [next(i for i, line in enumerate(lines) if line.split()[:1] == [name]) for name in (*DEFAULT, "mine-1")]
    assert places == sorted(places)
    assert lines[places[0] + 1].startswith("    cannot trust /srv/models")
    assert lines.count("") == 2


@pytest.mark.parametrize("width", [40, 60, 80])
def test_it_is_no_wider_than_the_terminal(tmp_path: Path, width: int) -> None:
    lines = [line for line in table_lines(entries(tmp_path), (), width) if not line.startswith("    ")]
    told = [line for line in lines if "fetch what is missing" not in line]
    assert max(map(cells, told)) <= width


def test_without_a_bound_nothing_is_cut(tmp_path: Path) -> None:
    assert "…" not in "".join(table_lines(entries(tmp_path), {*DEFAULT}, 10_000))


def test_what_lies_alone_is_of_no_use(tmp_path: Path) -> None:
    (tmp_path / f"{DEFAULT[0]}.pb").touch()
    found = entry_of(DEFAULT[0], (tmp_path,), frozenset())
    assert (found.word, "is of no use without" in found.remarks[0]) == ("missing", True)


@pytest.mark.parametrize(
    ("size", "told"), [(None, "?"), (83, "83 B"), (80_000, "80 kB"), (3_197_999, "3.2 MB"), (288_000_000, "288 MB")]
)
def test_sizes_are_short(size: int | None, told: str) -> None:
    assert size_said(size) == told

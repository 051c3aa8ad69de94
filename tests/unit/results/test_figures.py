"""Columns in short: what is counted in SQL is what counting by hand gives."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from audiobatchd.control.results import Cell, Histogram, Label, Scatter
from audiobatchd.core.readings import Finding
from audiobatchd.errors import UsageError
from audiobatchd.results.figures import Results
from audiobatchd.scan import values
from audiobatchd.scan.values import Found, ValueTables
from support.results_rig import opened


def test_histogram_counts_every_number_once(tmp_path: Path) -> None:
    with opened(tmp_path, a={"n": 0}, b={"n": 1.0}, c={"n": 3.99}, d={"n": 4}, e={"n": "x"}, f={}) as results:
        assert results.histogram("n", 4) == Histogram((0.0, 1.0, 2.0, 3.0, 4.0), (1, 1, 0, 2), 2)
        assert results.histogram("n", 4, "n < 4").counts == (1, 1, 0, 1)
        assert results.histogram("n", 2, "n > 100") == Histogram((), (), 1), "a text is above all numbers"


@pytest.mark.parametrize("numbers", [[7.0], [1e308, -1e308], [1e-320, 0.0], [float(1 << 62), 0.0], [5, 5, 5]])
def test_extreme_numbers_have_their_bins(tmp_path: Path, numbers: list[float]) -> None:
    with opened(tmp_path, **{f"f{place}": {"n": number} for place, number in enumerate(numbers)}) as results:
        found = results.histogram("n", 5)
        assert sum(found.counts) == len(numbers)
        assert len(found.edges) == 6
        assert results.scatter("n", "n", 3).count == len(numbers)
        assert next(results.summary(("n",))).count == len(numbers)


def test_scatter_counts_rectangles(tmp_path: Path) -> None:
    points = {"a": (0, 0), "b": (1, 0), "c": (1, 1), "d": (1, 1)}
    with opened(tmp_path, **{name: {"x": x, "y": y} for name, (x, y) in points.items()}, e={"x": 1}) as results:
        edges = (0.0, 0.5, 1.0)
        assert results.scatter("x", "y", 2) == Scatter(
            edges, edges, (Cell(0, 0, 1), Cell(1, 0, 1), Cell(1, 1, 2)), 4, 1
        )
        assert results.scatter("x", "y", 2, "x > 9") == Scatter((), (), (), 0, 0)


def test_summary_has_quartiles_of_the_numbers(tmp_path: Path) -> None:
    numbers = random.Random(1).sample(range(1000), 41)
    with opened(tmp_path, **{f"f{each}": {"n": each} for each in numbers}, none={}) as results:
        [short] = results.summary()
    ordered = sorted(numbers)
    assert (short.count, short.missing) == (41, 1)
    assert (short.minimum, short.quartiles, short.maximum) == (ordered[0], tuple(ordered[10:31:10]), ordered[-1])
    assert short.mean == pytest.approx(sum(numbers) / 41)
    assert short.histogram is not None
    assert sum(short.histogram.counts) == 41


def test_summary_has_the_most_frequent_labels(tmp_path: Path) -> None:
    records = {
        f"f{each}": {"key": "CCD"[each % 3], "yes": each > 1, "m": {"Rock": each, "Pop": 1}} for each in range(6)
    }
    with opened(tmp_path, **records) as results:
        key, mapping, yes = results.summary(("key", "m", "yes"))
    assert (key.frequent, key.distinct) == ((Label("C", 4), Label("D", 2)), 2)
    assert mapping.frequent == (Label("Pop", 6), Label("Rock", 6))
    assert yes.frequent == (Label("true", 4), Label("false", 2))


def test_summary_knows_frequent_labels_among_very_many(tmp_path: Path) -> None:
    with closing(sqlite3.connect("", check_same_thread=False)) as connection:
        connection.executescript(values.SCHEMA)
        rare, often = 100_001, 9
        labels = [f"a{each:06}" for each in range(rare)] + ["untitled"] * often
        found = [
            Found(f"{at}", Finding.COMPLETE, "", {"t": label, "m": f'{{"{label}":1}}'.encode()})
            for at, label in enumerate(labels)
        ]
        ValueTables().put(connection, "/music", found)
        text, mapping = Results(connection, "/music").summary(("t", "m"))
    for short in (text, mapping):
        assert short.distinct == rare + 1
        assert short.frequent[:2] == (Label("untitled", often), Label("a000000", 1))


def test_labels_are_told_as_people_write_them(tmp_path: Path) -> None:
    records = {
        "a": {"t": 1},
        "b": {"t": "1"},
        "c": {"t": True},
        "d": {"t": "true"},
        "e": {"t": "é"},
        "f": {"t": {"x": 1}},
    }
    with opened(tmp_path, **records, g={"m": {'q"é\n': 1, "": None}}, h={"m": {}}) as results:
        text, mapping = results.summary(("t", "m"))
    assert text.frequent == (Label("1", 2), Label("true", 2), Label('{"x":1}', 1), Label("é", 1))
    assert text.distinct == 4
    assert mapping.frequent == (Label("", 1), Label('q"é\n', 1))


def test_unknown_feature_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, a={"bpm": 1}) as results:
        for ask in (
            results.histogram,
            lambda name: results.scatter("bpm", name),
            lambda name: list(results.summary([name])),
        ):
            with pytest.raises(UsageError, match="did you mean"):
                ask("bmp")

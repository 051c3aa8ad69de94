"""Pictures as SVG: well-formed, within their bounds, and with as much ink as there are folders."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiobatchd.control.results import Cell, Histogram, Scatter
from audiobatchd.pictures.drawing import bars, columns, histogram, scatter

HOSTILE = '<img src=x onerror="alert(1)">&\''


def drawn(svg: str) -> ET.Element:
    """Parse a picture."""
    return ET.fromstring(svg)  # noqa: S314  # of our own making


def rectangles(svg: str) -> list[dict[str, str]]:
    """The rectangles of a picture."""
    return [each.attrib for each in drawn(svg).iter("rect")]


def test_bar_of_a_histogram_is_as_high_as_its_count() -> None:
    found = rectangles(histogram(Histogram((0.0, 1.0, 2.0, 3.0), (4, 0, 2), 1), "lufs", "LUFS"))
    assert len(found) == 2
    assert float(found[0]["height"]) == pytest.approx(2 * float(found[1]["height"]))
    assert float(found[0]["y"]) + float(found[0]["height"]) == pytest.approx(182)
    assert float(found[0]["x"]) < float(found[1]["x"])


def test_bar_tells_its_bounds_in_full() -> None:
    (found,) = rectangles(histogram(Histogram((1 / 3, 2e-17 + 2 / 3), (4,), 0), "x"))
    assert (float(found["data-low"]), float(found["data-high"])) == (1 / 3, 2e-17 + 2 / 3)


def test_cell_with_more_folders_is_darker() -> None:
    cells = (Cell(0, 0, 1), Cell(1, 1, 100))
    found = rectangles(scatter(Scatter((0.0, 1.0, 2.0), (0.0, 5.0, 10.0), cells, 101, 0), "lufs", "lra"))
    assert float(found[0]["opacity"]) < float(found[1]["opacity"]) == 1.0
    assert float(found[0]["y"]) > float(found[1]["y"])  # more is higher


def test_labels_are_text_whatever_they_say() -> None:
    for svg in (
        bars([(HOSTILE, 3), ("", 0)], HOSTILE),
        histogram(Histogram((0.0, 1.0), (1,), 0), HOSTILE, HOSTILE),
        scatter(Scatter((0.0, 1.0), (0.0, 1.0), (Cell(0, 0, 1),), 1, 0), HOSTILE, HOSTILE),
    ):
        root = drawn(svg)
        assert {each.tag for each in root.iter()} <= {"svg", "rect", "title", "line", "text"}
        assert HOSTILE in (root.attrib["aria-label"] + "".join(root.itertext()))
        assert root.attrib["role"] == "img"


@given(st.lists(st.integers(0, 1_000_000), min_size=1, max_size=40), st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_bars_stay_in_the_picture(counts: list[int], low: float, width: float) -> None:
    edges = tuple(low + width * place for place in range(len(counts) + 1))
    if not any(counts):
        counts[0] = 1
    for each in rectangles(histogram(Histogram(edges, tuple(counts), 0), "x")):
        assert 51.9 <= float(each["x"]) <= 472.1
        assert float(each["y"]) >= 9.9
        assert float(each["x"]) + float(each["width"]) <= 473


def test_nothing_makes_no_picture() -> None:
    assert histogram(Histogram((), (), 3), "x") == ""
    assert scatter(Scatter((), (), (), 0, 3), "x", "y") == ""
    assert bars([], "x") == ""


def test_columns_keep_their_order_and_have_labels_by_room() -> None:
    counts = [(f"2026-11-{day:02}", day) for day in range(1, 31)]
    found = rectangles(columns(counts, "Folders", "folders"))
    assert len(found) == 30
    assert float(found[29]["height"]) == pytest.approx(30 * float(found[0]["height"]), abs=0.2)
    assert float(found[29]["x"]) + float(found[29]["width"]) <= 472
    texts = [each.text or "" for each in drawn(columns(counts, HOSTILE)).iter("text")]
    labels = [each for each in texts if each.startswith("2026")]
    assert labels[0] == "2026-11-01"
    assert 3 <= len(labels) <= 6


@pytest.mark.parametrize("counts", [[], [("a", 0)], [(HOSTILE, 3)], [("x", 1)] * 2000])
def test_columns_of_anything_are_well_formed(counts: list[tuple[str, int]]) -> None:
    svg = columns(counts, HOSTILE, HOSTILE)
    assert not counts or drawn(svg).attrib["role"] == "img"

"""Pictures: a histogram, a scatter in cells, bars of labels, and columns over time.

Each is one `svg` element, as text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from audiobatchd.control.results import Histogram, Scatter
from audiobatchd.pictures.scale import Scale, scale, told

_WIDTH, _HEIGHT = 480, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 472, 10, 182
_TICKS, _TICKS_UP = 7, 4
_DARKEST = 0.15
"""Opacity of a cell with one folder: where there are few it is seen all the same."""
_ROW, _LABELS, _COUNTS = 20, 150, 110
"""Height of a bar's row; room for the labels on the left and the counts on the right."""
_LONGEST_LABEL = 22
_WIDEST_COLUMN, _LABEL_ROOM = 80, 76
"""Of columns, and of the label beneath: a day, "2026-11-30"."""


def histogram(found: Histogram, name: str, unit: str = "") -> str:
    """Draw a histogram; empty where there is no number. Bars tell their bounds, in full, as `data-low`, `data-high`."""
    if not found.counts:
        return ""
    most = max(found.counts)
    x = scale(found.edges[0], found.edges[-1], _LEFT, _RIGHT)
    y = Scale(0, most, _BOTTOM, _TOP)
    bars = []
    for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        if count:
            left, right = x(low), x(high)
            tip = f"{told(low)} to {told(high)} {unit}: {count:,}"
            width, height = max(right - left - 0.5, 0.8), _BOTTOM - y(count)
            bars.append(_rectangle("bar", left, y(count), width, height, tip, bounds=(low, high)))
    around = [*_across(x, _with_unit(name, unit)), *_up(y, "folders", whole=True)]
    return _svg([*around, *bars], f"Histogram of {name}, {sum(found.counts):,} values, at most {most:,} in a bin")


def scatter(found: Scatter, x_name: str, y_name: str) -> str:
    """Draw two numbers against each other: a cell is the darker the more folders are in it; empty where none is."""
    if not found.cells:
        return ""
    x = scale(found.x_edges[0], found.x_edges[-1], _LEFT, _RIGHT)
    y = scale(found.y_edges[0], found.y_edges[-1], _BOTTOM, _TOP)
    most = max(cell.count for cell in found.cells)
    cells = []
    for cell in found.cells:
        left, right = x(found.x_edges[cell.x]), x(found.x_edges[cell.x + 1])
        low, high = y(found.y_edges[cell.y]), y(found.y_edges[cell.y + 1])
        share = math.log1p(cell.count) / math.log1p(most)
        tip = f"{told(found.x_edges[cell.x])}, {told(found.y_edges[cell.y])}: {cell.count:,}"
        opacity = round(_DARKEST + (1 - _DARKEST) * share, 2)
        cells.append(_rectangle("cell", left, high, max(right - left, 1), max(low - high, 1), tip, opacity))
    around = [*_across(x, x_name), *_up(y, y_name, whole=False)]
    return _svg([*around, *cells], f"{y_name} against {x_name}, {found.count:,} folders")


def bars(counts: Sequence[tuple[str, int]], name: str, of: int | None = None) -> str:
    """Draw a bar for each label, as long as its count is of `of`, or of the largest; empty without any."""
    if not counts:
        return ""
    most = of or max(count for _, count in counts) or 1
    x = Scale(0, most, _LABELS, _WIDTH - _COUNTS)
    drawn = []
    for place, (label, count) in enumerate(counts):
        top = place * _ROW
        short = label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"
        share = f" ({100 * count / of:.0f} %)" if of else ""
        drawn += [
            _text(short, _LABELS - 6, top + 14, "end"),
            _rectangle("bar", _LABELS, top + 3, max(x(count) - _LABELS, 0), _ROW - 6, f"{label}: {count:,}"),
            _text(f"{count:,}{share}", x(count) + 4, top + 14, "start"),
        ]
    return _svg(drawn, f"{name}: {len(counts)} bars", len(counts) * _ROW + 4)


def columns(counts: Sequence[tuple[str, int]], name: str, unit: str = "") -> str:
    """Draw a column for each label, in this order, from left to right, as for days; empty without any.

    Where there is no room for all labels, some are left out.
    """
    if not counts:
        return ""
    most = max(count for _, count in counts) or 1
    y = Scale(0, most, _BOTTOM, _TOP)
    width = min((_RIGHT - _LEFT) / len(counts), _WIDEST_COLUMN)
    every = math.ceil(_LABEL_ROOM / width)
    drawn = [_line("axis", _LEFT, _BOTTOM, _RIGHT, _BOTTOM), *_up(y, unit, whole=True)]
    for place, (label, count) in enumerate(counts):
        left = round(_LEFT + place * width, 2)
        if count:
            tip = f"{label}: {count:,}"
            drawn.append(_rectangle("bar", left, y(count), max(width - 0.5, 0.8), _BOTTOM - y(count), tip))
        if place % every == 0 and left + _LABEL_ROOM <= _WIDTH:
            drawn.append(_text(label, left, _BOTTOM + 16, "start"))
    return _svg(drawn, f"{name}: {len(counts)} columns, at most {most:,}", _BOTTOM + 24)


def _across(x: Scale, name: str) -> Iterable[str]:
    yield _line("axis", _LEFT, _BOTTOM, _RIGHT, _BOTTOM)
    for tick in x.ticks(_TICKS):
        yield _line("axis", x(tick), _BOTTOM, x(tick), _BOTTOM + 4)
        yield _text(told(tick), x(tick), _BOTTOM + 16, "middle")
    yield _text(name, (_LEFT + _RIGHT) / 2, _HEIGHT - 6, "middle")


def _up(y: Scale, name: str, *, whole: bool) -> Iterable[str]:
    for tick in y.ticks(_TICKS_UP):
        if not whole or tick == int(tick):
            yield _line("grid", _LEFT, y(tick), _RIGHT, y(tick))
            yield _text(told(tick), _LEFT - 5, y(tick) + 4, "end")
    middle = (_TOP + _BOTTOM) / 2
    place = f"translate(11 {middle}) rotate(-90)"
    yield f'<text class="label" text-anchor="middle" transform="{place}">{escape(name)}</text>'


def _with_unit(name: str, unit: str) -> str:
    return f"{name}, {unit}" if unit else name


def _svg(parts: Iterable[str], told_of_it: str, height: int = _HEIGHT) -> str:
    head = f'<svg class="picture" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(told_of_it)}">'
    return head + "".join(parts) + "</svg>"


def _rectangle(
    kind: str,
    x: float,
    y: float,
    width: float,
    height: float,
    tip: str,
    opacity: float | None = None,
    *,
    bounds: tuple[float, float] | None = None,
) -> str:
    more = "" if opacity is None else f' opacity="{opacity}"'
    more += "" if bounds is None else f' data-low="{bounds[0]!r}" data-high="{bounds[1]!r}"'
    place = f'x="{x}" y="{y}" width="{round(width, 2)}" height="{round(height, 2)}"'
    return f'<rect class="{kind}" {place}{more}><title>{escape(tip)}</title></rect>'


def _line(kind: str, x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line class="{kind}" x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"/>'


def _text(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text class="label" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'

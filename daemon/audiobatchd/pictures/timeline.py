"""Pictures over the time of one file: its waveform with beats and onsets over it, and its loudness.

They fill their width edge to edge, so that pictures of one file stand exactly above each other. What is drawn stretches
with the width, the text does not: it is as large on a telephone. Colours are attributes that a style sheet overrides,
by the classes `wave`, `beat`, `onset`, `momentary`, `short-term`, `integrated`, `grid` and `label`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from audiobatchd.pictures.scale import Scale, told
from audiobatchd.worker.orders import Loudness, Waveform

_WIDTH, _HEIGHT = 1000, 100
"""Units of what stretches."""
_TOP, _PLOT, _BELOW = 20, 130, 18
"""Heights in pixels: of the legend, of what is drawn, and of the time below it."""
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
"""Seconds between two marks of time, which people would choose."""
_TIMES = 6
"""Number of marks of time at most: as many as fit a telephone."""
_MARK = 8
"""Height of the mark of a beat or an onset."""
_MARKS = 2000
"""Number of different places of beats or onsets: more are not told apart."""
_MINUTE = 60
_QUIETEST, _LOUDEST = -70.0, 0.0
_LEAST_RANGE = 12.0
_COLOURS = {
    "wave": "#5b8bd0",
    "beat": "#d9534f",
    "onset": "#b8860b",
    "momentary": "#8a94a6",
    "short-term": "#4a86d8",
    "integrated": "#d9534f",
}
"""Seen on white as on black, at 3:1 at least."""


def waveform(found: Waveform, beats: Sequence[float] = (), onsets: Sequence[float] = ()) -> str:
    """Draw a waveform, with marks above it at beats and below it at onsets: seconds, which may be anything.

    Lines behind the waveform lead down from beats: over it they would hide a fast one on a narrow page.
    """
    peak = max(1.0, *map(abs, (*found.low, *found.high)))
    x, y = Scale(0, max(len(found.low), 1), 0, _WIDTH), Scale(-peak, peak, _HEIGHT, 0)
    place = Scale(0, max(found.seconds, 1e-9), 0, _WIDTH)
    drawn = [_line("grid", y(0)), _band("wave", x, y, found.low, found.high)]
    legend = [("wave", "samples")]
    for kind, times, top, bottom in (("beat", beats, 0, _MARK), ("onset", onsets, _HEIGHT - _MARK, _HEIGHT)):
        here = [each for each in times if 0 <= each <= found.seconds]
        if here:
            places = sorted({round(place(each) * _MARKS / _WIDTH) * _WIDTH / _MARKS for each in here})
            drawn.append(_stroke(kind, "".join(f"M{each:g} {top}V{bottom}" for each in places)))
            legend.append((kind, f"{len(here):,} {kind}{'s' if len(here) > 1 else ''}"))
            if kind == "beat":
                drawn.insert(0, _stroke(kind, "".join(f"M{each:g} 0V{_HEIGHT}" for each in places), opacity=0.35))
    summary = f"Waveform of {_length(found.seconds)}, peak {told(round(max(map(abs, (*found.low, *found.high))), 3))}"
    if peak > 1:
        drawn += [_line("grid", y(1)), _line("grid", y(-1))]
        legend.append(("grid", f"full scale; peak {told(round(peak, 2))}"))
    return _svg("waveform", drawn, _legend(legend), found.seconds, ", ".join([summary, *(n for _, n in legend[1:])]))


def loudness(found: Loudness) -> str:
    """Draw loudness over time: the range of the momentary one in each column, the short-term and the integrated one."""
    measured = [each for each in found.momentary_high if each is not None]
    loudest = max(measured, default=_QUIETEST)
    high = min(max(_LOUDEST, loudest), 40.0) if loudest > _LOUDEST else _ceiling(loudest)
    quietest = min((each for each in (*found.short_term, found.integrated) if each is not None), default=_QUIETEST)
    low = max(_QUIETEST, min(10 * (quietest // 10), high - 3 * _LEAST_RANGE))
    x, y = Scale(0, max(len(found.momentary_low), 1), 0, _WIDTH), Scale(low, high, _HEIGHT, 0)
    drawn, labels = [], []
    for tick in y.ticks(4):
        drawn.append(_line("grid", y(tick)))
        if low < tick < high:
            labels.append(_text(told(tick), "2", _TOP + y(tick) * _PLOT / _HEIGHT - 2))
    below, above = ([_within(each, low, high) for each in part] for part in (found.momentary_low, found.momentary_high))
    drawn.append(_band("momentary", x, y, below, above))
    legend = [("momentary", "momentary")]
    if any(each is not None for each in found.short_term):
        drawn.append(_stroke("short-term", _curve(x, y, [_within(each, low, high) for each in found.short_term]), 2))
        legend.append(("short-term", "short-term"))
    if found.integrated is not None:
        drawn.append(_stroke("integrated", f"M0 {y(_within(found.integrated, low, high) or 0)}H{_WIDTH}", dashed=True))
        legend.append(("integrated", f"integrated {told(found.integrated)} LUFS"))
    summary = f"Loudness over {_length(found.seconds)}, from {told(low)} to {told(high)} LUFS, momentary at most "
    words = [summary + f"{told(loudest)} LUFS", *(name for _, name in legend[2:])]
    return _svg("loudness", drawn, [*_legend(legend), *labels], found.seconds, ", ".join(words))


def _ceiling(loudest: float) -> float:
    """Find a round number with some room above the loudest place."""
    return min(_LOUDEST, max(5 * (loudest // 5 + 1), _QUIETEST + _LEAST_RANGE))


def _within(number: float | None, low: float, high: float) -> float | None:
    return None if number is None else min(max(number, low), high)


def _band(kind: str, x: Scale, y: Scale, low: Sequence[float | None], high: Sequence[float | None]) -> str:
    """Draw what lies between two curves, as one line that goes up and down: it is seen where they touch as well."""
    path, pen = [], "M"
    for column, (below, above) in enumerate(zip(low, high, strict=True)):
        if below is None or above is None:
            pen = "M"
            continue
        path.append(f"{pen}{x(column + 0.5):g} {y(below):g}V{y(above):g}")
        pen = "L"
    return _stroke(kind, "".join(path))


def _curve(x: Scale, y: Scale, numbers: Sequence[float | None]) -> str:
    path, pen = [], "M"
    for column, number in enumerate(numbers):
        if number is None:
            pen = "M"
            continue
        path.append(f"{pen}{x(column + 0.5):g} {y(number):g}")
        pen = "L"
    return "".join(path)


def _stroke(kind: str, path: str, width: float = 1, *, opacity: float = 1, dashed: bool = False) -> str:
    more = f' opacity="{opacity:g}"' if opacity != 1 else ""
    more += ' stroke-dasharray="6 4"' if dashed else ""
    colour = f'fill="none" stroke="{_COLOURS[kind]}" stroke-width="{width:g}"'
    return f'<path class="{kind}" {colour} vector-effect="non-scaling-stroke"{more} d="{path}"/>'


def _line(kind: str, y: float) -> str:
    colour = 'stroke="#888" stroke-opacity="0.4" vector-effect="non-scaling-stroke"'
    return f'<line class="{kind}" {colour} x1="0" y1="{y:g}" x2="{_WIDTH}" y2="{y:g}"/>'


def _text(text: str, x: str, y: float, anchor: str = "start") -> str:
    look = 'fill="currentColor" font-size="11" font-family="system-ui, sans-serif"'
    return f'<text class="label" {look} x="{x}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(entries: Iterable[tuple[str, str]]) -> list[str]:
    """Name what is drawn, each with a line of its colour, from left to right."""
    drawn, left = [], 2.0
    for kind, name in entries:
        colour = _COLOURS.get(kind, "#888")
        mark = f'stroke="{colour}" stroke-width="3" x1="{left:g}" y1="10" x2="{left + 12:g}" y2="10"'
        drawn += [f'<line class="{kind}" {mark}/>', _text(name, f"{left + 16:g}", 14)]
        left += 27 + 6.7 * len(name)
    return drawn


def _svg(kind: str, drawn: Iterable[str], around: Iterable[str], seconds: float, summary: str) -> str:
    """Put together what stretches and what does not."""
    height = _TOP + _PLOT + _BELOW
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="timeline {kind}" width="100%" height="{height}" role="img"'
    inner = (
        f'<svg y="{_TOP}" width="100%" height="{_PLOT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none">'
    )
    times = "".join(_times(seconds))
    return f'{head} aria-label="{escape(summary)}">{inner}{"".join(drawn)}</svg>{"".join(around)}{times}</svg>'


def _times(seconds: float) -> Iterable[str]:
    """Write times below, at round ones."""
    step = next((each for each in _STEPS if seconds / each <= _TIMES), _STEPS[-1])
    for number in range(int(seconds / step) + 1):
        share = 100 * number * step / seconds if seconds else 0.0
        if share <= 96:  # noqa: PLR2004  # what stands further right does not fit
            yield _text(_clock(number * step), f"{share:.2f}%", _TOP + _PLOT + 13, "middle" if number else "start")


def _clock(seconds: float) -> str:
    """Write a moment: 0:05, 3:20, 1:02:00, and tenths where they count."""
    if seconds != int(seconds):
        return f"{seconds:.1f} s"
    minutes, left = divmod(int(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def _length(seconds: float) -> str:
    return _clock(round(seconds)) if seconds >= 1 else f"{seconds:.2f} s"

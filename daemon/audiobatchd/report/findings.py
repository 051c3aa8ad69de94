"""The content of a report, asked of the values of a dataset: coverage, distributions, outliers, failures, quality."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from msgspec import Struct

from audiobatchd.control.results import Column, Query, Row, Scatter, Summary
from audiobatchd.vocabulary.causes import alike

DISTRIBUTIONS = ("lufs", "lra", "true_peak", "bpm", "danceability", "key", "duration", "brightness")
"""Features that are drawn, as far as they are there."""
SCATTERS = (("lufs", "lra"), ("bpm", "bpm_confidence"))
MOST_FOLDERS = 25
"""Folders that a list names at most; their number is told in any case."""
_MOST_CAUSES = 20
_BEYOND = 1.5
"""A value is an outlier that lies this many interquartile ranges outside of the middle half (Tukey)."""
_QUALITY: Mapping[str, tuple[str, str]] = {
    "quality_clipped_share": ("quality_clipped_share > 0", "clipped: three or more samples in a row at full scale"),
    "quality_cut_start": ("quality_cut_start", "begins in the middle of sound"),
    "quality_cut_end": ("quality_cut_end", "ends in the middle of sound"),
    "quality_false_stereo": ("quality_false_stereo", "stereo with one signal in both channels"),
    "quality_bandwidth_hz": (
        "quality_bandwidth_hz < 16500 AND sample_rate >= 44100",
        "nothing above 16.5 kHz: it may come from a lossy file",
    ),
    "quality_dc_offset": ("abs(quality_dc_offset) > 0.01", "offset of more than a hundredth of full scale"),
    "quality_clicks": ("quality_clicks > 0", "clicks"),
    "quality_gaps": ("quality_gaps > 0", "gaps"),
    "quality_hum": ("quality_hum > 0.1", "mains hum in more than a tenth of it"),
}
"""Condition and words for each finding, by the feature that it takes."""


class Source(Protocol):
    """The values of one dataset, of a service or of the records."""

    def columns(self) -> tuple[Column, ...]:
        """List the columns."""

    def rows(self, query: Query) -> Iterator[Row]:
        """Yield a row for each folder that meets a condition."""

    def summary(self, features: Iterable[str] | None = None, where: str = "") -> Iterator[Summary]:
        """Tell columns in short."""

    def scatter(self, x: str, y: str, bins: int = 64, where: str = "") -> Scatter:
        """Count folders by two numbers."""


class Listed(Struct, frozen=True):
    """Folders that meet a condition: how many, and the first of them."""

    title: str
    """What they have in common, in words."""
    count: int
    """Number of all that meet it."""
    columns: tuple[str, ...]
    """Names of what is told of each."""
    rows: tuple[Row, ...]
    """The first of them, by these columns."""


class Cause(Struct, frozen=True):
    """A reason for which folders are not done."""

    why: str
    """The reason, with `#` for each number."""
    count: int
    """Number of folders."""
    example: str
    """One of the folders."""


class Findings(Struct, frozen=True):
    """All that a report tells."""

    total: int
    """Number of track folders."""
    states: tuple[tuple[str, int], ...]
    """Number of folders in each state, by name."""
    hours: float
    """Sum of all lengths, in hours."""
    coverage: tuple[tuple[str, int], ...]
    """Number of folders that have each feature, by name."""
    distributions: tuple[Summary, ...]
    """The features of DISTRIBUTIONS that any folder has."""
    scatters: tuple[tuple[str, str, Scatter], ...]
    """The pairs of SCATTERS that are there: the two features, and the folders by both."""
    outliers: tuple[Listed, ...]
    """Folders far outside of the middle half, for each feature that has such."""
    loud: Listed
    """Files with a true peak above 0 dBTP."""
    causes: tuple[Cause, ...]
    """Reasons of failures, the most frequent first."""
    quality: tuple[Listed, ...]
    """Folders with each defect that was found."""


def find(source: Source, where: str = "") -> Findings:
    """Ask for all of it, of the folders that meet a condition. Raises UsageError where it cannot be asked."""
    names = {column.name: column for column in source.columns()}
    summaries = {each.column.name: each for each in source.summary(None, where)}
    folders = next(iter(source.summary(("folder",), where)))
    states = next(iter(source.summary(("state",), where)))
    length = summaries.get("duration")
    return Findings(
        total=folders.count,
        states=tuple((each.label, each.count) for each in states.frequent),
        hours=(length.mean or 0.0) / 3600 * _numbers(length) if length else 0.0,
        coverage=tuple((name, each.count) for name, each in summaries.items()),
        distributions=tuple(summaries[name] for name in DISTRIBUTIONS if name in summaries and summaries[name].count),
        scatters=tuple((x, y, source.scatter(x, y, where=where)) for x, y in SCATTERS if {x, y} <= set(names)),
        outliers=tuple(_outliers(source, summaries, where)),
        loud=_listed(source, "true peak above 0 dBTP", "true_peak > 0", ("true_peak",), where, sort="-true_peak")
        if "true_peak" in names
        else Listed("true peak above 0 dBTP", 0, (), ()),
        causes=tuple(_causes(source, where)),
        quality=tuple(_quality(source, set(names), where)),
    )


def _numbers(summary: Summary | None) -> int:
    return sum(summary.histogram.counts) if summary and summary.histogram else 0


def _outliers(source: Source, summaries: Mapping[str, Summary], where: str) -> Iterator[Listed]:
    for name in DISTRIBUTIONS:
        each = summaries.get(name)
        if each is None or each.quartiles is None:
            continue
        first, _, third = each.quartiles
        # Where a bound is beyond all numbers no value is beyond it.
        low = max(first - _BEYOND * (third - first), -sys.float_info.max)
        high = min(third + _BEYOND * (third - first), sys.float_info.max)
        title = f"{name} below {low:.5g} or above {high:.5g}"
        found = _listed(source, title, f'"{name}" < {low!r} OR "{name}" > {high!r}', (name,), where, sort=f"-{name}")
        if found.count:
            yield found


def _listed(source: Source, title: str, condition: str, columns: tuple[str, ...], where: str, sort: str = "") -> Listed:
    both = f"({condition}) AND ({where})" if where.strip() else condition
    count = next(iter(source.summary(("folder",), both))).count
    columns = ("folder", *columns)
    rows = source.rows(Query(columns, both, (sort,) if sort else (), MOST_FOLDERS)) if count else ()
    return Listed(title, count, columns, tuple(rows))


def _causes(source: Source, where: str) -> Iterator[Cause]:
    condition = "state IN ('failed', 'blocked')"
    both = f"({condition}) AND ({where})" if where.strip() else condition
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for folder, why in source.rows(Query(("folder", "why"), both)):
        cause = alike(str(why or "unknown"))
        counts[cause] += 1
        examples.setdefault(cause, str(folder))
    for cause, count in counts.most_common(_MOST_CAUSES):
        yield Cause(cause, count, examples[cause])


def _quality(source: Source, names: set[str], where: str) -> Iterator[Listed]:
    for name, (condition, title) in _QUALITY.items():
        if name in names and ("sample_rate" in names or "sample_rate" not in condition):
            found = _listed(source, title, condition, (name,), where)
            if found.count:
                yield found

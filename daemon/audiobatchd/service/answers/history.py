"""The answer to what jobs have come to over time, out of the catalog's counts. For `audiobatchctl history`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from audiobatchd.control.history import History, Span
from audiobatchd.scan.catalog import history as counted
from audiobatchd.scan.catalog.history import AUDIO, BUSY, CAUSE, COST, OUTCOME, Counts, Period
from audiobatchd.vocabulary.states import NO_GOOD_END, Outcome

_DIGITS = 3
"""Digits of a second that are told."""


def history_of(kept: counted.History, datasets: Collection[str], since: float) -> History:
    """Sum up these datasets; called in a thread."""
    return History(tuple(_told(period, counts) for period, counts in kept.since(datasets, since).items()))


def _told(period: Period, counts: Counts) -> Span:
    ends = _whole(counts, OUTCOME)
    return Span(
        start=period.start,
        seconds=period.span,
        done=ends.get(Outcome.DONE, 0),
        failed=sum(ends.get(each, 0) for each in NO_GOOD_END),
        outcomes=ends,
        audio_seconds=round(counts.get((AUDIO, ""), 0.0), _DIGITS),
        busy_seconds=round(counts.get((BUSY, ""), 0.0), _DIGITS),
        costs={name: round(number, _DIGITS) for name, number in _of_kind(counts, COST).items()},
        causes=_whole(counts, CAUSE),
    )


def _of_kind(counts: Counts, kind: str) -> Mapping[str, float]:
    return {name: number for (each, name), number in sorted(counts.items()) if each == kind}


def _whole(counts: Counts, kind: str) -> dict[str, int]:
    return {name: round(number) for name, number in _of_kind(counts, kind).items()}

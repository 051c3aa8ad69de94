"""The answer about the history, out of counts."""

from __future__ import annotations

from pathlib import Path

from audiobatchd.control.history import Span
from audiobatchd.core.actions import CountJob
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.history import HOUR
from audiobatchd.service.answers.history import history_of
from audiobatchd.vocabulary.states import Outcome

START = 1_790_000_000 // HOUR * HOUR


def test_an_hour_tells_ends_costs_and_causes(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.sqlite")
    ends = [Outcome.DONE, Outcome.DONE, Outcome.FAILED, Outcome.ERROR, Outcome.BLOCKED, Outcome.SUSPECT, Outcome.LOCKED]
    for place, outcome in enumerate(ends):
        is_done = outcome is Outcome.DONE
        reason = "" if is_done or outcome is Outcome.LOCKED else f"at {place} s"
        job = CountJob("/music", outcome, reason, 1.0, 60.0 * is_done, {"loudness": 0.1234} if is_done else {})
        catalog.history.count(job, START + place, 100.0 + place)
    assert history_of(catalog.history, ["/music"], START).spans == (
        Span(
            start=START,
            seconds=HOUR,
            done=2,
            failed=4,
            outcomes={"blocked": 1, "done": 2, "error": 1, "failed": 1, "locked": 1, "suspect": 1},
            audio_seconds=120.0,
            busy_seconds=7.0,
            costs={"loudness": 0.247},
            causes={"at # s": 4},
        ),
    )
    assert history_of(catalog.history, ["/other"], 0).spans == ()
    catalog.close()

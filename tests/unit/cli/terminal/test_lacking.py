"""The one line on analyzers that lack models."""

from __future__ import annotations

import pytest

from audiobatchd.cli.terminal.lacking import is_fetchable, lacking_line
from audiobatchd.cli.terminal.text import cells
from audiobatchd.models.manifest import MODELS

REASONS = {
    "danceability": "no model of danceability is here: audiobatchctl models fetch danceability-msd-musicnn-1",
    "rhythm": "no library essentia is installed here",
    "atonality": "no model of tonal_atonal is here: audiobatchctl models fetch tonal_atonal-msd-musicnn-1 (cannot "
    "look into /srv/models: no permission)",
    "mine": "no model of mine is here: audiobatchctl models fetch mine-msd-musicnn-1",
}


def test_one_line_for_all_that_can_be_fetched() -> None:
    assert lacking_line(REASONS, 78) == "danceability, atonality need models: audiobatchctl models fetch"
    one = {"atonality": REASONS["atonality"]}
    assert lacking_line(one, 78) == "atonality needs models: audiobatchctl models fetch"


@pytest.mark.parametrize("name", ["rhythm", "mine"])
def test_what_no_published_model_mends_is_left_out(name: str) -> None:
    assert not is_fetchable(REASONS[name])
    assert lacking_line({name: REASONS[name]}, 78) == ""


def test_many_are_counted() -> None:
    names = {model.name: f"audiobatchctl models fetch {model.name}" for model in MODELS}
    line = lacking_line(names, 78)
    assert cells(line) <= 78
    assert line.endswith(" more need models: audiobatchctl models fetch")
    assert lacking_line(names, 60) == f"{len(MODELS)} analyzers need models: audiobatchctl models fetch"

"""Answers in words, where several commands say them."""

from __future__ import annotations

import json

import pytest

from audiobatchd.cli.wording import retried_in_words, say_answer
from audiobatchd.control.requests import Retried


@pytest.mark.parametrize(("count", "text"), [(0, "0 folders"), (1, "1 folder"), (1200, "1,200 folders")])
def test_retry_says_how_many(count: int, text: str) -> None:
    assert retried_in_words(Retried(count)) == f"{text} will be tried again."


def test_remarks_are_sentences_of_their_own() -> None:
    said: list[str] = []
    answer = Retried(0, ["A is complete", "\x1b[31mB runs"])
    say_answer(answer, "Done.", said.append, json=False)
    assert said == ["Done.", "A is complete.", r"\x1b[31mB runs."]
    said.clear()
    say_answer(answer, "", said.append, json=False)
    assert len(said) == 2


def test_json_is_the_answer_and_nothing_else() -> None:
    said: list[str] = []
    say_answer(Retried(2, ["why"]), "Done.", said.append, json=True)
    assert [json.loads(each) for each in said] == [{"folders": 2, "remarks": ["why"]}]

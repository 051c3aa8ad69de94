"""Asking a worker's process one question, and what is told of one that gives no answer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from audiobatchd.core.messages import WorkerSettings
from audiobatchd.errors import AudiobatchError
from audiobatchd.worker import questions
from audiobatchd.worker.questions import Request

SETTINGS = WorkerSettings((), {}, (), 7200.0)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 3", "cannot ask the analyzers: exit code 3"),
        ("kill -9 $$", "cannot ask the analyzers: killed by signal 9"),
        ("echo 'first' >&2; echo 'last words' >&2; exit 1", "cannot ask the analyzers: last words"),
        ("echo no JSON", "cannot ask the analyzers: exit code 0"),
    ],
)
def test_process_without_an_answer_is_told_with_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    for ask in (questions.offers, questions.features, lambda each: questions.analyze(each, Request("/music/Song"))):
        with pytest.raises(AudiobatchError) as caught:
            ask(SETTINGS)
        assert str(caught.value) == told


def test_program_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(AudiobatchError, match="cannot ask the analyzers: "):
        questions.offers(SETTINGS)


def test_answer_is_the_last_line_whatever_a_library_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho banner; printf '[]'\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert questions.offers(SETTINGS) == ()


def test_no_analyzer_gives_no_offer_and_is_not_on() -> None:
    assert questions.offers(SETTINGS) == ()
    assert not any(analyzer.on for analyzer in questions.features(SETTINGS))

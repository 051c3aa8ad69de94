"""Asking a worker's process one question, and what is told of one that gives no answer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from audiobatchd.core.messages import WorkerSettings
from audiobatchd.errors import AudiobatchError
from audiobatchd.worker import questions
from audiobatchd.worker.questions import Measuring, Request

SETTINGS = WorkerSettings((), {}, (), 7200.0)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 3", "cannot ask the analyzers: exit code 3"),
        ("kill -9 $$", "cannot ask the analyzers: killed by signal 9"),
        ("echo 'first' >&2; echo 'last words' >&2; exit 1", "cannot ask the analyzers: last words"),
        ("echo audiobatchd.errors.ConfigError: no x >&2; exit 1", "cannot ask the analyzers: no x"),
        ("echo KeyError: x >&2; exit 1", "cannot ask the analyzers: KeyError: x"),
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


def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_one_process_measures_all_until_it_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    stub(
        tmp_path,
        monkeypatch,
        f"echo start >> {log}; read -r settings; echo '{{}}'\n"
        "while read -r request; do\n"
        "  case $request in *Bad*) echo 'last words' >&2; kill -9 $$;; esac\n"
        """  echo '{"values": {"lufs": -14.0}}'\n"""
        "done\n"
        f"echo end >> {log}",
    )
    told = []
    with Measuring(SETTINGS, ()) as measuring:
        for path in ("/m/A", "/m/Bad", "/m/B", "/m/C"):
            measuring.start()
            try:
                told.append(str(measuring.ask(Request(path)).values))
            except AudiobatchError as error:
                told.append(str(error))
    assert told == ["{'lufs': -14.0}", "cannot ask the analyzers: last words", "{'lufs': -14.0}", "{'lufs': -14.0}"]
    assert log.read_text().split() == ["start", "start", "end"], "the last one heard of its end"


def test_process_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_ENDING", 0.1)
    stub(tmp_path, monkeypatch, "echo '{}'; exec sleep 1000")
    with Measuring(SETTINGS, ()) as measuring:
        measuring.start()
        process = measuring._process
    assert process is not None
    assert process.returncode == -9


def test_interrupted_request_ends_its_process_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(tmp_path, monkeypatch, "echo '{}'; exec sleep 1000")
    with pytest.raises(KeyboardInterrupt), Measuring(SETTINGS, ()) as measuring:  # noqa: PT012  # within it
        measuring.start()
        process = measuring._process
        raise KeyboardInterrupt
    assert process is not None
    assert process.returncode == -9


def test_real_process_answers_one_after_the_other(tmp_path: Path) -> None:
    with Measuring(SETTINGS, ()) as measuring:
        measuring.start()
        answers = [measuring.ask(Request(str(tmp_path / name))) for name in ("none", "", "none")]
    why = [
        f"cannot read {tmp_path}/none: No such file or directory",
        f"no track folder: there is no full mix in {tmp_path}/",
    ]
    assert [each.refused for each in answers] == [why[0], why[1].rstrip("/"), why[0]]


def test_program_that_takes_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_LOADING", 0.1)
    stub(tmp_path, monkeypatch, "exec sleep 1000")
    with pytest.raises(AudiobatchError, match=r"^cannot ask the analyzers: no answer within 0\.1 s$"):
        questions.offers(SETTINGS)


def test_program_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    for ask in (
        questions.offers,
        questions.wrong_options,
        lambda each: questions.analyze(each, Request("/music/Song")),
    ):
        with pytest.raises(AudiobatchError, match=r"^cannot ask the analyzers: No such file or directory$"):
            ask(SETTINGS)


def test_answer_is_the_last_line_whatever_a_library_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho banner; printf '[]'\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert questions.offers(SETTINGS) == ()


def test_no_analyzer_gives_no_offer_and_is_not_on() -> None:
    assert questions.offers(SETTINGS) == ()
    assert not any(analyzer.on for analyzer in questions.features(SETTINGS))

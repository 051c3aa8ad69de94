"""The service as it is set up on this machine: what its unit makes of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.cli import local
from audiobatchd.config.file import Config
from audiobatchd.errors import AudiobatchError, ConfigError
from audiobatchd.worker import questions


@pytest.mark.parametrize(
    ("timeout", "remark"),
    [
        ("45s", "stop_grace is 60 s, and audiobatchd.service is killed after 45 s: raise its TimeoutStopSec above 65"),
        ("1min 2s", "stop_grace is 60 s, and audiobatchd.service is killed after 62 s"),
        ("1min 30s", ""),
        ("infinity", ""),
    ],
)
def test_unit_that_ends_first_is_remarked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout: str, remark: str
) -> None:
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\necho LoadState=loaded\necho 'TimeoutStopUSec={timeout}'\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    told = local.ended_first(Config(stop_grace=60.0))
    assert told.startswith(remark)
    assert bool(told) == bool(remark)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert local.ended_first(Config(stop_grace=60.0)) == ""


AT_TOP = "belongs at the top of the file, above the first heading in brackets"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            'rhythm]\nmetod = "degara"',
            (
                "[analyzer.rhythm] unknown option `metod` (there are: `method`, `fold`, `beats_grid`) (line 3): "
                "did you mean `method`?"
            ),
        ),
        (
            "rhythm]\nheads = []",
            (
                "[analyzer.rhythm] unknown option `heads` (there are: `method`, `fold`, `beats_grid`) (line 3): "
                "it belongs under [analyzer.classifiers]"
            ),
        ),
        (
            "loudness]\nworkers = 2",
            f"[analyzer.loudness] unknown option `workers` (there are: none) (line 3): it {AT_TOP}",
        ),
        (
            "rhythm]\nmethod = true",
            (
                '[analyzer.rhythm] option `method`: expected "multifeature" or "multifeature-fast" or "degara", '
                "got true (line 2)"
            ),
        ),
        (
            "rhythm]\nfold = [80, 100]",
            "[analyzer.rhythm] option `fold`: expected at least an octave, got [80.0, 100.0] (line 2)",
        ),
        (
            'timbre]\nexcerpt = "5"',
            '[analyzer.timbre] option `excerpt`: expected a number that is 1 or more, got "5" (line 2)',
        ),
        (
            "timbre]\nexcerpt = 0",
            "[analyzer.timbre] option `excerpt`: expected a number that is 1 or more, got 0 (line 2)",
        ),
        ('onset]\nonsets = "no"', '[analyzer.onset] option `onsets`: expected true or false, got "no" (line 2)'),
        (
            'quality]\ndetectors = ["clik"]',
            (
                '[analyzer.quality] option `detectors`: expected a list of "clicks", "gaps", "hum", "noise", '
                'got ["clik"] (line 2)'
            ),
        ),
        (
            'classifiers]\nheads = "x"',
            '[analyzer.classifiers] option `heads`: expected a list of texts, got "x" (line 2)',
        ),
    ],
)
def test_wrong_option_is_told_with_its_line(tmp_path: Path, table: str, said: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"analyzers = ['tags']\n[analyzer.{table}\n")
    with pytest.raises(ConfigError) as refused:
        local.checked_config(path)
    assert str(refused.value) == f"{path}: {said}"


def test_options_are_taken_where_no_analyzer_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise AudiobatchError

    monkeypatch.setattr(questions, "wrong_options", fail)
    path = tmp_path / "c.toml"
    path.write_text("[analyzer.peaks]\nstem = true\n")
    assert local.checked_config(path).analyzer == {"peaks": {"stem": True}}


def test_no_analyzer_is_asked_without_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "wrong_options", lambda _: pytest.fail("it was asked"))
    path = tmp_path / "c.toml"
    path.write_text("workers = 1\n")
    assert local.checked_config(path).workers == 1

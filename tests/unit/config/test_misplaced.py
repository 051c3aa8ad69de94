"""Mistakes in a configuration, each with the whole text that is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.config.file import TABLES, Config, load_config
from audiobatchd.config.misplaced import of_option
from audiobatchd.errors import ConfigError
from audiobatchd.vocabulary.analyzer_sets import OPTIONS

DATASET = '[[dataset]]\npath = "m"\n'
AT_TOP = "belongs at the top of the file, above the first heading in brackets"
UNDER_DATASET = "belongs under a [[dataset]]"
NO_TABLE = "each dataset is a table of its own, under the heading [[dataset]]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("settle = 5", f"unknown key `settle` (line 1): it {UNDER_DATASET}"),
        ("ready-marker = 5", f"unknown key `ready-marker` (line 1): `ready_marker` {UNDER_DATASET}"),
        ("setle = 5", f"unknown key `setle` (line 1): did you mean `settle`? That {UNDER_DATASET}"),
        (f"{DATASET}workers = 2", f"unknown key `workers` - at `dataset[0]` (line 3): it {AT_TOP}"),
        (f"{DATASET}job-timeout = 2", f"unknown key `job-timeout` - at `dataset[0]` (line 3): `job_timeout` {AT_TOP}"),
        (
            f"{DATASET}{DATASET}operatrs = []",
            f"unknown key `operatrs` - at `dataset[1]` (line 5): did you mean `operators`? That {AT_TOP}",
        ),
        (f"{DATASET}Settle = 1", "unknown key `Settle` - at `dataset[0]` (line 3): did you mean `settle`?"),
        ("Job-Timeout = 2", "unknown key `Job-Timeout` (line 1): did you mean `job_timeout`?"),
        ("worker = 2", "unknown key `worker` (line 1): did you mean `workers` or `worker_nice` or `worker_cpus`?"),
        ("heads = []", "unknown key `heads` (line 1): it belongs under [analyzer.classifiers]"),
        ("beats-grid = true", "unknown key `beats-grid` (line 1): `beats_grid` belongs under [analyzer.rhythm]"),
        (
            f"{DATASET}stems = true",
            (
                "unknown key `stems` - at `dataset[0]` (line 3): it belongs under [analyzer.file] or [analyzer.peaks] "
                "or [analyzer.timbre]"
            ),
        ),
        (
            "[rhythm]\nfold = [80, 160]",
            "unknown key `rhythm` (line 1): options of an analyzer stand under [analyzer.rhythm]",
        ),
        (
            "[analyzers.rhythm]\nfold = [80, 160]",
            (
                "expected a list of texts, got a table - at `analyzers` (line 1): options of an analyzer stand under "
                "[analyzer.NAME]"
            ),
        ),
        (
            "[analyzer]\nfold = [80, 160]",
            "expected a table, got a list - at `analyzer.fold` (line 2): it belongs under [analyzer.rhythm]",
        ),
        (
            '[dataset]\npath = "m"',
            f"expected a list of tables, got a table - at `dataset` (line 1): {NO_TABLE}",
        ),
        ('dataset = "m"', f'expected a list of tables, got "m" - at `dataset` (line 1): {NO_TABLE}'),
        ('\ndataset = ["m"]', f'expected a table, got "m" - at `dataset[0]` (line 2): {NO_TABLE}'),
        ('[[datasets]]\npath = "m"', "unknown key `datasets` (line 1): did you mean `dataset`?"),
        (
            'socket = "/x"',
            "unknown key `socket` (line 1): that is said on the command line, --socket PATH, or by AUDIOBATCHD_SOCKET",
        ),
        (
            'state-dir = "/x"',
            "unknown key `state-dir` (line 1): that is said on the command line: --state-dir DIR",
        ),
        ("zzz = 1", "unknown key `zzz` (line 1)"),
        ('workers = "2"', 'expected a whole number, or "auto", got "2" - at `workers` (line 1)'),
        ("workers = 2.0", 'expected a whole number, or "auto", got 2.0 - at `workers` (line 1)'),
        ("job_timeout = true", "expected a number, got true - at `job_timeout` (line 1)"),
        ('recompute_other_models = "no"', 'expected true or false, got "no" - at `recompute_other_models` (line 1)'),
        ('analyzers = "loudness"', 'expected a list of texts, got "loudness" - at `analyzers` (line 1)'),
        ("operators = [\n  1,\n]", "expected text, got 1 - at `operators[0]` (line 1)"),
        ("stop_grace = 1979-05-27", "expected a number, got 1979-05-27 - at `stop_grace` (line 1)"),
        ("[[dataset]]\nsettle = 1", "the key `path` is missing - at `dataset[0]` (line 1)"),
        ('[[dataset]]\npath = ""', 'expected a path, got "" - at `dataset[0].path` (line 2)'),
        (
            f'{DATASET}mode = "event"',
            'expected "auto", "events" or "walk", got "event" - at `dataset[0].mode` (line 3)',
        ),
        (
            f'{DATASET}ready_marker = "a/b"',
            'expected the name of a file, without a path, got "a/b" - at `dataset[0].ready_marker` (line 3)',
        ),
        (
            'trusted_models = ["abc"]',
            'expected a SHA-256 of 64 hexadecimal digits, in lower case, got "abc" - at `trusted_models[0]` (line 1)',
        ),
        (f"{DATASET}rescan = 0", "expected a number from 0.1 to 31,536,000 - at `dataset[0].rescan` (line 3)"),
    ],
)
def test_mistake_is_told_with_its_line_and_the_right_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert str(refused.value) == f"{path}: {said}"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("metod", "did you mean `method`?"),
        ("beats-grid", "did you mean `beats_grid`?"),
        ("heads", "it belongs under [analyzer.classifiers]"),
        ("workers", f"it {AT_TOP}"),
        ("settle", f"it {UNDER_DATASET}"),
        ("zzz", ""),
    ],
)
def test_unknown_option_is_told_where_it_belongs(key: str, said: str) -> None:
    known = [option for option, owners in OPTIONS.items() if "rhythm" in owners]
    assert of_option(key, known, "rhythm", Config, TABLES) == said

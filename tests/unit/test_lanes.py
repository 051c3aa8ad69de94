"""The lanes that all tests run in: none is lost, each failure is told, and the last line counts all of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from support import lanes
from support.lanes import TESTS, main, summary

PASSES = "def test_it():\n    pass\n"
FAILS = "def test_it():\n    assert 1 == 2\n"
MARKED = "import pytest\n\n@pytest.mark.alone\ndef test_marked():\n    pass\n\ndef test_it():\n    pass\n"
ENDS = "import os\n\ndef test_it():\n    os._exit(9)\n"


@pytest.fixture
def tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty suite, in which the runner starts."""
    (tmp_path / "unit").mkdir()
    (tmp_path / "integration").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    alone\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # a fifth of the start
    return tmp_path


def suite(tests: Path, **files: str) -> None:
    """Write test files, those of integration by their last letter."""
    for name, content in files.items():
        (tests / ("unit" if name == "unit" else "integration") / f"test_{name}.py").write_text(content)


def test_every_test_file_is_in_one_lane_of_those_beside() -> None:
    beside, alone = lanes.lanes()
    named = [Path(path) for lane in beside for path in lane.paths]
    files = Counter(file for path in named for file in ([path] if path.is_file() else path.rglob("test_*.py")))
    everything = [*(TESTS / "unit").rglob("test_*.py"), *(TESTS / "integration").rglob("test_*.py")]
    assert files == Counter(everything)
    assert set(map(Path, alone[0].paths)) <= set(everything)


def test_tests_that_take_the_machine_are_marked() -> None:
    takers = {path for path in TESTS.rglob("test_*.py") if "kernel_limit(" in path.read_text()}
    assert takers - {Path(__file__)} <= set(map(Path, lanes.lanes()[1][0].paths))


def test_the_last_line_counts_all_lanes(tests: Path, capfd: pytest.CaptureFixture[str]) -> None:
    suite(tests, unit=MARKED, a=PASSES, b=PASSES)
    assert main([], tests) == 0
    last = capfd.readouterr().out.splitlines()[-1]
    assert last.strip("= ").startswith("4 passed in ")


def test_failures_are_told_and_run_again(tests: Path, capfd: pytest.CaptureFixture[str]) -> None:
    suite(tests, unit=PASSES, a=FAILS, b=PASSES)
    assert main([], tests) == 1
    said = capfd.readouterr().out.splitlines()
    assert "FAILED integration/test_a.py::test_it - assert 1 == 2" in said
    assert said[-1].strip("= ").startswith("1 failed, 2 passed in ")
    assert main(["--last-failed"], tests) == 1
    suite(tests, a=PASSES)
    assert main(["--last-failed"], tests) == 0
    assert capfd.readouterr().out.splitlines()[-1].strip("= ").startswith("1 passed in ")


def test_a_lane_that_ends_without_a_summary_is_an_error(tests: Path, capfd: pytest.CaptureFixture[str]) -> None:
    suite(tests, unit=PASSES, a=ENDS)
    assert main([], tests) == 1
    said = capfd.readouterr().out.splitlines()
    assert "ERROR the tests of lane integration-1 ended without a summary, exit code 9" in said
    assert said[-1].strip("= ").startswith("1 passed, 1 error in ")


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"passed": 13000, "skipped": 8}, "13000 passed, 8 skipped in 3725.50s (1:02:05)"),
        ({"error": 64, "failed": 6, "passed": 1}, "6 failed, 1 passed, 64 errors in 3725.50s (1:02:05)"),
        ({"passed": 1, "warning": 1}, "1 passed, 1 warning in 3725.50s (1:02:05)"),
        ({}, "no tests ran in 3725.50s (1:02:05)"),
    ],
    ids=str,
)
def test_summary(counts: dict[str, int], told: str) -> None:
    assert summary(counts, 3725.5).strip("= ") == told

"""The tests lie in the rooms of what they test: whoever changes a module finds its tests without a search."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
ROOMS = {
    ROOT / "daemon" / "audiobatchd": TESTS / "unit",
    ROOT / "analyzers" / "audiobatch_analyzers": TESTS / "unit" / "analyzers",
    ROOT / "packaging" / "publishing": TESTS / "unit" / "publishing",
}
"""Where the tests of each package lie."""

PLAIN = {
    "audiobatchd/cluster/wire": "what a pass and its places say to each other: sent by test_cluster",
    "audiobatchd/control/history": "what is asked and answered of the history: answers/test_history makes it",
    "audiobatchd/control/requests": "what is asked and answered on the socket: test_openapi holds each",
    "audiobatchd/control/results": "what is asked and answered of values: results/test_figures makes each",
    "audiobatchd/control/status": "what status answers: answers/test_status fills it, test_openapi holds it",
    "audiobatchd/core/actions": "what the core has done, taken apart by every test of the core",
    "audiobatchd/core/events": "what the core is told, put together by every test of the core",
    "audiobatchd/core/messages": "what workers and service say to each other: sent by test_pool and test_job",
    "audiobatchd/core/plan": "the configuration as the core needs it: test_planning derives it",
    "audiobatchd/core/readings": "what a look at a folder tells: test_folder_reader makes it",
    "audiobatchd/errors": "exceptions",
    "audiobatchd/scan/watch/contract": "protocols, and a watch that does nothing",
    "audiobatchd/web/contract": "protocols, and what handlers have",
    "audiobatchd/worker/orders": "what the process that makes pictures is asked: sent by test_media and test_serving",
    "audiobatchd/worker/process/__main__": "a choice between two functions",
    "audiobatchd/worker/process/media/__main__": "one call",
    "audiobatchd/vocabulary/hook_events": "names",
    "audiobatch_analyzers/engines/contract": "names and types",
}
"""Modules without anything to be tried, with what they hold."""

ELSEWHERE = {
    "audiobatchd/audio/gather": "unit/audio/test_views.py",
    "audiobatchd/audio/container": "unit/audio/test_encoding.py",
    "audiobatchd/cli/daemon": "integration/test_once.py",
    "audiobatchd/cli/start": "integration/test_reload.py",
    "audiobatchd/cli/retriers": "unit/cli/commands/test_audit.py",
    "audiobatchd/cluster/local": "integration/test_cluster.py",
    "audiobatchd/cluster/place": "integration/test_cluster.py",
    "audiobatchd/cluster/pool": "integration/test_cluster.py",
    "audiobatchd/cluster/session": "integration/test_cluster.py",
    "audiobatchd/core/shapes": "unit/core/test_assessment.py",
    "audiobatchd/library/essentia": "integration/test_analysis.py",
    "audiobatchd/service/daemon": "integration/test_service.py",
    "audiobatchd/service/one_pass": "integration/test_once.py",
    "audiobatchd/service/supervisor": "integration/test_service.py",
    "audiobatchd/worker/process/main": "integration/test_crashes.py",
    "publishing/indexes": "unit/publishing/test_repository.py",
}
"""Modules that show what they do only beside others, in real processes or one assessment, and where that is tried."""

MODULES = [
    (path, tests / path.parent.relative_to(package) / f"test_{path.stem}.py")
    for package, tests in ROOMS.items()
    for path in sorted(package.rglob("*.py"))
    if path.stem != "__init__"
]


def name_of(path: Path) -> str:
    """The module's name: from its package on."""
    return (
        path.relative_to(next(package.parent for package in ROOMS if path.is_relative_to(package)))
        .with_suffix("")
        .as_posix()
    )


@pytest.mark.parametrize(("module", "test"), MODULES, ids=[name_of(path) for path, _ in MODULES])
def test_each_module_has_a_test_of_its_name(module: Path, test: Path) -> None:
    name = name_of(module)
    why = (
        f"{name} needs {test.relative_to(ROOT)}; if there is nothing to try in it, name it in PLAIN with what it holds"
    )
    assert test.exists() or name in PLAIN or name in ELSEWHERE, why


def test_exceptions_are_modules_that_are_there() -> None:
    modules = {name_of(path) for path, _ in MODULES}
    assert PLAIN.keys() | ELSEWHERE.keys() <= modules
    assert not PLAIN.keys() & ELSEWHERE.keys()


@pytest.mark.parametrize("place", sorted(set(ELSEWHERE.values())))
def test_where_others_are_tried_there_are_tests(place: str) -> None:
    assert "\ndef test_" in (TESTS / place).read_text()

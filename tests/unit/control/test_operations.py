"""The table of operations: each has its answer, and what a client asks is what the service gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.history import AskHistory
from audiobatchd.control.operations import EVENTS, LINES, METRICS, OPENAPI, OPERATIONS, Operation
from audiobatchd.control.requests import CleanLocks, FolderName, Nothing, Pause, Rescan, Resume, RetryFolders, Survey
from audiobatchd.control.results import AskColumns, AskHistogram, AskRows, AskScatter, AskSummary
from audiobatchd.control.server.access import Peer
from audiobatchd.control.status import Status
from audiobatchd.service.answers.requests import Answers
from support.control_rig import ToldService, serving

ODD = "a&b=c d/\\xe9 %41+"
SERVICE = [each for each in OPERATIONS if each not in (EVENTS, OPENAPI, METRICS)]
ASKED: dict[type[msgspec.Struct], list[msgspec.Struct]] = {
    Nothing: [Nothing()],
    FolderName: [FolderName("/music", "A - B"), FolderName("/music", ODD)],
    Survey: [Survey("/music"), Survey(ODD, ["lufs", ODD], names=True)],
    RetryFolders: [RetryFolders([FolderName("/music", ODD)]), RetryFolders(all=True), RetryFolders(dataset="/music")],
    Pause: [Pause(), Pause("/music", 90.0)],
    Resume: [Resume(), Resume(ODD, override=True, seconds=0.5)],
    Rescan: [Rescan("/music"), Rescan("/music", accept=True)],
    AskColumns: [AskColumns(ODD)],
    AskRows: [AskRows("/music"), AskRows(ODD, ["folder", ODD], "a > 1 and b = 'x&y'", ["-" + ODD], 0)],
    AskSummary: [AskSummary("/music"), AskSummary(ODD, [ODD], ODD)],
    AskHistogram: [AskHistogram("/music", "bpm"), AskHistogram(ODD, ODD, 3, ODD)],
    AskScatter: [AskScatter("/music", "bpm", "lufs"), AskScatter(ODD, ODD, ODD, 3, ODD)],
    AskHistory: [AskHistory(), AskHistory(ODD, 1_790_000_000)],
    CleanLocks: [CleanLocks("/music"), CleanLocks("/music", 7.5, dry_run=True, free=True)],
}


def by_name(operation: Operation[Any, Any]) -> str:
    return operation.name


@pytest.mark.parametrize("operation", SERVICE, ids=by_name)
def test_the_service_answers_in_the_shapes_of_the_table(operation: Operation[Any, Any], busy: Status) -> None:
    assert hasattr(ToldService(lambda: busy), operation.name), (
        f"support/control_rig.ToldService needs {operation.name}, too"
    )
    method = getattr(Answers, operation.name)
    shapes = get_type_hints(method)
    assert shapes.pop("return") == operation.told
    asked = [each for each in shapes.values() if each is not Peer]  # which is who asks
    assert asked == ([] if operation.asked is Nothing else [operation.asked])


@pytest.mark.parametrize("operation", [each for each in SERVICE if each.asked is not Nothing], ids=by_name)
def test_what_is_asked_is_what_the_service_gets(operation: Operation[Any, Any], tmp_path: Path, busy: Status) -> None:
    assert operation.asked in ASKED, f"an example of {operation.asked.__name__} is missing from ASKED"
    told = ToldService(lambda: busy)
    with serving(tmp_path / "c.sock", lambda: busy, told):
        for asked in ASKED[operation.asked]:
            client = ControlClient(tmp_path / "c.sock")
            if operation.media == LINES:
                assert list(client.lines(operation, asked))[-1] == b'{"rows":2}\n'
            else:
                client.ask(operation, asked)  # which decodes the answer by the table's shape
    assert told.asked == ASKED[operation.asked]


def test_no_two_operations_share_a_name_or_a_way() -> None:
    assert len({each.name for each in OPERATIONS}) == len(OPERATIONS)
    assert len({(each.method, each.path) for each in OPERATIONS}) == len(OPERATIONS)

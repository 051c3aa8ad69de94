"""The order of work."""

from __future__ import annotations

import pytest

from audiobatchd.core.queue import Lane, Queue
from audiobatchd.vocabulary.files import FolderKey

Push = tuple[str, bool]


def drained(queue: Queue) -> list[str]:
    names = []
    while (popped := queue.pop(Lane.FRESH, Lane.BACKFILL)) is not None:
        names.append(popped[0].dataset + popped[0].path)
    return names


@pytest.mark.parametrize(
    ("pushes", "order"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([("a1", False), ("a2", False), ("a3", False)], ["a1", "a2", "a3"], id="first come, first served"),
        pytest.param(
            [("a1", False), ("a2", True), ("a3", False), ("a4", True)], ["a2", "a4", "a1", "a3"], id="fresh first"
        ),
        pytest.param(
            [("a1", False), ("a2", False), ("a3", False), ("b1", False), ("c1", False), ("c2", False)],
            ["a1", "b1", "c1", "a2", "c2", "a3"],
            id="in turn",
        ),
        pytest.param(
            [("a1", True), ("a2", True), ("b1", False), ("b2", True)],
            ["a1", "b2", "a2", "b1"],
            id="one dataset's fresh folders before another's backfill",
        ),
    ],
)
def test_order(pushes: list[Push], order: list[str]) -> None:
    queue = Queue()
    for name, fresh in pushes:
        queue.push(FolderKey(name[0], name[1:]), Lane.FRESH if fresh else Lane.BACKFILL)
    assert drained(queue) == order


def test_dataset_that_was_empty_for_long_gets_its_turn_alone() -> None:
    queue = Queue()
    queue.push(FolderKey("b", "0"), Lane.BACKFILL)
    for number in range(4):
        queue.push(FolderKey("a", str(number)), Lane.BACKFILL)
    first = [queue.pop(Lane.FRESH, Lane.BACKFILL) for _ in range(3)]
    assert [key.dataset + key.path for key, _ in filter(None, first)] == ["b0", "a0", "a1"]
    for number in range(1, 4):
        queue.push(FolderKey("b", str(number)), Lane.BACKFILL)
    assert drained(queue) == ["b1", "a2", "b2", "a3", "b3"]

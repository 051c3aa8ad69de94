"""When a folder's files have come to rest."""

from __future__ import annotations

import pytest

from audiobatchd.core.settle import Settling

Step = tuple[float, str, bool]


@pytest.mark.parametrize(
    ("steps", "answers"),
    [
        pytest.param([(0, "a", False)], [5.0], id="one reading is never enough"),
        pytest.param([(0, "a", False), (5, "a", False)], [5.0, None], id="two readings apart"),
        pytest.param([(0, "a", False), (4.9, "a", False), (5, "a", False)], [5.0, 5.0, None], id="too early"),
        pytest.param([(0, "a", False), (60, "a", False)], [5.0, None], id="the second may come late"),
        pytest.param([(0, "a", False), (5, "b", False), (10, "b", False)], [5.0, 10.0, None], id="a change restarts"),
        pytest.param(
            [(0, "a", False), (5, "b", False), (6, "a", False)], [5.0, 10.0, 11.0], id="and so does the way back"
        ),
        pytest.param(
            [(0, "a", True), (5, "a", True), (99, "a", True)], [5.0, 10.0, 104.0], id="a temporary name holds"
        ),
        pytest.param([(0, "a", True), (5, "b", False), (10, "b", False)], [5.0, 10.0, None], id="until it is gone"),
    ],
)
def test_readings(steps: list[Step], answers: list[float | None]) -> None:
    settling = Settling()
    got = [settling.observe(signature, on_their_way=way, settle=5.0, now=now) for now, signature, way in steps]
    assert got == answers


def test_without_settling_only_a_temporary_name_holds() -> None:
    assert Settling().observe("a", on_their_way=False, settle=0.0, now=7.0) is None
    assert Settling().observe("a", on_their_way=True, settle=0.0, now=7.0) == 8.0


def test_disturbance_restarts_settling_with_the_same_signature() -> None:
    settling = Settling()
    settling.observe("a", on_their_way=False, settle=5.0, now=0.0)
    settling.disturbed(4.0)
    assert settling.observe("a", on_their_way=False, settle=5.0, now=5.0) == 9.0


def test_every_restless_reading_counts() -> None:
    settling = Settling()
    for now in range(10):
        settling.observe(str(now), on_their_way=False, settle=5.0, now=float(now))
    assert settling.readings == 10
    settling.observe("9", on_their_way=False, settle=5.0, now=20.0)
    assert settling.readings == 10
    settling.observe("9", on_their_way=True, settle=5.0, now=21.0)
    assert settling.readings == 11

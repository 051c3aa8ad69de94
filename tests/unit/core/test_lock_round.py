"""The looks at a dataset's locks."""

from __future__ import annotations

import pytest

from audiobatchd.core.events import LocksSeen
from audiobatchd.core.lock_round import REAP_SHARE, LockRound
from audiobatchd.vocabulary.states import WalkKind
from support.core_rig import DATASET, walked

EVERY = 60.0


def after_a_walk() -> LockRound:
    made = LockRound()
    made.walked(walked("a/1", "b/2"), 100.0)
    return made


def test_locks_are_looked_at_after_a_walk_and_once_at_a_time() -> None:
    assert not LockRound().due(1e9)
    made = after_a_walk()
    assert made.parents == {"", "a", "b"}
    assert (made.due(99.0), made.due(100.0), made.due(1e9)) == (False, True, False)


def test_pass_adds_directories_and_a_full_walk_replaces_them() -> None:
    made = after_a_walk()
    made.walked(walked("c/3", kind=WalkKind.PASS), 200.0)
    assert made.parents == {"", "a", "b", "c"}
    made.walked(walked("c/3"), 300.0)
    assert made.parents == {"", "c"}


@pytest.mark.parametrize(("cost", "wait"), [(0.0, EVERY), (1.0, 1.0 / REAP_SHARE)])
def test_look_that_costs_much_comes_less_often(cost: float, wait: float) -> None:
    made = after_a_walk()
    assert made.due(100.0)
    made.seen(LocksSeen(DATASET, {"1.lock": "PID 7"}, cost=cost), EVERY, 200.0)
    assert (made.overdue, made.reap_at) == ({"1.lock": "PID 7"}, 200.0 + wait)


def test_one_pass_looks_once() -> None:
    made = after_a_walk()
    assert made.due(100.0)
    made.seen(LocksSeen(DATASET, {}), None, 200.0)
    assert made.reap_at is None


def test_walk_during_a_look_has_another_one_follow() -> None:
    made = after_a_walk()
    assert made.due(100.0)
    made.walked(walked("a/1"), 150.0)
    made.seen(LocksSeen(DATASET, {}), EVERY, 200.0)
    assert made.reap_at == 150.0

"""When a dataset is walked."""

from __future__ import annotations

import dataclasses
import math

import pytest

from audiobatchd.core.walk_schedule import LOOK_AGAIN, LOSS_SHARE, PASS, PASS_SHARE, WALK_SHARE, WalkSchedule
from audiobatchd.vocabulary.states import WalkKind
from support.core_rig import RESCAN, walked


def schedule(*kinds: WalkKind, cost: float = 0.0) -> WalkSchedule:
    """A schedule after these walks, each believed and ended at 100 s."""
    made = WalkSchedule(RESCAN)
    for kind in kinds:
        walk(made, kind, 100.0, cost)
    return made


def walk(made: WalkSchedule, kind: WalkKind, now: float, cost: float = 0.0) -> None:
    made.begin(kind)
    made.end(dataclasses.replace(walked("Song", kind=kind), cost=cost), now)
    made.go_on(now)


@pytest.mark.parametrize(
    ("known", "once", "kind"),
    [(0, False, WalkKind.FULL), (3, False, WalkKind.PASS), (3, True, WalkKind.FULL)],
)
def test_first_walk_is_a_pass_where_folders_are_known(known: int, once: bool, kind: WalkKind) -> None:
    assert schedule().due(0.0, known=known, once=once) is kind


def test_full_walk_follows_the_first_pass_at_once() -> None:
    assert schedule(WalkKind.PASS).due(100.0, known=3, once=False) is WalkKind.FULL


def test_one_pass_walks_once() -> None:
    made = schedule(WalkKind.FULL)
    assert made.due(math.inf, known=0, once=True) is None
    assert made.next_walk(once=True) is None


def test_nothing_is_due_while_a_walk_is_under_way() -> None:
    made = schedule(WalkKind.FULL)
    made.begin(WalkKind.PASS)
    assert made.due(math.inf, known=0, once=False) is None
    assert made.next_walk(once=False) is None


@pytest.mark.parametrize(("cost", "wait"), [(0.0, PASS), (0.1, PASS), (4.0, 4.0 / PASS_SHARE)])
def test_pass_that_costs_much_comes_less_often(cost: float, wait: float) -> None:
    made = schedule(WalkKind.FULL, WalkKind.PASS, cost=cost)
    assert made.pass_at == 100.0 + wait


@pytest.mark.parametrize(
    ("rescan", "cost", "due"),
    [
        (RESCAN, 60.0, 60.0 / WALK_SHARE),
        (RESCAN / 2, 0.0, RESCAN / 2),
        (RESCAN / 2, 60.0, 60.0 / WALK_SHARE),
        (2 * RESCAN, 0.0, RESCAN),
    ],
)
def test_another_rescan_counts_at_once_and_so_does_cost(rescan: float, cost: float, due: float) -> None:
    made = schedule(WalkKind.FULL, cost=cost)
    made.walk_every(rescan)
    assert made.full_at == 100.0 + due


def test_another_rescan_before_the_first_full_walk_waits_for_it() -> None:
    made = schedule()
    made.walk_every(1.0)
    assert made.due(0.0, known=0, once=False) is WalkKind.FULL


@pytest.mark.parametrize(("cost", "wait"), [(0.0, RESCAN), (1.0, RESCAN), (60.0, 60.0 / WALK_SHARE)])
def test_full_walk_that_costs_much_comes_less_often(cost: float, wait: float) -> None:
    assert schedule(WalkKind.FULL, cost=cost).full_at == 100.0 + wait


def test_wish_for_a_full_walk_is_granted_at_the_earliest() -> None:
    made = schedule(WalkKind.FULL)
    for when in (500.0, 900.0):
        made.want_full(when)
    assert made.full_at == 500.0


def test_wish_during_a_walk_is_granted_after_it_at_the_earliest() -> None:
    made = schedule()
    made.begin(WalkKind.FULL)
    for when in (120.0, 110.0, 130.0):
        made.want_full(when)
    made.end(walked("Song"), 115.0)
    made.go_on(115.0)
    assert made.full_at == 110.0
    walk(made, WalkKind.FULL, 200.0)
    assert made.full_at == 200.0 + RESCAN


def test_lost_events_are_made_up_for_at_once_but_in_bounds() -> None:
    made = schedule(WalkKind.FULL, cost=10.0)
    made.events_lost(101.0)
    assert made.full_at == 100.0 + 10.0 / LOSS_SHARE
    made.events_lost(1000.0)
    assert made.full_at == 100.0 + 10.0 / LOSS_SHARE
    assert schedule().full_at == 0.0


def test_wish_for_a_pass_waits_for_the_first_walk() -> None:
    made = schedule()
    made.want_pass(5.0)
    assert made.pass_at == math.inf
    walk(made, WalkKind.FULL, 100.0)
    made.want_pass(105.0)
    made.want_pass(150.0)
    assert made.pass_at == 105.0


def test_judgement_of_all_is_told_by_the_next_pass() -> None:
    made = schedule(WalkKind.FULL)
    made.want_judgement(200.0)
    assert made.due(200.0, known=3, once=False) is WalkKind.PASS
    assert made.begin(WalkKind.PASS)
    made.end(walked(kind=WalkKind.PASS), 201.0)
    assert not made.begin(WalkKind.PASS)


def test_judgement_asked_for_during_a_walk_follows_it_at_once() -> None:
    made = schedule(WalkKind.FULL)
    made.begin(WalkKind.FULL)
    made.want_judgement(200.0)
    made.end(walked(), 300.0)
    assert made.pass_at == 300.0


def test_suspended_dataset_has_full_walks_alone() -> None:
    made = schedule(WalkKind.FULL)
    made.suspend(100.0)
    assert (made.full_at, made.pass_at) == (100.0 + LOOK_AGAIN, math.inf)


def test_trees_within_another_one_are_walked_with_it() -> None:
    made = schedule()
    made.trees = {"a/b/c", "a", "ab", "x/y"}
    assert made.take_trees() == ("a", "ab", "x/y")
    assert made.is_walking_trees
    assert made.take_trees() == ()
    assert not made.is_walking_trees


def test_pass_that_starts_over_walks_once_more() -> None:
    schedule = WalkSchedule(RESCAN)
    for now in (0.0, 10.0):
        assert schedule.due(now, known=0, once=True) is WalkKind.FULL
        assert schedule.begin(WalkKind.FULL), "it tells of all"
        schedule.end(walked(), now)
        assert schedule.next_walk(once=True) is None
        schedule.start_over(10.0)

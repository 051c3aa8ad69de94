"""A dataset's root: there, walked, lost."""

from __future__ import annotations

import dataclasses

import pytest

from audiobatchd.core.dataset import Dataset
from audiobatchd.core.walk_schedule import LOOK_AGAIN, WalkSchedule
from audiobatchd.vocabulary.states import DatasetState, WalkKind
from support.core_rig import MISSING_ROOT, walked


def walking(state: DatasetState = DatasetState.ACTIVE) -> Dataset:
    dataset = Dataset("/music", WalkSchedule(3600.0), state=state)
    dataset.walk_started(WalkKind.FULL)
    return dataset


@pytest.mark.parametrize(
    ("root", "empty", "known", "state", "believed", "next_walk"),
    [
        pytest.param("", False, 0, DatasetState.ACTIVE, True, 3600.0, id="folders"),
        pytest.param("", True, 0, DatasetState.ACTIVE, True, 3600.0, id="empty, and always was"),
        pytest.param("", True, 3, DatasetState.PAUSED, False, LOOK_AGAIN, id="empty all of a sudden"),
        pytest.param(MISSING_ROOT, True, 3, DatasetState.MISSING, False, LOOK_AGAIN, id="gone"),
        pytest.param(MISSING_ROOT, True, 0, DatasetState.MISSING, False, LOOK_AGAIN, id="never there"),
    ],
)
def test_what_a_walk_means(
    root: str, empty: bool, known: int, state: DatasetState, believed: bool, next_walk: float
) -> None:
    dataset = walking()
    assert dataset.state is DatasetState.WALKING
    assert dataset.walked(walked(root=root, empty=empty), known, known, now=100.0) is believed
    assert (dataset.state, dataset.schedule.full_at, dataset.schedule.under_way) == (state, 100.0 + next_walk, None)
    assert (dataset.schedule.full.count, dataset.schedule.full.ended) == (1, 100.0)


@pytest.mark.parametrize("state", [DatasetState.PAUSED, DatasetState.MISSING])
def test_one_that_was_lost_says_so_until_a_walk_finds_it(state: DatasetState) -> None:
    dataset = walking(state)
    assert dataset.state is state
    dataset.walked(walked("Song"), 3, 3, now=100.0)
    assert (dataset.state, dataset.remark) == (DatasetState.ACTIVE, "")


def test_a_root_that_cannot_be_read_is_not_said_to_be_absent() -> None:
    dataset = walking()
    dataset.walked(
        dataclasses.replace(walked(root=MISSING_ROOT), remark="cannot read it: Permission denied"), 0, 0, now=0.0
    )
    assert (dataset.state, dataset.remark) == (DatasetState.MISSING, "cannot read it: Permission denied")


def test_the_remark_of_a_walk_is_kept() -> None:
    dataset = walking()
    dataset.walked(dataclasses.replace(walked("Song"), remark="no events"), 0, 0, now=0.0)
    assert (dataset.state, dataset.remark) == (DatasetState.ACTIVE, "no events")

"""The set of complete folders, held against plain dictionaries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audiobatchd.core.completed import Complete
from audiobatchd.vocabulary.files import FolderKey
from support.core_rig import DATASET, key

NAMES = st.sampled_from("ABCD")
STEPS = st.lists(st.tuples(NAMES, st.none() | st.integers(0, 9)), max_size=30)
"""Folders that are added, with the number of features that they lack, or taken out (None)."""


@given(STEPS)
def test_counts_hold_whatever_comes_and_goes(steps: list[tuple[str, int | None]]) -> None:
    found, lacking = Complete(), dict[str, int]()
    for name, unavailable in steps:
        if unavailable is None:
            assert found.discard(key(name)) == (name in lacking)
            lacking.pop(name, None)
        else:
            found.add(key(name), unavailable)
            lacking[name] = unavailable
    assert set(found) == set(map(key, lacking))
    assert (len(found), found.count(DATASET)) == (len(lacking), len(lacking))
    assert set(found.paths(DATASET)) == lacking.keys()
    assert found.unavailable.get(DATASET, 0) == sum(lacking.values())


def test_round_tells_what_it_did_not_come_by() -> None:
    found = Complete()
    for name in ("A", "B"):
        found.add(key(name), 0)
    found.begin_round(DATASET)
    assert found.not_seen(DATASET) == ["A", "B"]
    found.add(key("A"), 0)
    assert found.not_seen(DATASET) == ["B"]


def test_dropped_dataset_leaves_nothing_of_it_alone() -> None:
    found = Complete()
    found.add(key("A"), 3)
    found.add(FolderKey("/other", "A"), 2)
    found.drop(DATASET)
    assert list(found) == [FolderKey("/other", "A")]
    assert found.unavailable == {"/other": 2}
    assert key("A") not in found

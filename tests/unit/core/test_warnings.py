"""The warnings that are told of directories."""

from __future__ import annotations

from audiobatchd.core.warnings import Warnings
from support.core_rig import DATASET, key


def test_warnings_are_replaced_and_counted() -> None:
    warnings = Warnings()
    warnings.tell(key("A"), ("one", "two"))
    warnings.tell(key("B"), ("three",))
    assert warnings.count[DATASET] == 3
    warnings.tell(key("A"), ("four",))
    assert (warnings.by_folder[DATASET][key("A")], warnings.count[DATASET]) == (("four",), 2)
    warnings.tell(key("A"), ())
    assert (list(warnings.by_folder[DATASET]), warnings.count[DATASET]) == ([key("B")], 1)


def test_warnings_of_an_earlier_round_are_stale() -> None:
    warnings = Warnings()
    warnings.tell(key("A"), ("one",), 1)
    warnings.tell(key("B"), ("two",), 2)
    assert warnings.stale(DATASET, 2) == [key("A")]


def test_dropped_dataset_has_no_warnings() -> None:
    warnings = Warnings()
    warnings.tell(key("A"), ("one",))
    warnings.tell(key("A", "/other"), ("two",))
    warnings.drop(DATASET)
    assert (warnings.by_folder[DATASET], warnings.count[DATASET]) == ({}, 0)
    assert warnings.count["/other"] == 1

"""Shortages of this process, or of the machine."""

from __future__ import annotations

from audiobatchd.core.shortage import Shortage
from support.core_rig import reports


def test_shortage_is_told_once_for_as_long_as_it_lasts() -> None:
    shortage = Shortage()
    assert reports(shortage.met("too many open files", 100.0)) == ["service-short"]
    assert shortage.met("too many open files", 104.0) == []
    assert shortage.met("too many open files", 108.0) == [], "it has lasted"
    assert reports(shortage.met("too many open files", 113.0)) == ["service-short"]


def test_shortage_that_nothing_meets_is_over() -> None:
    shortage = Shortage()
    assert shortage.reason(0.0) == ""
    shortage.met("out of memory", 100.0)
    assert (shortage.reason(104.9), shortage.reason(105.0)) == ("out of memory", "")

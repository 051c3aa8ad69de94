"""Reasons that are made alike."""

from __future__ import annotations

import pytest

from audiobatchd.vocabulary.causes import MOST_CHARACTERS, alike


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("its audio is damaged at 61.440 s", "its audio is damaged at #.# s"),
        ("its audio is damaged at 7.5 s", "its audio is damaged at #.# s"),
        ("is empty", "is empty"),
        ("it needs 123456789 bytes", "it needs # bytes"),
        ("x" * 300, "x" * MOST_CHARACTERS),
        ("", ""),
    ],
)
def test_reasons_differ_in_more_than_numbers(reason: str, cause: str) -> None:
    assert alike(reason) == cause

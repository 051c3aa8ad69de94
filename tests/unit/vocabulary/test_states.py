"""The states, which other programs read, and the groups that they fall into."""

from __future__ import annotations

import pytest

from audiobatchd.vocabulary.states import ENDED, TO_DO, TROUBLED, FolderState, in_one_line


def test_each_folder_is_on_its_way_at_an_end_or_locked() -> None:
    assert {*TO_DO, *ENDED, FolderState.LOCKED} == set(FolderState)
    assert not set(TO_DO) & set(ENDED)
    assert set(TROUBLED) == set(ENDED) - {FolderState.COMPLETE}


@pytest.mark.parametrize(
    ("reasons", "line"),
    [
        ({}, ""),
        ({"": "not JSON"}, "not JSON"),
        ({"drums.wav": "damaged", "": "it changed"}, "drums.wav: damaged; it changed"),
    ],
)
def test_reasons_stand_in_one_line(reasons: dict[str, str], line: str) -> None:
    assert in_one_line(reasons) == line

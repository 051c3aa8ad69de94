"""Which files a feature is measured from, and what makes another state of a result."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from audiobatchd.core.needs import ADOPTED, files_read, state_of
from audiobatchd.core.provenance import Entry
from audiobatchd.plugin_api import Needs
from audiobatchd.vocabulary.files import Fingerprint

SUM = ("other", "bass")


@pytest.mark.parametrize(
    ("sum_of", "role", "files", "read"),
    [
        ((), "bass", ("full_mix", "bass"), ("bass",)),
        (SUM, "full_mix", ("full_mix", "other", "bass", "drums"), ("bass", "other")),
        (SUM, "drums", ("full_mix", "drums", "other"), ("other",)),
        (SUM, "drums", ("full_mix", "drums"), ("full_mix",)),
        (SUM, "drums", ("drums",), ("drums",)),
    ],
)
def test_files_that_are_read(sum_of: tuple[str, ...], role: str, files: tuple[str, ...], read: tuple[str, ...]) -> None:
    assert files_read(Needs(sum_of), role, files) == read


FILE = Fingerprint("bass.wav", 10, 1, "blake2b:00")
ENTRY = Entry(
    fingerprint=FILE,
    version=3,
    models={"net": "aa"},
    unmeasurable={"bpm": "silent"},
    others={"other": FILE},
    results={"rhythm": {"full_mix": "1 aa"}},
)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 4},
        {"models": {"net": "ab"}},
        {"unmeasurable": {}},
        {"fingerprint": Fingerprint("bass.wav", 10, 1, "blake2b:01")},
        {"others": {}},
        {"others": {"other": Fingerprint("bass.wav", 10, 1, "blake2b:01")}},
        {"results": {"rhythm": {"full_mix": "1 ab"}}},
        {"results": {"rhythm": {"bass": "1 aa"}}},
    ],
    ids=", ".join,
)
def test_state_changes_with_all_that_a_result_depends_on(change: dict[str, Any]) -> None:
    assert state_of(msgspec.structs.replace(ENTRY, **change)) != state_of(ENTRY)
    assert state_of(ENTRY).startswith("3 ")


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": Fingerprint("other.flac", 11, 2, "blake2b:00")},
        {"unmeasurable": {"bpm": "too short"}},
        {"measured": "today", "host": "here"},
    ],
    ids=", ".join,
)
def test_state_stays_whatever_else_changes(change: dict[str, Any]) -> None:
    assert state_of(msgspec.structs.replace(ENTRY, **change)) == state_of(ENTRY)


def test_result_without_an_entry_is_adopted() -> None:
    assert state_of(None) == ADOPTED

"""Facts by name: they come back in the next run, and one that is known already is not written again."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.vocabulary.files import FileId
from support.catalog_rig import statements, verbs
from support.core_rig import offer

LOUDNESS, MOOD = offer(), offer("mood", bases=("mood",))


def test_facts_are_known_to_the_next_run(path: Path) -> None:
    catalog = Catalog(path)
    assert (catalog.facts.offers(), catalog.facts.root("/music"), catalog.facts.place("/music")) == (None, None, "")
    catalog.facts.note_offers((LOUDNESS, MOOD))
    catalog.facts.note_root("/music", FileId(1, 2), "/mnt/caf\udce9")
    catalog.close()
    again = Catalog(path)
    assert again.facts.offers() == (LOUDNESS, MOOD)
    assert (again.facts.root("/music"), again.facts.root("/other")) == ((1, 2), None)
    assert again.facts.place("/music") == "/mnt/caf\udce9"
    again.close()


def test_pause_ends_by_time_or_by_forgetting(path: Path) -> None:
    catalog = Catalog(path)
    catalog.facts.note_pause("/for ever", None)
    catalog.facts.note_pause("/until ten", 10.0)
    assert catalog.facts.pauses(4.0) == {"/for ever": None, "/until ten": 6.0}
    assert catalog.facts.pauses(10.0) == {"/for ever": None}
    catalog.facts.forget_pause("/for ever")
    catalog.facts.forget_pause("/never paused")
    assert catalog.facts.pauses(4.0) == {"/until ten": 6.0}
    catalog.close()


def test_fact_that_is_known_is_not_written_again(path: Path) -> None:
    catalog = Catalog(path)
    for _ in range(2):
        with statements(catalog) as executed:
            catalog.facts.note_offers((LOUDNESS,))
            catalog.facts.note_root("/music", FileId(1, 2), "/mnt")
    assert verbs(executed) == ["SELECT"] * 3
    with statements(catalog) as executed:
        catalog.facts.note_root("/music", FileId(1, 3), "/mnt")
    assert verbs(executed) == ["SELECT", "BEGIN", "INSERT", "COMMIT", "SELECT"]
    catalog.close()


@pytest.mark.parametrize("value", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\xa1x"])
def test_fact_that_cannot_be_decoded_is_unknown(path: Path, value: bytes) -> None:
    catalog = Catalog(path)
    for name in (b"offers", b"root /music", b"pause /music"):
        catalog.facts.note(name, value)
    assert (catalog.facts.offers(), catalog.facts.root("/music"), catalog.facts.pauses(0.0)) == (None, None, {})
    catalog.close()

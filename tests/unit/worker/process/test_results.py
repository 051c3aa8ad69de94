"""Results that analyzers need: of the job under way where they were due, else what lies on disk, never an old one."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from audiobatchd.core.assessment import Due, Offer
from audiobatchd.core.needs import ADOPTED, state_of
from audiobatchd.core.provenance import Entry
from audiobatchd.disk import record
from audiobatchd.disk.record import Record
from audiobatchd.plugin_api import LARGEST_RESULT, Needs, Value
from audiobatchd.vocabulary.files import Fingerprint
from audiobatchd.worker.process.measure import FileResult
from audiobatchd.worker.process.results import Results, Stored, stored_in

GIVER = Offer("giver", 1, {"full_mix": ("level", ".LEVELS"), "bass": ("level_bass",)})
TAKER = Offer(
    "taker",
    1,
    {"full_mix": ("taken",), "bass": ("taken_bass",)},
    needs={"full_mix": Needs(results=("level", "level_bass")), "bass": Needs(results=("level", ".LEVELS"))},
)
OFFERS = (GIVER, TAKER)
FILE = Fingerprint("full_mix.wav", 1, 1, "blake2b:00")
ENTRY = Entry(fingerprint=FILE, version=1)
OLD = msgspec.structs.replace(ENTRY, version=7)
FILES = ("full_mix", "bass")


def result(values: dict[str, Value] | None = None, files: dict[str, str | bytes] | None = None) -> FileResult:
    """What the giver has measured."""
    return FileResult(FILE, values=values or {}, files=files or {}, entries={"giver": ENTRY})


def stored(values: dict[str, bytes] | None = None, companions: dict[str, bytes] | None = None) -> Stored:
    beside = companions or {}
    return Stored(values or {}, beside, lambda name, _role: OLD if name == "giver" else None, beside.get)


def due(*roles: str) -> dict[str, tuple[Due, ...]]:
    """The giver is to measure these."""
    return {role: (Due("giver"),) for role in roles}


def test_analyzers_that_go_before_are_those_of_the_same_role() -> None:
    results = Results(OFFERS, FILES, {}, Stored())
    assert results.before("full_mix") == {"taker": frozenset({"giver"})}
    assert results.before("bass") == {"taker": frozenset()}


def test_what_is_not_due_is_read_from_disk() -> None:
    found = Results(OFFERS, FILES, {}, stored({"level": b"1.5"}, {".LEVELS": b"\xff"})).look("taker", "bass", result())
    assert found is not None
    assert found.values == {"level": 1.5, ".LEVELS": b"\xff"}
    assert found.states == {"giver": {"full_mix": state_of(OLD)}}


def test_what_was_due_is_read_from_what_was_measured() -> None:
    results = Results(OFFERS, FILES, due("full_mix"), stored({"level": b"1.5"}, {".LEVELS": b"old"}))
    assert results.look("taker", "bass", FileResult(FILE)) is None
    results.take("full_mix", result({"level": 2.5}, {".LEVELS": "ä"}))
    found = results.look("taker", "bass", FileResult(FILE))
    assert found is not None
    assert found.values == {"level": 2.5, ".LEVELS": "ä".encode()}
    assert found.states == {"giver": {"full_mix": state_of(ENTRY)}}


def test_what_is_measured_of_the_same_file_counts_at_once() -> None:
    results = Results((GIVER, TAKER), ("full_mix",), due("full_mix"), Stored())
    assert results.look("taker", "full_mix", FileResult(FILE)) is None
    found = results.look("taker", "full_mix", result({"level": 2.5}))
    assert found is not None
    assert found.values == {"level": 2.5, "level_bass": None}


@pytest.mark.parametrize("of", ["the same file", "another file"])
def test_what_turned_out_unchanged_is_read_from_disk(of: str) -> None:
    results = Results(OFFERS, FILES, due("full_mix"), stored({"level": b"1.5"}, {".LEVELS": b"old"}))
    unchanged = FileResult(FILE, unchanged={"giver"})
    if of == "another file":
        results.take("full_mix", unchanged)
        found = results.look("taker", "bass", FileResult(FILE))
    else:
        found = results.look("taker", "full_mix", unchanged)
    assert found is not None
    assert found.values["level"] == 1.5


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1", 1),
        (b"1.5", 1.5),
        (b'"F# minor"', "F# minor"),
        (b"true", True),
        (b'{"House": 0.5}', {"House": 0.5}),
        (b"null", None),
        (b"NaN", None),
        (b"[1]", None),
        (b'{"a": "b"}', None),
        (b'"\xff"', None),
        (b"[" * 5000, None),
    ],
)
def test_values_of_the_record_are_of_our_kinds_or_none(raw: bytes, value: Value | None) -> None:
    found = Results(OFFERS, FILES, {}, Stored({"level": raw})).look("taker", "full_mix", FileResult(FILE))
    assert found is not None
    assert found.values["level"] == value
    assert type(found.values["level"]) is type(value)
    assert found.states["giver"]["full_mix"] == ADOPTED


@pytest.fixture
def song(tmp_path: Path) -> Path:
    folder = tmp_path / "So\nng"
    folder.mkdir()
    return folder


def told_of(song: Path, content: bytes | None) -> tuple[bytes | None, list[str]]:
    """What is read of a companion file with this content, and what is said where it cannot be."""
    failures: list[str] = []
    if content is not None:
        (song / "So\nng.LEVELS").write_bytes(content)
    with record.opened(str(song)) as descriptor:
        found = stored_in(str(song), descriptor, Record(), (), lambda name, error: failures.append(f"{name}: {error}"))
        return found.read(".LEVELS"), failures


def test_companion_is_read_up_to_a_bound(song: Path) -> None:
    assert told_of(song, bytes(LARGEST_RESULT)) == (bytes(LARGEST_RESULT), [])
    content, failures = told_of(song, bytes(LARGEST_RESULT + 1))
    assert content is None
    assert failures[0].startswith("So\\x0ang.LEVELS: its ")


@pytest.mark.parametrize("kind", ["gone", "a directory", "a FIFO"])
def test_companion_that_cannot_be_read_is_told(song: Path, kind: str) -> None:
    if kind == "a directory":
        (song / "So\nng.LEVELS").mkdir()
    elif kind == "a FIFO":
        os.mkfifo(song / "So\nng.LEVELS")
    content, failures = told_of(song, None)
    assert (content, len(failures)) == (None, 1)


def test_companion_just_measured_has_the_same_bound() -> None:
    refused: list[tuple[str, int]] = []
    results = Results(OFFERS, FILES, due("full_mix"), Stored(refuse=lambda *told: refused.append(told)))
    results.take("full_mix", result({"level": 1.0}, {".LEVELS": bytes(LARGEST_RESULT + 1)}))
    assert results.look("taker", "bass", FileResult(FILE)) is None
    assert refused == [(".LEVELS", LARGEST_RESULT + 1)]

"""What a record says of its own making: ours understood or refused, others' entries kept byte for byte."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec import Raw

from audiobatchd.core import provenance
from audiobatchd.core.provenance import Entry, Provenance
from audiobatchd.errors import RecordError
from audiobatchd.vocabulary.files import Fingerprint

MIX = Fingerprint("full_mix.flac", 1000, 1, "flac:00")
ENTRY = Entry(fingerprint=MIX, version=1)
WHOLE = Entry(
    fingerprint=MIX,
    version=2,
    models={"musicnn": "aa"},
    unmeasurable={"lra": "shorter than 3 s"},
    measured="2026-11-24T08:22:30+00:00",
    host="nas",
)


def decoded(text: str) -> Provenance:
    return provenance.decode(Raw(text.encode()))


@pytest.mark.parametrize("raw", [None, Raw(b"null"), Raw(b"{}"), Raw(b'{"format": 1, "analyzers": {}}')])
def test_a_record_without_provenance_has_an_empty_one(raw: Raw | None) -> None:
    assert provenance.decode(raw) == Provenance(1, {})
    assert provenance.decode(raw).entry("loudness", "full_mix") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("5", "."),
        ("[]", "."),
        ('"x"', "."),
        ('{"format": "1"}', "."),
        ('{"format": null}', "."),
        ('{"format": 2}', "format 2 was written by a later audiobatchd"),
        ('{"format": 99, "analyzers": {"loudness": {}}}', "format 99 was written by a later audiobatchd"),
        ('{"analyzers": []}', "."),
        ('{"analyzers": {"loudness": null}}', "."),
        ('{"analyzers": {"loudness": []}}', "."),
    ],
)
def test_what_is_not_ours_to_understand_is_refused(text: str, why: str) -> None:
    with pytest.raises(RecordError, match=f"cannot understand _audiobatch: {why}"):
        decoded(text)


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "null",
            "5",
            "{}",
            '{"version": 1}',
            '{"fingerprint": null, "version": 1}',
            '{"fingerprint": {}, "version": 1}',
        ),
        json.dumps({**msgspec.to_builtins(ENTRY), "beyond_memory": 10**30}),  # no catalog could carry it
    ],
)
def test_a_spoiled_entry_hurts_only_who_asks_for_it(entry: str) -> None:
    found = decoded('{"analyzers": {"loudness": {"full_mix": ' + entry + ', "drums": null}, "key": {}}}')
    assert found.entry("key", "full_mix") is None
    assert found.entry("loudness", "bass") is None
    with pytest.raises(RecordError, match="cannot understand _audiobatch of loudness for full_mix: "):
        found.entry("loudness", "full_mix")


@pytest.mark.parametrize("entry", [ENTRY, WHOLE])
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    raw = provenance.merged(Provenance(), {"loudness": {"full_mix": entry}})
    assert provenance.decode(raw).entry("loudness", "full_mix") == entry


def test_an_entry_says_nothing_of_what_there_is_not() -> None:
    raw = provenance.merged(Provenance(), {"loudness": {"full_mix": ENTRY}})
    told = json.loads(bytes(raw))
    assert told["format"] == 1
    assert told["analyzers"]["loudness"]["full_mix"].keys() == {"fingerprint", "version"}


def test_entry_of_a_later_program_is_understood_in_part() -> None:
    later = '{"fingerprint": {"file": "full_mix.flac", "size": 1000, "mtime_ns": 1, "digest": "flac:00", "x": 1}'
    found = decoded('{"analyzers": {"loudness": {"full_mix": ' + later + ', "version": 1, "y": 2}}}}')
    assert found.entry("loudness", "full_mix") == ENTRY


def test_only_what_was_measured_is_replaced() -> None:
    strange = '{"what": [1.10, 1e400], "n": "\\u0041"}'
    old = decoded(
        '{"analyzers": {"key": {"full_mix": ' + strange + '}, "loudness": {"full_mix": {}, "drums": ' + strange + "}}}"
    )
    raw = provenance.merged(old, {"loudness": {"full_mix": ENTRY, "bass": ENTRY}, "mood": {"full_mix": WHOLE}})
    new = provenance.decode(raw)
    assert bytes(new.analyzers["key"]["full_mix"]) == strange.encode()
    assert bytes(new.analyzers["loudness"]["drums"]) == strange.encode()
    assert new.entry("loudness", "full_mix") == new.entry("loudness", "bass") == ENTRY
    assert new.entry("mood", "full_mix") == WHOLE
    assert list(new.analyzers) == ["key", "loudness", "mood"]


def test_merging_leaves_the_old_one_as_it_was() -> None:
    old = decoded('{"analyzers": {"loudness": {"drums": {}}}}')
    provenance.merged(old, {"loudness": {"full_mix": ENTRY}})
    assert old.analyzers == {"loudness": {"drums": Raw(b"{}")}}

"""When a folder is complete: the design's section of that name, line by line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from audiobatchd.core.assessment import Assessment, Due, Facts, Offer, Policy, assess, judges
from audiobatchd.core.file_memory import FileMemory, disowning
from audiobatchd.core.provenance import Entry
from audiobatchd.core.shapes import Account, Shape, accounts_of, assess_shape
from audiobatchd.vocabulary.files import FileStamp, Fingerprint
from support.core_rig import offer, stamp

MIX = stamp()
DRUMS = stamp("drums.flac", 500, 2)
DIGEST = "blake2b:00"
LOUDNESS = offer()
MOOD = offer("mood", bases=("mood",), models={"musicnn": "aa"})
TIMBRE = msgspec.structs.replace(
    offer("timbre", bases=("brightness",), models={"span": "middle 30 s"}), binding=("span",)
)
NO_MOOD = offer("mood", bases=("mood",), unavailable="no model")
NOT_ASKED = msgspec.structs.replace(LOUDNESS, asked=False)


def entry(
    of: FileStamp = MIX,
    version: int = 1,
    digest: str = DIGEST,
    models: dict[str, str] | None = None,
    unmeasurable: dict[str, str] | None = None,
) -> Entry:
    """The provenance of a file that was measured as it is."""
    return Entry(
        fingerprint=Fingerprint(of.shown, of.size, of.mtime_ns, digest),
        version=version,
        models=models or {},
        unmeasurable=unmeasurable or {},
    )


@dataclass(frozen=True)
class Case:
    """What is known of a folder, and what follows. `due` maps roles to analyzers to the digest that is compared."""

    name: str
    files: dict[str, FileStamp] = field(default_factory=lambda: {"full_mix": MIX})
    present: str = ""
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    memory: dict[str, FileMemory] = field(default_factory=dict)
    offers: tuple[Offer, ...] = (LOUDNESS,)
    policy: Policy = field(default_factory=Policy)
    due: dict[str, dict[str, str | None]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    adopted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unavailable: tuple[str, ...] = ()


OURS = {("loudness", "full_mix"): entry()}
MEASURED: dict[str, Any] = {"present": "lufs lra", "entries": OURS}
LEFT_OUT = {
    ("loudness", "full_mix"): msgspec.structs.replace(
        entry(unmeasurable=dict.fromkeys(("lufs", "lra"), "longer than 2 h")), beyond_limit=7260.0
    )
}
TOO_LARGE = {
    ("loudness", "full_mix"): msgspec.structs.replace(
        entry(unmeasurable=dict.fromkeys(("lufs", "lra"), "takes 7.0 GiB of memory")), beyond_memory=7 << 30
    )
}
TOUCHED = stamp(mtime_ns=9)
GROWN = stamp(size=1001, mtime_ns=9)
TAGS = msgspec.structs.replace(offer("tags", bases=("title",)), whole_file=True)
WHOLE = "blake2b:ff"
BOTH: dict[str, Any] = {
    "present": "lufs lra title",
    "offers": (LOUDNESS, TAGS),
    "entries": {("loudness", "full_mix"): entry(digest="flac:00"), ("tags", "full_mix"): entry(digest=WHOLE)},
}
DAMAGED = FileMemory(MIX, failure="its end is missing", judges=judges((LOUDNESS,)))

CASES = [
    Case("new: everything is due", due={"full_mix": {"loudness": None}}),
    Case("whole file: measured as it is", **BOTH),
    Case(
        "whole file: touched, each compares its own digest",
        files={"full_mix": TOUCHED},
        **BOTH,
        due={"full_mix": {"loudness": "flac:00", "tags": WHOLE}},
    ),
    Case(
        "whole file: of another size, as after an edit of tags, it is due whatever the digest",
        files={"full_mix": GROWN},
        **BOTH,
        due={"full_mix": {"loudness": "flac:00", "tags": None}},
    ),
    Case(
        "whole file: touched and both digests are remembered",
        files={"full_mix": TOUCHED},
        memory={"full_mix": FileMemory(TOUCHED, digest="flac:00", whole=WHOLE)},
        **BOTH,
    ),
    Case(
        "whole file: the digest of the content says nothing of tags",
        files={"full_mix": TOUCHED},
        memory={"full_mix": FileMemory(TOUCHED, digest="flac:00")},
        **BOTH,
        due={"full_mix": {"tags": WHOLE}},
    ),
    Case(
        "whole file: and the other way round",
        files={"full_mix": TOUCHED},
        memory={"full_mix": FileMemory(TOUCHED, whole=WHOLE)},
        **BOTH,
        due={"full_mix": {"loudness": "flac:00"}},
    ),
    Case(
        "every file is judged by itself",
        files={"full_mix": MIX, "drums": DRUMS},
        present="lufs lra",
        entries=OURS,
        due={"drums": {"loudness": None}},
    ),
    # measured, unmeasurable, failed
    Case("measured", present="lufs lra", entries=OURS),
    Case(
        "unmeasurable counts as complete",
        present="lufs",
        entries={("loudness", "full_mix"): entry(unmeasurable={"lra": "shorter than 3 s"})},
    ),
    Case("left out by a limit that still stands", entries=LEFT_OUT, policy=Policy(max_duration=7200.0)),
    Case(
        "left out by a limit that was raised, or of another machine",
        entries=LEFT_OUT,
        policy=Policy(max_duration=7300.0),
        due={"full_mix": {"loudness": None}},
    ),
    Case("left out by a limit, and asked without one", entries=LEFT_OUT, due={"full_mix": {"loudness": None}}),
    Case("left out for its memory, which is not there still", entries=TOO_LARGE, policy=Policy(worker_memory=6 << 30)),
    Case(
        "left out for its memory, which is there now",
        entries=TOO_LARGE,
        policy=Policy(worker_memory=7 << 30),
        due={"full_mix": {"loudness": None}},
    ),
    Case("a key that was lost is due", present="lufs", entries=OURS, due={"full_mix": {"loudness": None}}),
    Case("a known failure is not tried again", memory={"full_mix": DAMAGED}, failed={"full_mix": "its end is missing"}),
    Case(
        "a failed file holds the good ones up in nothing",
        files={"full_mix": MIX, "drums": DRUMS},
        memory={"full_mix": DAMAGED},
        due={"drums": {"loudness": None}},
        failed={"full_mix": "its end is missing"},
    ),
    Case(
        "a known failure ends when the file changes",
        files={"full_mix": TOUCHED},
        memory={"full_mix": DAMAGED},
        due={"full_mix": {"loudness": None}},
    ),
    Case(
        "a known failure ends with a new version",
        memory={"full_mix": DAMAGED},
        offers=(offer(version=2),),
        due={"full_mix": {"loudness": None}},
    ),
    Case(
        "a known failure ends with a new model",
        memory={"full_mix": FileMemory(MIX, failure="damaged", judges=judges((MOOD,)))},
        offers=(offer("mood", bases=("mood",), models={"musicnn": "bb"}),),
        due={"full_mix": {"mood": None}},
    ),
    Case("a failure of a file that lacks nothing is no failure", **MEASURED, memory={"full_mix": DAMAGED}),
    # what this machine lacks
    Case(
        "what is unavailable is named and not due",
        present="lufs lra",
        entries=OURS,
        offers=(LOUDNESS, NO_MOOD),
        unavailable=("mood",),
    ),
    Case("unless the record has it", present="lufs lra mood", entries=OURS, offers=(LOUDNESS, NO_MOOD)),
    Case(
        "when it appears it is due",
        present="lufs lra",
        entries=OURS,
        offers=(LOUDNESS, MOOD),
        due={"full_mix": {"mood": None}},
    ),
    # records written by other tools
    Case("adopted by its keys alone", present="lufs lra", adopted={"full_mix": ("loudness",)}),
    Case("not with one key missing", present="lufs", due={"full_mix": {"loudness": None}}),
    Case(
        "adopted, and as it was",
        present="lufs lra",
        memory={"full_mix": FileMemory(MIX, adopted=("loudness",))},
        adopted={"full_mix": ("loudness",)},
    ),
    Case(
        "adopted, and replaced since",
        files={"full_mix": TOUCHED},
        present="lufs lra",
        memory={"full_mix": FileMemory(MIX, adopted=("loudness",))},
        due={"full_mix": {"loudness": None}},
    ),
    Case(
        "one replaced file makes only its own keys stale",
        files={"full_mix": TOUCHED, "drums": DRUMS},
        present="lufs lra lufs_drums lra_drums",
        memory={"full_mix": FileMemory(MIX, adopted=("loudness",)), "drums": FileMemory(DRUMS, adopted=("loudness",))},
        due={"full_mix": {"loudness": None}},
        adopted={"drums": ("loudness",)},
    ),
    Case("adopt = false", present="lufs lra", policy=Policy(adopt=False), due={"full_mix": {"loudness": None}}),
    Case("adopt = false does not doubt what is ours", present="lufs lra", entries=OURS, policy=Policy(adopt=False)),
    Case("overwrite, adopted", present="lufs lra", policy=Policy(overwrite=True), due={"full_mix": {"loudness": None}}),
    Case("overwrite, ours", **MEASURED, policy=Policy(overwrite=True), due={"full_mix": {"loudness": None}}),
    # changed files
    Case(
        "another size",
        files={"full_mix": GROWN},
        present="lufs lra",
        entries=OURS,
        due={"full_mix": {"loudness": None}},
    ),
    Case(
        "same size, other mtime: the digest is compared first",
        files={"full_mix": TOUCHED},
        present="lufs lra",
        entries=OURS,
        due={"full_mix": {"loudness": DIGEST}},
    ),
    Case(
        "same size, other mtime, and the digest was equal",
        files={"full_mix": TOUCHED},
        present="lufs lra",
        entries=OURS,
        memory={"full_mix": FileMemory(TOUCHED, digest=DIGEST)},
    ),
    Case(
        "and was equal for an earlier mtime",
        files={"full_mix": TOUCHED},
        present="lufs lra",
        entries=OURS,
        memory={"full_mix": FileMemory(stamp(mtime_ns=8), digest=DIGEST)},
        due={"full_mix": {"loudness": DIGEST}},
    ),
    Case(
        "another name",
        files={"full_mix": stamp("full_mix.aif")},
        present="lufs lra",
        entries=OURS,
        due={"full_mix": {"loudness": DIGEST}},
    ),
    Case(
        "tags of a FLAC edited: the size says nothing",
        files={"full_mix": GROWN},
        present="lufs lra",
        entries={("loudness", "full_mix"): entry(digest="flac:00")},
        due={"full_mix": {"loudness": "flac:00"}},
    ),
    Case(
        "tags of a FLAC edited, and the digest was equal",
        files={"full_mix": GROWN},
        present="lufs lra",
        entries={("loudness", "full_mix"): entry(digest="flac:00")},
        memory={"full_mix": FileMemory(GROWN, digest="flac:00")},
    ),
    Case(
        "a changed file makes only its own features stale",
        files={"full_mix": GROWN, "drums": DRUMS},
        present="lufs lra lufs_drums lra_drums",
        entries=OURS | {("loudness", "drums"): entry(DRUMS)},
        due={"full_mix": {"loudness": None}},
    ),
    Case("a file that was removed leaves nothing due", files={}, present="lufs lra", entries=OURS),
    # two machines
    Case("a lower version is due", **MEASURED, offers=(offer(version=2),), due={"full_mix": {"loudness": None}}),
    Case("a higher version is complete", present="lufs", entries={("loudness", "full_mix"): entry(version=3)}),
    Case(
        "another model is complete",
        present="mood",
        entries={("mood", "full_mix"): entry(models={"musicnn": "bb"})},
        offers=(MOOD,),
    ),
    Case(
        "another span, which binds",
        present="brightness",
        entries={("timbre", "full_mix"): entry(models={"span": "middle 300 s"})},
        offers=(TIMBRE,),
        due={"full_mix": {"timbre": None}},
    ),
    Case(
        "the same span",
        present="brightness",
        entries={("timbre", "full_mix"): entry(models={"span": "middle 30 s"})},
        offers=(TIMBRE,),
    ),
    Case(
        "another span of a later version",
        present="brightness",
        entries={("timbre", "full_mix"): entry(version=2, models={"span": "middle 300 s"})},
        offers=(TIMBRE,),
    ),
    Case(
        "another model, recompute_other_models",
        present="mood",
        entries={("mood", "full_mix"): entry(models={"musicnn": "bb"})},
        offers=(MOOD,),
        policy=Policy(recompute_other_models=True),
        due={"full_mix": {"mood": None}},
    ),
    Case(
        "the same model, recompute_other_models",
        present="mood",
        entries={("mood", "full_mix"): entry(models={"musicnn": "aa"})},
        offers=(MOOD,),
        policy=Policy(recompute_other_models=True),
    ),
    # only some features
    Case(
        "only: what lacks none of them",
        present="lufs",
        policy=Policy(only=("lufs",)),
        adopted={"full_mix": ("loudness",)},
    ),
    Case("only: what lacks one", present="lra", policy=Policy(only=("lufs",)), due={"full_mix": {"loudness": None}}),
    Case(
        "only: a feature of one stem",
        files={"full_mix": MIX, "drums": DRUMS},
        policy=Policy(only=("lufs_drums",)),
        due={"drums": {"loudness": None}},
    ),
    Case("only: another analyzer's", policy=Policy(only=("mood",)), offers=(LOUDNESS, NO_MOOD), unavailable=("mood",)),
    Case("an analyzer that is not asked for", offers=(NOT_ASKED, msgspec.structs.replace(NO_MOOD, asked=False))),
    Case("no analyzer at all", offers=()),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_completeness(case: Case) -> None:
    facts = Facts(
        case.files, frozenset(case.present.split()), lambda name, role: case.entries.get((name, role)), case.memory
    )
    due = {
        role: tuple(
            Due(analyzer, ((role, case.entries[analyzer, role].fingerprint),) if digest else ())
            for analyzer, digest in analyzers.items()
        )
        for role, analyzers in case.due.items()
    }
    found = assess(facts, case.offers, case.policy)
    told = Assessment(found.due, found.failed, found.adopted, found.unavailable)
    assert told == Assessment(due, case.failed, case.adopted, case.unavailable)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.entries in (LEFT_OUT, TOO_LARGE)], ids=lambda c: c.name
)
def test_shape_tells_of_a_limit_what_the_record_tells(case: Case) -> None:
    accounts = accounts_of(("full_mix",), ("loudness",), lambda name, role: case.entries.get((name, role)))
    shape = Shape(("full_mix",), (), msgspec.json.decode(msgspec.json.encode(accounts), type=tuple[Account, ...]))
    assert assess_shape(shape, case.offers, case.policy).due.keys() == case.due.keys()


def test_judges_names_what_is_available_in_one_order() -> None:
    both = offer("mood", 2, ("mood",), {"b": "2", "a": "1"})
    assert judges((LOUDNESS, both, NO_MOOD)) == "loudness-1 mood-2+a=1+b=2"
    assert judges((both, LOUDNESS)) == judges((LOUDNESS, both))
    assert judges((NO_MOOD,)) == judges((NOT_ASKED,)) == judges(()) == ""


def test_offers_of_before_whole_files_decode() -> None:
    told = msgspec.msgpack.encode({"name": "loudness", "version": 1, "features": {"full_mix": ["lufs"]}})
    assert msgspec.msgpack.decode(told, type=Offer) == Offer("loudness", 1, {"full_mix": ("lufs",)}, whole_file=False)


# What is not to be taken over


DISOWNED = disowning({}, {"full_mix": ("lufs",), "drums": ("lufs_drums",)})


def facts(present: str, memory: dict[str, FileMemory], entries: dict[tuple[str, str], Entry] | None = None) -> Facts:
    known = entries or {}
    names = frozenset(present.split())
    return Facts({"full_mix": MIX}, names, lambda analyzer, role: known.get((analyzer, role)), memory)


def test_disowned_features_are_due_although_adopted() -> None:
    found = assess(facts("lufs lra", DISOWNED), (LOUDNESS,), Policy())
    assert (found.due, found.adopted, found.is_due) == ({"full_mix": (Due("loudness"),)}, {}, True)


def test_disowning_one_feature_leaves_other_analyzers() -> None:
    found = assess(facts("lufs lra mood", DISOWNED), (LOUDNESS, MOOD), Policy())
    assert found.due == {"full_mix": (Due("loudness"),)}
    assert found.adopted == {"full_mix": ("mood",)}


def test_what_was_measured_is_not_disowned() -> None:
    found = assess(facts("lufs lra", DISOWNED, OURS), (LOUDNESS,), Policy())
    assert not found.is_due


def test_disowned_features_wait_for_their_analyzer() -> None:
    memory = disowning({}, {"full_mix": ("mood",)})
    assert not assess(facts("mood", memory), (NO_MOOD,), Policy()).is_due
    assert assess(facts("mood", memory), (MOOD,), Policy()).is_due


def test_disowned_features_of_absent_files_are_struck_out() -> None:
    found = assess(facts("lufs lra lufs_drums lra_drums", DISOWNED, OURS), (LOUDNESS,), Policy())
    assert (found.due, found.struck, found.is_due) == ({}, ("lufs_drums",), True)


def test_what_was_measured_of_absent_files_stays() -> None:
    known = {**OURS, ("loudness", "drums"): entry(DRUMS)}
    assert not assess(facts("lufs lra lufs_drums", DISOWNED, known), (LOUDNESS,), Policy()).is_due


def test_only_what_is_asked_for_is_struck_out() -> None:
    found = assess(facts("lufs lra lufs_drums", DISOWNED, OURS), (LOUDNESS,), Policy(only=("lra_drums",)))
    assert not found.is_due

"""What is still due in a track folder: its files and its record held against what the analyzers offer.

Used twice for every folder, on the same terms: by the daemon to find work, and by the worker under the folder's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from audiobatchd.core.provenance import Entry
from audiobatchd.vocabulary.files import FileStamp


class Offer(Struct, frozen=True):
    """What one analyzer of a worker gives: feature names by role.

    `unavailable` says why it cannot work on this machine.
    """

    name: str
    version: int
    features: dict[str, tuple[str, ...]]
    models: dict[str, str] = {}
    unavailable: str | None = None


class Policy(Struct, frozen=True):
    """How the user wants completeness judged. `only` restricts it to these features."""

    adopt: bool = True
    overwrite: bool = False
    recompute_other_models: bool = False
    only: tuple[str, ...] | None = None
    max_duration: float | None = None
    """What is longer is left out here, in seconds; None: nothing is."""


class FileMemory(Struct, frozen=True):
    """What is remembered of one source file beyond its record.

    `digest` was found for `stamp`; the keys of `adopted` analyzers were taken over while the file had `stamp`;
    `failure` is the damage found in it by the analyzers that `judges` names.
    """

    stamp: FileStamp
    digest: str | None = None
    adopted: tuple[str, ...] = ()
    failure: str | None = None
    judges: str = ""


class Due(Struct, frozen=True):
    """One analyzer has to measure a file, unless the file's digest turns out to be `unless_digest`."""

    analyzer: str
    unless_digest: str | None = None


class Assessment(Struct):
    """The answer, by role: what is `due`, why files `failed`, which analyzers' keys are `adopted`.

    `unavailable` are the features that nothing on this machine can give.
    """

    due: dict[str, tuple[Due, ...]]
    failed: dict[str, str]
    adopted: dict[str, tuple[str, ...]]
    unavailable: tuple[str, ...]


class Facts(Struct):
    """What is known of a folder when it is assessed. `entry` looks into the record's provenance."""

    files: Mapping[str, FileStamp]
    present: frozenset[str]
    entry: Callable[[str, str], Entry | None]
    memory: Mapping[str, FileMemory]


def judges(offers: tuple[Offer, ...], worker_memory: int | None = None) -> str:
    """Names the analyzers at their versions and models: a failure is looked at again when this changes.

    `worker_memory` is there where it failed because it takes more.
    """
    parts = []
    for offer in offers:
        if offer.unavailable is None:
            models = "".join(f"+{name}={digest}" for name, digest in sorted(offer.models.items()))
            parts.append(f"{offer.name}-{offer.version}{models}")
    return " ".join([*sorted(parts), *(() if worker_memory is None else (f"worker_memory={worker_memory}",))])


def assess(facts: Facts, offers: tuple[Offer, ...], policy: Policy) -> Assessment:
    """What is due, failed, adopted and unavailable in one folder."""
    answer = Assessment({}, {}, {}, ())
    unavailable: list[str] = []
    for role, stamp in facts.files.items():
        memory = facts.memory.get(role)
        memory = memory if memory is not None and memory.stamp == stamp else None
        due: list[Due] = []
        adopted: list[str] = []
        for offer in offers:
            wanted = _wanted(offer, role, policy)
            if not wanted:
                continue
            if offer.unavailable is not None:
                unavailable += [name for name in wanted if name not in facts.present]
                continue
            entry = facts.entry(offer.name, role)
            if entry is None and _adopts(offer.name, role, wanted, facts, policy):
                adopted.append(offer.name)
            elif (work := _due(offer, entry, wanted, stamp, memory, facts, policy)) is not None:
                due.append(work)
        if due and memory is not None and memory.failure is not None and memory.judges == judges(offers):
            answer.failed[role] = memory.failure
        elif due:
            answer.due[role] = tuple(due)
        if adopted:
            answer.adopted[role] = tuple(adopted)
    answer.unavailable = tuple(unavailable)
    return answer


def _wanted(offer: Offer, role: str, policy: Policy) -> tuple[str, ...]:
    features = offer.features.get(role, ())
    if policy.only is None:
        return features
    return tuple(name for name in features if name in policy.only)


def _adopts(analyzer: str, role: str, wanted: tuple[str, ...], facts: Facts, policy: Policy) -> bool:
    """A record by other tools is complete by its keys alone, until the file is replaced under our eyes."""
    if policy.overwrite or not policy.adopt or not facts.present.issuperset(wanted):
        return False
    memory = facts.memory.get(role)
    return memory is None or analyzer not in memory.adopted or memory.stamp == facts.files[role]


def _due(
    offer: Offer,
    entry: Entry | None,
    wanted: tuple[str, ...],
    stamp: FileStamp,
    memory: FileMemory | None,
    facts: Facts,
    policy: Policy,
) -> Due | None:
    """`memory` is what is known of exactly this stamp."""
    if policy.overwrite or entry is None or entry.version < offer.version:
        return Due(offer.name)
    if entry.models != offer.models and policy.recompute_other_models:
        return Due(offer.name)
    if entry.beyond_limit is not None and (policy.max_duration is None or entry.beyond_limit <= policy.max_duration):
        return Due(offer.name)  # a limit left it out, of another machine or of before
    # Another version or model may give other keys: what it left out is not for us to add.
    same_keys = entry.version == offer.version and entry.models == offer.models
    if same_keys and any(name not in facts.present and name not in entry.unmeasurable for name in wanted):
        return Due(offer.name)
    known = entry.fingerprint
    if (known.size, known.mtime_ns) == (stamp.size, stamp.mtime_ns) and known.file == stamp.shown:
        return None
    if memory is not None and memory.digest == known.digest:
        return None
    # A tag edit changes the size of a FLAC file and not its audio, which is all that its digest covers.
    may_be_equal = known.size == stamp.size or known.digest.startswith("flac:")
    return Due(offer.name, known.digest if may_be_equal else None)

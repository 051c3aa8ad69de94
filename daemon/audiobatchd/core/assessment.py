"""Assessment of a track folder: its files and its record held against what the analyzers offer.

It is made twice, on the same terms: by the service to find work, and by the worker under the folder's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from audiobatchd.core.provenance import Entry
from audiobatchd.vocabulary.files import FileStamp


class Offer(Struct, frozen=True):
    """Features that one analyzer of a worker gives."""

    name: str
    version: int
    features: dict[str, tuple[str, ...]]
    """Their names, by role."""
    models: dict[str, str] = {}
    """Digests of its models, by name."""
    unavailable: str | None = None
    """Reason why it cannot work on this machine; None where it can."""
    binding: tuple[str, ...] = ()
    """The names in `models` that have to be the same for a result to count, whatever the policy: options of its own."""
    cost: int = 0
    """Cost, as a `plugin_api.Cost`; 0 where that was not told."""
    remark: str = ""
    """Words for people on how it works on this machine."""
    asked: bool = True
    """False where none of its features is asked for: it was not loaded, and nothing is due of it."""
    whole_file: bool = False
    """True where its results are of all bytes of a file, tags too, and not of the audio alone."""


class Policy(Struct, frozen=True):
    """Terms on which completeness is judged."""

    adopt: bool = True
    """Take the keys of records by other tools for complete."""
    overwrite: bool = False
    """Measure everything again."""
    recompute_other_models: bool = False
    """Measure again what another model gave."""
    only: tuple[str, ...] | None = None
    """The features that are asked for; None: all."""
    max_duration: float | None = None
    """Seconds of audio beyond which a file is left out; None: there is no bound."""
    worker_memory: int | None = None
    """Bytes of memory beyond which an analyzer leaves a file out; None: there is no bound."""


class FileMemory(Struct, frozen=True):
    """Memory of one source file beyond its record, for as long as it has this stamp."""

    stamp: FileStamp
    digest: str | None = None
    """The digest of its content."""
    adopted: tuple[str, ...] = ()
    """The analyzers with keys in the record that were taken over."""
    failure: str | None = None
    """The damage that was found in it."""
    judges: str = ""
    """The analyzers that found it, as `judges` names them."""
    whole: str | None = None
    """The digest of all of its bytes."""

    def known(self, *, whole_file: bool) -> str | None:
        """Return the digest of its content, or of all of its bytes, as far as it is known."""
        return self.whole if whole_file else self.digest


class Due(Struct, frozen=True):
    """Work that is due: one analyzer measures a file, unless the file's digest turns out to be `unless_digest`.

    That is the digest of its content, or of all of its bytes, whichever the analyzer's results are of.
    """

    analyzer: str
    unless_digest: str | None = None


class Assessment(Struct):
    """Result of assessing one folder."""

    due: dict[str, tuple[Due, ...]]
    """Work, by role."""
    failed: dict[str, str]
    """Damage of a file that is not tried again, by role."""
    adopted: dict[str, tuple[str, ...]]
    """Analyzers with keys that other tools wrote, by role."""
    unavailable: tuple[str, ...]
    """The features that nothing on this machine can give."""


class Facts(Struct):
    """Facts about a folder by which it is assessed."""

    files: Mapping[str, FileStamp]
    """Its source files, by role."""
    present: frozenset[str]
    """The keys of its record."""
    entry: Callable[[str, str], Entry | None]
    """A look into the record's provenance, by analyzer and role."""
    memory: Mapping[str, FileMemory]
    """Memory of its files, by role."""


def judges(offers: tuple[Offer, ...], worker_memory: int | None = None) -> str:
    """Name the analyzers at their versions and models: a failure is looked at again when this changes.

    `worker_memory` is there where it failed because it takes more.
    """
    parts = []
    for offer in offers:
        if offer.asked and offer.unavailable is None:
            models = "".join(f"+{name}={digest}" for name, digest in sorted(offer.models.items()))
            parts.append(f"{offer.name}-{offer.version}{models}")
    return " ".join([*sorted(parts), *(() if worker_memory is None else (f"worker_memory={worker_memory}",))])


def assess(facts: Facts, offers: tuple[Offer, ...], policy: Policy) -> Assessment:
    """Assess one folder."""
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


def renewed(assessment: Assessment, offers: tuple[Offer, ...], policy: Policy) -> tuple[str, ...]:
    """Name the analyzers that are due in files which others measured as they are; none where anything else is due."""
    names: set[str] = set()
    for role, work in assessment.due.items():
        due = {each.analyzer for each in work}
        others = (offer for offer in offers if offer.unavailable is None and _wanted(offer, role, policy))
        if all(offer.name in due for offer in others):
            return ()
        names |= due
    return tuple(sorted(names))


def _wanted(offer: Offer, role: str, policy: Policy) -> tuple[str, ...]:
    features = offer.features.get(role, ()) if offer.asked else ()
    if policy.only is None:
        return features
    return tuple(name for name in features if name in policy.only)


def _adopts(analyzer: str, role: str, wanted: tuple[str, ...], facts: Facts, policy: Policy) -> bool:
    """Tell whether a record by other tools is complete by its keys alone: until the file is seen to be replaced."""
    if policy.overwrite or not policy.adopt or not facts.present.issuperset(wanted):
        return False
    memory = facts.memory.get(role)
    return memory is None or analyzer not in memory.adopted or memory.stamp == facts.files[role]


def _is_within(beyond: float | None, limit: float | None) -> bool:
    """Tell whether what was left out as `beyond` some limit would not be by this one."""
    return beyond is not None and (limit is None or beyond <= limit)


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
    if entry.version == offer.version and any(
        entry.models.get(name) != offer.models.get(name) for name in offer.binding
    ):
        return Due(offer.name)
    if entry.models != offer.models and policy.recompute_other_models:
        return Due(offer.name)
    if _is_within(entry.beyond_limit, policy.max_duration) or _is_within(entry.beyond_memory, policy.worker_memory):
        return Due(offer.name)  # a limit left it out, of another machine or of before
    # Another version or model may give other keys: what it left out is not for us to add.
    same_keys = entry.version == offer.version and entry.models == offer.models
    if same_keys and any(name not in facts.present and name not in entry.unmeasurable for name in wanted):
        return Due(offer.name)
    known = entry.fingerprint
    if (known.size, known.mtime_ns) == (stamp.size, stamp.mtime_ns) and known.file == stamp.shown:
        return None
    if memory is not None and memory.known(whole_file=offer.whole_file) == known.digest:
        return None
    # A tag edit changes the size of a FLAC file and not its audio, which is all that its digest covers.
    may_be_equal = known.size == stamp.size or known.digest.startswith("flac:")
    return Due(offer.name, known.digest if may_be_equal else None)

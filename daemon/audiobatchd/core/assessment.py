"""Assessment of a track folder: its files and its record held against what the analyzers offer.

It is made twice, on the same terms: by the service to find work, and by the worker under the folder's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from msgspec import Struct

from audiobatchd.core.file_memory import FileMemory, outdated
from audiobatchd.core.needs import NO_NEEDS, files_read, state_of
from audiobatchd.core.provenance import Entry
from audiobatchd.plugin_api import Needs
from audiobatchd.vocabulary.files import ROLES, FileStamp, Fingerprint


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
    needs: dict[str, Needs] = {}
    """Needs of its features, by role, where it has any."""
    groups: tuple[str, ...] = ()
    """Names by which all of its features can be asked for: that of its entry point and its own, but no feature's."""


class Policy(Struct, frozen=True):
    """Terms on which completeness is judged."""

    adopt: bool = True
    """Take the keys of records by other tools for complete."""
    overwrite: bool = False
    """Measure everything again."""
    recompute_other_models: bool = False
    """Measure again what another model gave."""
    only: tuple[str, ...] | None = None
    """The features that are asked for, and the `groups` of offers of which all are; None: all there are."""
    max_duration: float | None = None
    """Seconds of audio beyond which a file is left out; None: there is no bound."""
    worker_memory: int | None = None
    """Bytes of memory beyond which an analyzer leaves a file out; None: there is no bound."""


class Due(Struct, frozen=True):
    """Work that is due: one analyzer measures the features of a role."""

    analyzer: str
    unless: tuple[tuple[str, Fingerprint], ...] = ()
    """Roles of files with what was read of them before: nothing is due where all of them turn out to have those
    digests, of their content or of all of their bytes. Where there is none, it is due in any case."""


_Unless = tuple[tuple[str, Fingerprint], ...] | None
"""Condition on which nothing has changed: as in `Due`; empty where nothing has changed, None where something has."""


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
    struck: tuple[str, ...] = ()
    """Keys to be struck out: disowned ones that other tools wrote for a file that is not there."""
    is_of_other_files: bool = False
    """True where some work is due as the files are not those that it was done of before."""

    @property
    def is_due(self) -> bool:
        """Tell whether anything is to be done in the folder."""
        return bool(self.due or self.struck)


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


def providers(offers: tuple[Offer, ...]) -> dict[str, tuple[Offer, str]]:
    """Find, by the name of each feature that can be measured here, the offer that gives it and the role."""
    found: dict[str, tuple[Offer, str]] = {}
    for offer in offers:
        if offer.asked and offer.unavailable is None:
            for role, names in offer.features.items():
                for name in names:
                    found.setdefault(name, (offer, role))
    return found


def needs_of(offers: tuple[Offer, ...]) -> dict[tuple[str, str], Needs]:
    """Collect what features are measured from, by analyzer and role."""
    return {(offer.name, role): needs for offer in offers for role, needs in offer.needs.items()}


def givers(offers: tuple[Offer, ...]) -> dict[str, tuple[str, str]]:
    """Find, as `providers` does, the analyzer and the role that give a feature."""
    return {name: (offer.name, role) for name, (offer, role) in providers(offers).items()}


def assess(facts: Facts, offers: tuple[Offer, ...], policy: Policy) -> Assessment:
    """Assess one folder."""
    judge = _Judge(facts, offers, policy)
    unavailable: list[str] = []
    for role in facts.files:
        for offer in offers:
            wanted = _wanted(offer, role, policy)
            if offer.unavailable is not None:
                unavailable += [name for name in wanted if name not in facts.present]
            elif wanted:
                judge.include(offer, role)
    struck = tuple(_struck(facts, offers, policy)) if facts.memory else ()
    return Assessment(*judge.found(), judge.adopted, tuple(unavailable), struck, judge.met_other_files)


class _Judge:
    """Judge of one folder: what is due of an analyzer for a role may depend on what is due of others."""

    def __init__(self, facts: Facts, offers: tuple[Offer, ...], policy: Policy) -> None:
        self._facts = facts
        self._offers = offers
        self._policy = policy
        self._names = frozenset[str]() if policy.only is None else self._names_needed()
        self._verdicts: dict[tuple[str, str], Due | None] = {}
        """Verdicts, by analyzer and role."""
        self._due: set[tuple[str, str]] = set()
        """Work that is due and wanted, or is needed for what is, by analyzer and role."""
        self.adopted: dict[str, tuple[str, ...]] = {}
        """Analyzers with keys that other tools wrote, by the role of each file that they are taken to be of."""
        self.met_other_files = False
        """True where a file that was read for any of the work is another now, or came or went since."""

    def include(self, offer: Offer, role: str) -> None:
        """Take in the features of `role`, if they are due, and the results that are due for them."""
        if self._verdict(offer, role) is not None and (offer.name, role) not in self._due:
            self._due.add((offer.name, role))
            for provider, of in self._needed(offer, role):
                self.include(provider, of)

    def found(self) -> tuple[dict[str, tuple[Due, ...]], dict[str, str]]:
        """Give the work by role, and the damage by the role of each file that keeps some from being done."""
        due: dict[str, tuple[Due, ...]] = {}
        failed: dict[str, str] = {}
        for role in self._facts.files if self._due else ():
            work: list[Due] = []
            for offer in self._offers:
                verdict = self._verdicts.get((offer.name, role)) if (offer.name, role) in self._due else None
                damage = self._damage(offer, role) if verdict else {}
                failed |= damage
                work += [verdict] if verdict and not damage else []
            if work:
                due[role] = tuple(work)
        return due, failed

    @cached_property
    def _providers(self) -> dict[str, tuple[Offer, str]]:
        """See `providers`; where nothing needs a result, a folder is judged without."""
        return providers(self._offers)

    def _names_needed(self) -> frozenset[str]:
        """Name the results that are needed, at any remove, for the features that are asked for."""
        needed: set[str] = set()
        every = ((offer, names) for offer in self._offers for names in offer.features.values())
        last = {name for offer, names in every for name in asked_for(names, offer, self._policy)}
        while last:
            givers = [self._providers[name] for name in last if name in self._providers]
            last = {name for offer, role in givers for name in offer.needs.get(role, NO_NEEDS).results} - needed
            needed |= last
        return frozenset(needed)

    def _needed(self, offer: Offer, role: str) -> Iterator[tuple[Offer, str]]:
        """Yield the offers, and the roles, of the results that are needed, as far as the folder has their files."""
        for name in offer.needs.get(role, NO_NEEDS).results:
            if name in self._providers:
                provider, of = self._providers[name]
                if of in self._facts.files:
                    yield provider, of

    def _reads(self, offer: Offer, role: str) -> tuple[str, ...]:
        return files_read(offer.needs.get(role, NO_NEEDS), role, self._facts.files)

    def _verdict(self, offer: Offer, role: str) -> Due | None:
        """Judge what is due of an analyzer for a role, once."""
        key = offer.name, role
        if key not in self._verdicts:
            self._verdicts[key] = None  # ends a circle; workers offer none
            self._verdicts[key] = self._judged(offer, role)
        return self._verdicts[key]

    def _judged(self, offer: Offer, role: str) -> Due | None:
        facts, policy = self._facts, self._policy
        entry = facts.entry(offer.name, role)
        # An analyzer that is not asked for itself is there for the results that others need.
        wanted = _wanted(offer, role, policy, self._names)
        reads = self._reads(offer, role) if offer.needs else (role,)
        if entry is None and _adopts(offer.name, reads, wanted, facts, policy):
            for each in reads:
                self.adopted[each] = tuple(dict.fromkeys((*self.adopted.get(each, ()), offer.name)))
            return None
        if entry is None or _is_due(offer, entry, wanted, facts, policy):
            return Due(offer.name)
        if role not in offer.needs and not entry.others and not entry.results and entry.version == offer.version:
            # Most entries by far, of which a walk judges millions: one file was read, and nothing else.
            unless = read = changed(entry.fingerprint, role, facts, whole_file=offer.whole_file)
        else:
            read = self._read_before(offer, entry, reads)
            unless = _united(read, self._results_before(offer, role, entry))
        self.met_other_files |= read is None
        return None if unless == () else Due(offer.name, unless or ())

    def _read_before(self, offer: Offer, entry: Entry, reads: tuple[str, ...]) -> _Unless:
        """Tell as `changed` does whether the files are those that were read before."""
        same_needs = _is_same(offer, entry)
        if same_needs and set(entry.others) != set(reads[1:]):
            return None
        # What another version reads may be something else: its files have to be as they were, whichever they are.
        first = reads[0] if same_needs else role_of(entry.fingerprint) or reads[0]
        known = {first: entry.fingerprint, **entry.others}
        if not known.keys() <= self._facts.files.keys():
            return None
        whole_file = offer.whole_file
        return _united(*(changed(each, of, self._facts, whole_file=whole_file) for of, each in known.items()))

    def _results_before(self, offer: Offer, role: str, entry: Entry) -> _Unless:
        """Tell as `changed` does whether the results are those that were read before.

        The record is compared with itself: which analyzers and versions this machine has does not count, so that two
        machines with others do not undo each other's work.
        """
        facts = self._facts
        for analyzer, by_role in entry.results.items():
            for of, state in by_role.items():
                if of not in facts.files or state_of(facts.entry(analyzer, of)) != state:
                    return None
        known = {of for by_role in entry.results.values() for of in by_role}
        unless: _Unless = ()
        for provider, of in self._needed(offer, role):
            if _is_same(offer, entry) and of not in known:
                return None  # its file was not there
            verdict = self._verdict(provider, of)
            if verdict is not None:
                unless = _united(unless, verdict.unless or None)
        return unless

    def _damage(self, offer: Offer, role: str) -> dict[str, str]:
        """Find the damage, by role, that keeps due work from being done: in its files, or those of due results."""
        found: dict[str, str] = {}
        seen = {(offer.name, role)}
        stack = [(offer, role)]
        while stack:
            each, of = stack.pop()
            for file in self._reads(each, of):
                memory = _memory(self._facts, file)
                if memory is not None and memory.failure is not None and memory.judges == judges(self._offers):
                    found[file] = memory.failure
            before = [(it, its) for it, its in self._needed(each, of) if (it.name, its) in self._due - seen]
            seen |= {(it.name, its) for it, its in before}
            stack += before
        return found


def _memory(facts: Facts, role: str) -> FileMemory | None:
    """Give what is known of exactly the file that is there."""
    memory = facts.memory.get(role)
    return memory if memory is not None and memory.stamp == facts.files[role] else None


def role_of(fingerprint: Fingerprint) -> str | None:
    """Tell the role of a file by its name."""
    stem = fingerprint.file.rpartition(".")[0].lower()
    return stem if stem in ROLES else None


def _united(*conditions: _Unless) -> _Unless:
    """Unite conditions, of which all have to be met."""
    united: dict[tuple[str, str], tuple[str, Fingerprint]] = {}
    for each in conditions:
        if each is None:
            return None
        united |= {(role, known.digest): (role, known) for role, known in each}
    return tuple(united.values())


def renewed(assessment: Assessment, offers: tuple[Offer, ...], policy: Policy) -> tuple[str, ...]:
    """Name the analyzers that are due in files which others measured as they are; none where anything else is due."""
    if assessment.is_of_other_files:
        return ()  # a stem that came or went may be read in a sum alone
    names: set[str] = set()
    for role, work in assessment.due.items():
        due = {each.analyzer for each in work}
        others = (offer for offer in offers if offer.unavailable is None and _wanted(offer, role, policy))
        if all(offer.name in due for offer in others):
            return ()
        names |= due
    return tuple(sorted(names))


def _wanted(offer: Offer, role: str, policy: Policy, needed: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Name the features of `role` that are asked for, or needed for others."""
    features = offer.features.get(role, ()) if offer.asked else ()
    return asked_for(features, offer, policy, needed)


def asked_for(
    features: tuple[str, ...], offer: Offer, policy: Policy, needed: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Pick of the `features` of an offer those that the policy asks for, or that are needed for others."""
    if policy.only is None or not set(policy.only).isdisjoint(offer.groups):
        return features
    return tuple(name for name in features if name in policy.only or name in needed)


def _adopts(analyzer: str, reads: tuple[str, ...], wanted: tuple[str, ...], facts: Facts, policy: Policy) -> bool:
    """Tell whether a record by other tools is complete by its keys alone: until a file is seen to be replaced."""
    if policy.overwrite or not policy.adopt or not facts.present.issuperset(wanted):
        return False
    # Names of features are those of one role each.
    if any(set(memory.disowned).intersection(wanted) for memory in facts.memory.values() if memory.disowned):
        return False
    known = ((facts.memory.get(role), facts.files[role]) for role in reads)
    return all(memory is None or analyzer not in outdated(memory, stamp) for memory, stamp in known)


def _struck(facts: Facts, offers: tuple[Offer, ...], policy: Policy) -> list[str]:
    """Find the disowned features of files that are not there, as far as no analyzer has measured them."""
    return [
        name
        for role, memory in facts.memory.items()
        if memory.disowned and role not in facts.files
        for offer in offers
        if facts.entry(offer.name, role) is None
        for name in _wanted(offer, role, policy)
        if name in memory.disowned and name in facts.present
    ]


def _is_within(beyond: float | None, limit: float | None) -> bool:
    """Tell whether what was left out as `beyond` some limit would not be by this one."""
    return beyond is not None and (limit is None or beyond <= limit)


def _is_same(offer: Offer, entry: Entry) -> bool:
    return entry.version == offer.version and entry.models == offer.models


def _is_due(offer: Offer, entry: Entry, wanted: tuple[str, ...], facts: Facts, policy: Policy) -> bool:
    """Tell whether it is due to measure again, whatever has become of the files."""
    if policy.overwrite or entry.version < offer.version:
        return True
    if entry.version == offer.version and any(
        entry.models.get(name) != offer.models.get(name) for name in offer.binding
    ):
        return True
    if entry.models != offer.models and policy.recompute_other_models:
        return True
    if _is_within(entry.beyond_limit, policy.max_duration) or _is_within(entry.beyond_memory, policy.worker_memory):
        return True  # a limit left it out, of another machine or of before
    # Another version or model may give other keys: what it left out is not for us to add. A file beside the record that
    # was not written with this entry is another tool's, or left from before. All names of all folders come by here.
    present, files = facts.present, entry.files
    return _is_same(offer, entry) and any(
        (name not in present or (name[:1] == "." and name not in files)) and name not in entry.unmeasurable
        for name in wanted
    )


def changed(known: Fingerprint, role: str, facts: Facts, *, whole_file: bool) -> _Unless:
    """Tell whether the file of `role` is another than the `known` one, of which all bytes count for a `whole_file`."""
    stamp = facts.files[role]
    if known.is_of(stamp):
        return ()
    memory = _memory(facts, role)
    if memory is not None and memory.known(whole_file=whole_file) == known.digest:
        return ()
    # A tag edit changes the size of a FLAC file and not its audio, which is all that its digest covers.
    may_be_equal = known.size == stamp.size or known.digest.startswith("flac:")
    return ((role, known),) if may_be_equal and known.digest else None

"""Shapes of folders: what a folder has, without what is its own alone, so that thousands share one.

By them folders are judged again without being read, when analyzers, models or the question change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from audiobatchd.core.assessment import Assessment, Due, Facts, Offer, Policy, asked_for, assess, changed, role_of
from audiobatchd.core.file_memory import FileMemory, outdated
from audiobatchd.core.needs import ADOPTED, state_of
from audiobatchd.core.provenance import Entry
from audiobatchd.errors import RecordError
from audiobatchd.vocabulary.files import FileStamp, Fingerprint

Look = Callable[[str, str], Entry | None]
_STAMP = FileStamp(b"", 0, 0)
_FINGERPRINT = Fingerprint("", 0, 0, "")


class Account(Struct, frozen=True, array_like=True):
    """Provenance by one analyzer for one role, as far as it may be shared: without the file, the time and the host."""

    analyzer: str
    role: str
    version: int
    models: tuple[tuple[str, str], ...]
    unmeasurable: tuple[str, ...]
    beyond_limit: float | None = None
    beyond_memory: int | None = None
    others: tuple[str, ...] = ()
    """Roles of further files that it read."""
    outdated: bool = False
    """True where a result that it read is another now; or a file, if its analyzer was not at work."""
    files: tuple[str, ...] = ()
    """Features that are files beside the record and were written."""


class Shape(Struct, frozen=True, array_like=True):
    """Shape of a folder."""

    roles: tuple[str, ...]
    """Roles of its source files."""
    present: tuple[str, ...]
    """Keys of its record."""
    accounts: tuple[Account, ...]
    """Accounts of the analyzers that measured it."""
    missing: tuple[str, ...] = ()
    """Features that it lacked when it was looked at last."""
    stale: tuple[str, ...] = ()
    """Features that were due again then."""
    cut: bool = False
    """True where its record has very many keys, of which `present` has those alone that analyzers give."""
    replaced: tuple[str, ...] = ()
    """Analyzers with keys that were taken over from a file before the one that is there, see `FileMemory.outdated`."""
    disowned: tuple[str, ...] = ()
    """Features that are not to be taken over, see `FileMemory.disowned`."""


def accounts_of(roles: tuple[str, ...], analyzers: tuple[str, ...], entry: Look) -> tuple[Account, ...]:
    """Collect the accounts of these analyzers for these roles; `entry` looks into the provenance, see `Facts.entry`."""
    found = []
    for analyzer in analyzers:
        for role in roles:
            told = entry(analyzer, role)
            if told is not None:
                models = tuple(sorted(told.models.items()))
                unmeasurable = tuple(sorted(told.unmeasurable))
                others, outdated = tuple(sorted(told.others)), _is_outdated(told, roles, entry)
                beyond = told.beyond_limit, told.beyond_memory
                found.append(
                    Account(analyzer, role, told.version, models, unmeasurable, *beyond, others, outdated, told.files)
                )
    return tuple(found)


def idle_accounts(facts: Facts, analyzers: Iterable[str]) -> tuple[Account, ...]:
    """Collect the accounts of analyzers that are not at work: off, unavailable, or unknown here.

    What a folder has of them is not judged now. So they tell whether a file is another one since, for the day when they
    are at work again.
    """
    found: list[Account] = []
    roles = tuple(facts.files)
    for analyzer in analyzers:
        for role in roles:
            try:
                accounts = accounts_of((role,), (analyzer,), facts.entry)
                told = facts.entry(analyzer, role)
            except RecordError:  # that is to be said when it matters
                found.append(Account(analyzer, role, 0, (), (), outdated=True))
                continue
            found += [
                msgspec.structs.replace(
                    each, outdated=_is_outdated(told, roles, facts.entry) or _is_of_others(told, role, facts)
                )
                for each in accounts
                if told is not None
            ]
    return tuple(found)


def _is_of_others(told: Entry, role: str, facts: Facts) -> bool:
    """Tell whether a file is another now than the one that was read."""
    first = role_of(told.fingerprint) or role
    for of, known in {first: told.fingerprint, **told.others}.items():
        if of not in facts.files or all(changed(known, of, facts, whole_file=each) != () for each in (False, True)):
            return True
    return False


def _is_outdated(told: Entry, roles: tuple[str, ...], entry: Look) -> bool:
    states = ((analyzer, role, was) for analyzer, by_role in told.results.items() for role, was in by_role.items())
    return any(role not in roles or state_of(entry(analyzer, role)) != was for analyzer, role, was in states)


def _as_entry(account: Account, roles: tuple[str, ...]) -> Entry:
    """Make an entry that is judged as the one was of which this is the account."""
    # No state is empty: it is never the one that a result has.
    results = {account.analyzer: {account.role: ""}} if account.outdated else {"": dict.fromkeys(roles, ADOPTED)}
    return Entry(
        fingerprint=_FINGERPRINT,
        version=account.version,
        models=dict(account.models),
        unmeasurable=dict.fromkeys(account.unmeasurable, ""),
        files=account.files,
        others=dict.fromkeys(account.others, _FINGERPRINT),
        results=results,
        beyond_limit=account.beyond_limit,
        beyond_memory=account.beyond_memory,
    )


def remembered(facts: Facts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Collect what is remembered of a folder's adopted values, as `Shape.replaced` and `Shape.disowned` have it."""
    known = [(memory, facts.files[role]) for role, memory in facts.memory.items() if role in facts.files]
    replaced = {name for memory, stamp in known for name in outdated(memory, stamp)}
    return tuple(sorted(replaced)), tuple(sorted({name for memory, _ in known for name in memory.disowned}))


def assess_shape(shape: Shape, offers: tuple[Offer, ...], policy: Policy) -> Assessment:
    """Assess a folder of this shape with the files that were measured."""
    entries = {(each.analyzer, each.role): _as_entry(each, shape.roles) for each in shape.accounts}
    # Of which file it is does not matter: what is due by this is read before it is measured.
    memory = FileMemory(_STAMP, outdated=shape.replaced, disowned=shape.disowned)
    facts = Facts(
        dict.fromkeys(shape.roles, _STAMP),
        frozenset(shape.present),
        lambda analyzer, role: entries.get((analyzer, role)),
        dict.fromkeys(shape.roles, memory) if not memory.says_nothing else {},
    )
    return assess(facts, offers, policy)


def surely_due(assessment: Assessment, facts: Facts, offers: tuple[Offer, ...], policy: Policy) -> tuple[str, ...]:
    """The features that are due whatever is remembered of the files, by the `assessment` of `facts` without memory.

    A file of which only the time differs is taken for what it was: that is settled by reading all of it.
    """
    sure: dict[str, tuple[Due, ...]] = {}
    for role, work in assessment.due.items():
        sure[role] = tuple(due for due in work if not due.unless or _has_other_size(due, facts))
    return features_due(Assessment(sure, {}, {}, ()), offers, policy)


def _has_other_size(due: Due, facts: Facts) -> bool:
    return any(known.size != facts.files[role].size for role, known in due.unless)


def features_due(assessment: Assessment, offers: tuple[Offer, ...], policy: Policy) -> tuple[str, ...]:
    """The names of the features that an assessment finds due."""
    by_name = {offer.name: offer for offer in offers}
    work = ((role, by_name[due.analyzer]) for role, each in assessment.due.items() for due in each)
    return tuple(name for role, offer in work for name in asked_for(offer.features.get(role, ()), offer, policy))

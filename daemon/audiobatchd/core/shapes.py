"""Shapes of folders: what a folder has, without what is its own alone, so that thousands share one.

By them folders are judged again without being read, when analyzers, models or the question change.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from audiobatchd.core.assessment import Assessment, Due, Facts, Offer, Policy, asked_for, assess
from audiobatchd.core.needs import ADOPTED, state_of
from audiobatchd.core.provenance import Entry
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
    """True where a result that it read is another now."""


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
                found.append(Account(analyzer, role, told.version, models, unmeasurable, *beyond, others, outdated))
    return tuple(found)


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
        others=dict.fromkeys(account.others, _FINGERPRINT),
        results=results,
        beyond_limit=account.beyond_limit,
        beyond_memory=account.beyond_memory,
    )


def assess_shape(shape: Shape, offers: tuple[Offer, ...], policy: Policy) -> Assessment:
    """Assess a folder of this shape with the files that were measured."""
    entries = {(each.analyzer, each.role): _as_entry(each, shape.roles) for each in shape.accounts}
    facts = Facts(
        dict.fromkeys(shape.roles, _STAMP),
        frozenset(shape.present),
        lambda analyzer, role: entries.get((analyzer, role)),
        {},
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

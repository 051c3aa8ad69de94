"""All that follows from a configuration for the parts of the service, at the start and at every reload.

Also what the last run has left to the core. Nothing here keeps anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from audiobatchd.config.checks import installed_analyzers, operators, worker_settings
from audiobatchd.config.file import Config, DatasetConfig
from audiobatchd.config.schedule import conditions
from audiobatchd.core.assessment import Policy
from audiobatchd.core.backoff import Backoff
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.core.plan import Limits, Memory, Plan
from audiobatchd.disk import filesystems
from audiobatchd.hooks.hooks import wanted_by
from audiobatchd.imports import inbox
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.vocabulary.analyzer_sets import chosen
from audiobatchd.vocabulary.files import RECORD_LIMIT, FileId, FolderKey
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import size_in_bytes
from audiobatchd.vocabulary.shard import Shard
from audiobatchd.vocabulary.states import Mode, WatchMode
from audiobatchd.worker.capacity import capacity

_FRESH = 2.0
"""In seconds: a disk that has not answered for longer is asked before anything is begun there."""


class Source(Protocol):
    """The place that the configuration comes from: a file, the environment and a command line."""

    @property
    def shard(self) -> Shard | None:
        """Return the part of each dataset that one pass is for; None: all of it."""

    def read(self) -> Config:
        """Return the configuration as it is now. Raises ConfigError and UsageError."""

    def model_directories(self, config: Config) -> tuple[Path, ...]:
        """Return the directories in which models are looked for."""


@dataclass(frozen=True)
class DatasetTerms:
    """The terms on which the folders of one dataset are judged: where they change, all of it is walked again."""

    path: str
    """The dataset, as the configuration names it."""
    policy: Policy
    """Terms by which completeness is judged."""
    ignore: tuple[str, ...] = ()
    """Names of directories that are not entered."""
    mode: WatchMode = WatchMode.AUTO
    """Means by which changes are found: events, walks, or both."""
    ready_marker: str | None = None
    """The name of a file without which a track folder is still on its way."""
    alone: bool = False
    """True where this machine works on the dataset alone."""
    record_limit: int = RECORD_LIMIT
    """Bytes that a record may have."""
    worker_memory: int = 0
    """Bytes that a worker may have."""


@dataclass(frozen=True)
class Derived:
    """One configuration, as each part goes by it."""

    config: Config
    plan: Plan
    """For the core."""
    terms: dict[str, DatasetTerms]
    """For whatever reads folders, by dataset."""
    workers: WorkerSettings
    """For the worker processes; where they change, the processes of now take no more jobs."""
    operators: frozenset[int]
    """The UIDs that may change things."""
    inboxes: tuple[inbox.Terms, ...] = ()
    """For the processes that work inboxes; none but in a service."""

    def to_walk_again(self, before: Derived) -> frozenset[str]:
        """Return the datasets that are new, or in which other folders or other work may be due than `before`."""
        return frozenset(path for path, terms in self.terms.items() if before.terms.get(path) != terms)


@dataclass(frozen=True)
class Planner:
    """Derives everything from the configuration. `policy` and `mode` are what the command line asks for."""

    source: Source
    policy: Policy
    mode: Mode
    remote: bool = False
    """True where the workers are on other machines."""

    def read(self) -> Derived:
        """Read the configuration again. Raises ConfigError, UsageError and OSError."""
        return self.derive(self.source.read())

    def derive(self, config: Config) -> Derived:
        """Derive what each part goes by. Raises ConfigError for operators that are no users, and for unfit inboxes."""
        policies = {each.path: self._policy_of(config, each) for each in config.dataset}
        limits = size_in_bytes(config.record_limit), size_in_bytes(config.worker_memory)
        terms = {
            each.path: DatasetTerms(
                each.path, policies[each.path], each.ignore, each.mode, each.ready_marker, each.alone, *limits
            )
            for each in config.dataset
        }
        workers = msgspec.structs.replace(
            worker_settings(config, self.source.model_directories(config)), features=self.policy.only
        )
        plan, changers = self._plan(config, policies), operators(config.operators)
        return Derived(config, plan, terms, workers, changers, self._inboxes(config, terms))

    def _inboxes(self, config: Config, datasets: dict[str, DatasetTerms]) -> tuple[inbox.Terms, ...]:
        """Derive the inboxes. Raises ConfigError for names and patterns that cannot be used."""
        made = []
        for each in config.inbox if self.mode is Mode.SERVICE else ():
            inbox.refuse_unusable(each.name, each.stems, f"inbox {shown(each.path)}")
            place, dataset = filesystems.without_links(each.path), datasets[each.dataset]
            rest = dataset.ignore, dataset.ready_marker or ""
            made.append(inbox.Terms(each.path, place, each.dataset, each.settle, each.name, each.stems or "", *rest))
        return tuple(made)

    def _policy_of(self, config: Config, dataset: DatasetConfig) -> Policy:
        return msgspec.structs.replace(
            self.policy,
            adopt=self.policy.adopt and dataset.adopt,
            recompute_other_models=config.recompute_other_models,
            max_duration=config.max_duration,
            worker_memory=size_in_bytes(config.worker_memory),
        )

    def _plan(self, config: Config, policies: dict[str, Policy]) -> Plan:
        once, installed = self.mode is not Mode.SERVICE, installed_analyzers()
        limits = Limits(
            {each.path: each.settle for each in config.dataset},
            max_deaths=config.max_deaths,
            max_suspect=config.max_suspect,
            backoff=Backoff(1.0, 10.0) if once else Backoff(5.0, 300.0),
            once=once,
        )
        room = capacity(config)
        # One pass is asked for now.
        schedules = {each.path: conditions(config.schedule, each.schedule) for each in config.dataset if not once}
        return Plan(
            datasets={each.path: each.rescan for each in config.dataset},
            limits=limits,
            policies=policies,
            workers=room.workers,
            workers_why=room.why,
            remote=self.remote,
            job_timeout=config.job_timeout,
            job_timeout_factor=config.job_timeout_factor,
            worker_memory=size_in_bytes(config.worker_memory),
            recycle_jobs=config.recycle_jobs,
            stop_grace=config.stop_grace,
            fresh=_FRESH,
            reap=config.reap,
            features=self.policy.only or (),
            left_out=tuple(sorted(installed.difference(chosen(config.analyzers, installed)))),
            schedules=schedules,
            once=once,
            dry_run=self.mode is Mode.DRY_RUN,
            hooks=frozenset() if once else wanted_by(config.hook),
            shard=self.source.shard,
        )


def memory_of(
    catalog: Catalog,
    config: Config,
    now: float,
    marks: tuple[frozenset[FolderKey], frozenset[str]] = (frozenset(), frozenset()),
) -> Memory:
    """Return what the last run has left to the core, `marks` as `Hooks` has them. `now` is in seconds since 1970."""
    sightings, facts = catalog.sightings, catalog.facts
    named = {each.path for each in config.dataset}
    for path in named:
        # Before links were followed at every look, a dataset went by the place that its path led to.
        place = path if sightings.count(path) else filesystems.without_links(path)
        if place not in named and sightings.count(place):
            catalog.rename(place, path)
    datasets: dict[str, tuple[int, FileId | None]] = {
        each.path: (sightings.count(each.path), facts.root(each.path)) for each in config.dataset
    }
    places = {path: facts.place(path) for path in named}
    return Memory(facts.offers(), datasets, facts.pauses(now), facts.pace(), facts.rates(), places, *marks)

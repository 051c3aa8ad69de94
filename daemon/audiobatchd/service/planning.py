"""The configuration, in the words of those who go by it: the core's plan and memory, the terms of the disk_tasks."""

from __future__ import annotations

import msgspec

from audiobatchd.config.file import Config, size_in_bytes
from audiobatchd.core.assessment import Policy
from audiobatchd.core.plan import Limits, Memory, Plan
from audiobatchd.disk import filesystems
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.service.disk_tasks import Terms
from audiobatchd.vocabulary.states import Mode

_FRESH = 2.0
"""In seconds: a disk that has not answered for longer is asked before anything is begun there."""


def terms_of(config: Config, policy: Policy) -> list[Terms]:
    """How each dataset is looked at. `policy` is what the command line asks for."""
    limits = size_in_bytes(config.record_limit), size_in_bytes(config.worker_memory)
    return [Terms(each, _policy_for(config, each.path, policy), *limits) for each in config.dataset]


def plan_of(config: Config, policy: Policy, mode: Mode) -> Plan:
    """What the core is to do."""
    once = mode is not Mode.SERVICE
    limits = Limits(
        {each.path: each.settle for each in config.dataset},
        max_deaths=config.max_deaths,
        max_suspect=config.max_suspect,
        backoff=(1.0, 10.0) if once else (5.0, 300.0),
        once=once,
    )
    return Plan(
        datasets={each.path: each.rescan for each in config.dataset},
        limits=limits,
        policies={each.path: _policy_for(config, each.path, policy) for each in config.dataset},
        workers=config.worker_count,
        job_timeout=config.job_timeout,
        job_timeout_factor=config.job_timeout_factor,
        worker_memory=size_in_bytes(config.worker_memory),
        recycle_jobs=config.recycle_jobs,
        stop_grace=config.stop_grace,
        fresh=_FRESH,
        reap=config.reap,
        features=policy.only or (),
        once=once,
        dry_run=mode is Mode.DRY_RUN,
    )


def memory_of(catalog: Catalog, config: Config, now: float) -> Memory:
    """What the last run has left to the core. `now` is in seconds since 1970."""
    sightings, facts = catalog.sightings, catalog.facts
    named = {each.path for each in config.dataset}
    for path in named:
        # Before links were followed at every look, a dataset went by the place that its path led to.
        place = path if sightings.count(path) else filesystems.without_links(path)
        if place not in named and sightings.count(place):
            catalog.rename(place, path)
    datasets: dict[str, tuple[int, tuple[int, int] | None]] = {
        each.path: (sightings.count(each.path), facts.root(each.path)) for each in config.dataset
    }
    places = {path: facts.place(path) for path in named}
    return Memory(facts.offers(), datasets, facts.pauses(now), places)


def to_walk_again(before: Config, after: Config) -> frozenset[str]:
    """The datasets that are new, or whose folders or their dues are decided otherwise than before."""
    old = {each.path: _looked_at_by(before, each.path) for each in before.dataset}
    return frozenset(each.path for each in after.dataset if old.get(each.path) != _looked_at_by(after, each.path))


def _policy_for(config: Config, path: str, policy: Policy) -> Policy:
    adopt = next(each.adopt for each in config.dataset if each.path == path)
    return msgspec.structs.replace(
        policy,
        adopt=policy.adopt and adopt,
        recompute_other_models=config.recompute_other_models,
        max_duration=config.max_duration,
    )


def _looked_at_by(config: Config, path: str) -> tuple[object, ...]:
    dataset = next(each for each in config.dataset if each.path == path)
    limits = config.max_duration, config.record_limit, config.worker_memory
    policy = (dataset.adopt, dataset.alone, config.recompute_other_models, *limits)
    return dataset.ignore, dataset.mode, dataset.ready_marker, *policy

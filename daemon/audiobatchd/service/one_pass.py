"""One pass over datasets: the same supervisor without watch, state directory and control socket."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from audiobatchd.config.file import Config
from audiobatchd.core.assessment import Policy
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.service.answers.status import name_of
from audiobatchd.service.clock import SystemClock
from audiobatchd.service.planning import Source
from audiobatchd.service.supervisor import Supervisor, View
from audiobatchd.vocabulary.exits import DaemonExit
from audiobatchd.vocabulary.files import ROLES, FolderKey
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import counted
from audiobatchd.vocabulary.states import FolderState, Mode
from audiobatchd.vocabulary.summary import batch_summary, left_out, shard_line

if TYPE_CHECKING:
    from audiobatchd.cluster.contact import Contact
    from audiobatchd.cluster.session import Session


def run(
    settings: Config,
    source: Source,
    policy: Policy,
    views: tuple[View, ...],
    again: Mapping[str, tuple[str, ...]],
    *,
    dry_run: bool,
    contact: Contact | None = None,
) -> tuple[int, str]:
    """Process what is due, or only find it out; return the exit code and the summary, if any.

    `again` has, by the folder's path below its dataset, features that are not taken over from other tools there.
    `contact` is the cluster that measures; None: this machine. Raises UsageError and OSError where that cannot be used.
    """
    catalog = Catalog(None)
    for path, names in again.items():
        by_role = {role: tuple(names) for role in ROLES}
        for each in settings.dataset:
            catalog.folders.disown(FolderKey(each.path, path), by_role)
    session = _session(contact, settings) if contact else None
    supervisor = Supervisor(
        settings,
        source,
        policy,
        catalog,
        SystemClock(),
        views=views,
        mode=Mode.DRY_RUN if dry_run else Mode.ONCE,
        remote=session.workers if session else None,
    )
    code = asyncio.run(session.serve(supervisor.run()) if session else supervisor.run())
    if code == DaemonExit.USAGE:
        return code, ""
    core = supervisor.core
    told = _findings(core) if dry_run else batch_summary(supervisor.overview.summary(), "audiobatchd --once")
    # Interrupted, it may not have come by all folders.
    absent = [] if code in (DaemonExit.INTERRUPTED, DaemonExit.ABORTED) else _not_there(core, again)
    return code, "\n".join([told, *_hosts(core), *absent, *_shared(core), *_passed_over(core)])


def _session(contact: Contact, settings: Config) -> Session:
    from audiobatchd.cluster.session import Session  # noqa: PLC0415  # a second, which a pass on this machine spares

    return Session(contact, [each.path for each in settings.dataset])


def _hosts(core: Dispatcher) -> list[str]:
    """Say how many folders each machine of a cluster did."""
    if not core.tally.hosts:
        return []
    done = (f"{shown(host)} {count:,}" for host, count in sorted(core.tally.hosts.items()))
    return ["", f"Folders by machine: {', '.join(done)}"]


def _not_there(core: Dispatcher, again: Collection[str]) -> list[str]:
    """Say which folders of the list of `again`, as far as they were looked for, are no track folders of any dataset."""
    shard = core.plan.shard if core.own_success is None else None
    asked = [path for path in again if shard is None or shard.has(path)]
    lost = [path for path in asked if all(core.state_of(FolderKey(each, path)) is None for each in core.datasets)]
    if not lost:
        return []
    return [
        "",
        f"No track folder is there for {len(lost):,} of the list's {len(again):,} (such as {shown(lost[0]) or '.'})",
    ]


def _shared(core: Dispatcher) -> list[str]:
    """Say which part of the track folders this pass had to do with."""
    if (shard := core.plan.shard) is None:
        return []
    if core.own_success is not None:
        helped = counted(core.tally.success - core.own_success, "folder")
        return ["", f"Shard {shard} done: {core.own_success:,}; of the other shards then: {helped}"]
    lines = [
        shard_line(shard, "" if len(core.datasets) == 1 else shown(path), core.count(path), dataset.of_others)
        for path, dataset in core.datasets.items()
        if dataset.schedule.has_begun and core.count(path) + dataset.of_others
    ]
    return ["", *lines] if lines else []


def _passed_over(core: Dispatcher) -> list[str]:
    """Say in which datasets a pass found no track folder, or passed over what was perhaps meant."""
    lines: list[str] = []
    for path, dataset in core.datasets.items():
        found = left_out(shown(path), core.count(path) + dataset.of_others, dataset.near_misses)
        lines += ["", *found] if found else []
    return lines


def _findings(core: Dispatcher) -> str:
    lines = []
    due = 0
    for key, folder in sorted(core.folders.items()):
        if folder.state in (FolderState.SETTLING, FolderState.QUEUED):
            due += 1
            lines.append(f"{name_of(key)}: would measure {'; '.join(folder.due)}")
        else:
            lines.append(f"{name_of(key)}: {folder.state.value}: {folder.reason}")
    lines.append(f"Folders to Process: {due}")
    lines.append(f"  Total:          {len(core.folders) + core.complete}")
    lines.append(f"  Skipped (done): {core.complete}")
    return "\n".join(lines)

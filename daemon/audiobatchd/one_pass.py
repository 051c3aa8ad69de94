"""One pass over datasets: the same supervisor without watch, state directory and control socket."""

from __future__ import annotations

import asyncio

from audiobatchd.batch import batch_summary
from audiobatchd.catalog import Catalog
from audiobatchd.clock import SystemClock
from audiobatchd.config import Config
from audiobatchd.core.completeness import Policy
from audiobatchd.core.folders import Ledger
from audiobatchd.model import FolderState, Mode
from audiobatchd.overview import name_of
from audiobatchd.supervisor import Source, Supervisor, View

_USAGE = 2


def run(settings: Config, source: Source, policy: Policy, views: tuple[View, ...], *, dry_run: bool) -> tuple[int, str]:
    """Process what is due, or only find it out; the exit code, and the summary (none where the usage was wrong)."""
    supervisor = Supervisor(
        settings,
        source,
        policy,
        Catalog(None),
        SystemClock(),
        views=views,
        mode=Mode.DRY_RUN if dry_run else Mode.ONCE,
    )
    code = asyncio.run(supervisor.run())
    if code == _USAGE:
        return code, ""
    if dry_run:
        return code, _findings(supervisor.core.ledger)
    return code, batch_summary(supervisor.overview.summary(), "audiobatchd --once")


def _findings(ledger: Ledger) -> str:
    lines = []
    due = 0
    for key, folder in sorted(ledger.active.items()):
        if folder.state in (FolderState.SETTLING, FolderState.QUEUED):
            due += 1
            lines.append(f"{name_of(key)}: would measure {'; '.join(folder.due)}")
        else:
            lines.append(f"{name_of(key)}: {folder.state.value}: {folder.reason}")
    lines.append(f"Folders to Process: {due}")
    lines.append(f"  Total:          {len(ledger.active) + len(ledger.complete)}")
    lines.append(f"  Skipped (done): {len(ledger.complete)}")
    return "\n".join(lines)

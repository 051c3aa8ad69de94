"""The service: one daemon per state directory, with its catalog, its control socket, and its watch on the datasets."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from pathlib import Path

import fasteners

from audiobatchd import __version__, eventlog
from audiobatchd import metrics as metrics_file
from audiobatchd.answers import Answers
from audiobatchd.batch import batch_summary
from audiobatchd.catalog import Catalog
from audiobatchd.clock import SystemClock
from audiobatchd.config import Config
from audiobatchd.control.feed import Feed
from audiobatchd.control.server import ControlServer
from audiobatchd.core.completeness import Policy
from audiobatchd.errors import AlreadyRunningError
from audiobatchd.metrics import Metrics
from audiobatchd.notify import SystemdView
from audiobatchd.supervisor import Source, Supervisor, View
from audiobatchd.watch import Watches

_BETWEEN_METRICS = 15.0


def run(settings: Config, source: Source, state: Path, socket: Path, views: tuple[View, ...]) -> tuple[int, str]:
    """Work until told to stop; the exit code, and what is to be told at the end. `source` serves a reload.

    Raises AlreadyRunningError where another daemon has the state directory or the socket, UsageError for a socket that
    cannot be, ConfigError for operators that are no users, OSError where a directory cannot be used.
    """
    with ExitStack() as stack:
        stack.callback(_hold_instance_lock(state).release)
        catalog = Catalog(state / "catalog.sqlite")
        stack.callback(catalog.close)
        clock, watches, feed = SystemClock(), Watches(), Feed()
        supervisor = Supervisor(
            settings, source, Policy(), catalog, clock, views=(*views, SystemdView()), watches=watches
        )
        metrics = Metrics(supervisor.core, clock.monotonic, watches.report, lambda: catalog.trouble)
        server = ControlServer(socket, Answers(supervisor, catalog, clock), feed, metrics.text)
        logging.getLogger().addHandler(feed)
        stack.callback(logging.getLogger().removeHandler, feed)
        code = asyncio.run(_serve(supervisor, server, metrics, socket, settings))
    return code, batch_summary(supervisor.overview.summary(), "audiobatchd")


async def _serve(
    supervisor: Supervisor, server: ControlServer, metrics: Metrics, socket: Path, settings: Config
) -> int:
    await server.start()
    writing = asyncio.create_task(_write_metrics(supervisor, metrics))
    datasets = " ".join(each.path for each in settings.dataset) or "none configured"
    eventlog.log("service-started", {"version": __version__, "datasets": datasets, "socket": str(socket)})
    try:
        return await supervisor.run()
    finally:
        writing.cancel()
        await server.stop()


async def _write_metrics(supervisor: Supervisor, metrics: Metrics) -> None:
    """Every quarter of a minute, to where node_exporter looks; what is in the way is told once."""
    told = ""
    while True:
        await asyncio.sleep(_BETWEEN_METRICS)
        if (path := supervisor.config.metrics_textfile) is None:
            continue
        try:
            await asyncio.to_thread(metrics_file.write, Path(path), metrics.text())
            told = ""
        except OSError as error:
            if (why := error.strerror or str(error)) != told:
                eventlog.log("metrics-not-written", {"path": path, "reason": why})
            told = why


def _hold_instance_lock(state: Path) -> fasteners.InterProcessLock:
    state.mkdir(mode=0o750, parents=True, exist_ok=True)
    lock = fasteners.InterProcessLock(state / "instance.lock")
    if not lock.acquire(blocking=False):
        message = f"cannot start: another audiobatchd works with {state}"
        raise AlreadyRunningError(message)
    return lock

"""One service per state directory, with its catalog, its control socket, and its watch on the datasets."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import fasteners
import msgspec

from audiobatchd import __version__
from audiobatchd.config.file import Config
from audiobatchd.control.server.feed import Feed
from audiobatchd.control.server.server import ControlServer
from audiobatchd.core.assessment import Policy
from audiobatchd.errors import AlreadyRunningError
from audiobatchd.locks.kernel import holding_process
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.scan.watch.watches import Watches
from audiobatchd.service.answers import metrics as metrics_file
from audiobatchd.service.answers.metrics import Metrics
from audiobatchd.service.answers.requests import Answers
from audiobatchd.service.clock import SystemClock
from audiobatchd.service.decisions import DIRECTORY, Decisions
from audiobatchd.service.page import Page
from audiobatchd.service.planning import Source
from audiobatchd.service.supervisor import Supervisor, View
from audiobatchd.service.systemd import SystemdView
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.quantities import size_in_bytes
from audiobatchd.vocabulary.summary import batch_summary
from audiobatchd.web.contract import Contract

_BETWEEN_METRICS = 15.0
_INSTANCE = "instance.lock"
_MOST_OF_A_LOCK = 4096


def run(settings: Config, source: Source, state: Path, socket: Path, views: tuple[View, ...]) -> tuple[int, str]:
    """Work until told to stop; return the exit code and the summary. `source` serves a reload.

    Raises AlreadyRunningError where another service has the state directory or the socket, UsageError for a socket that
    cannot be, ConfigError for operators that are no users, OSError where a directory cannot be used.
    """
    with ExitStack() as stack:
        stack.callback(_hold_instance_lock(state, socket).release)
        catalog = Catalog(state / "catalog.sqlite")
        stack.callback(catalog.close)
        systemd = SystemdView()
        stack.callback(systemd.close)
        clock, watches, feed = SystemClock(), Watches(), Feed()
        page = Page(lambda: supervisor.config.web, clock.monotonic)
        views = (*views, systemd, page)
        decisions = None
        if settings.keep_decisions is not None:
            decisions = Decisions(state / DIRECTORY, size_in_bytes(settings.keep_decisions))
            stack.callback(decisions.stop)
        supervisor = Supervisor(
            settings, source, Policy(), catalog, clock, views=views, watches=watches, decisions=decisions
        )
        metrics = Metrics(
            supervisor.core, clock.monotonic, watches.report, lambda: catalog.trouble, supervisor.inboxes.status
        )
        contract = Contract(Answers(supervisor, catalog, clock, page.link), feed, state)
        server = ControlServer(socket, contract.service, feed, metrics.text)
        logging.getLogger().addHandler(feed)
        stack.callback(logging.getLogger().removeHandler, feed)
        code = asyncio.run(_serve(supervisor, server, metrics, socket, (page, contract)))
    return code, batch_summary(supervisor.overview.summary(), "audiobatchd")


async def _serve(
    supervisor: Supervisor,
    server: ControlServer,
    metrics: Metrics,
    socket: Path,
    page: tuple[Page, Contract],
) -> int:
    await server.start()
    page[0].start(page[1])
    writing = asyncio.create_task(_write_metrics(supervisor, metrics))
    datasets = " ".join(each.path for each in supervisor.config.dataset) or "none configured"
    write(LogEvent.SERVICE_STARTED, {"version": __version__, "datasets": datasets, "socket": str(socket)})
    try:
        return await supervisor.run()
    finally:
        writing.cancel()
        await page[0].stop()
        await server.stop()


async def _write_metrics(supervisor: Supervisor, metrics: Metrics) -> None:
    """Write the metrics every quarter of a minute to where node_exporter looks; what is in the way is told once."""
    told = ""
    while True:
        await asyncio.sleep(_BETWEEN_METRICS)
        if (path := supervisor.config.metrics_textfile) is None:
            continue
        try:
            await in_a_thread(partial(metrics_file.write, Path(path), metrics.text()))
            told = ""
        except (OSError, RuntimeError) as error:
            if (why := getattr(error, "strerror", "") or str(error)) != told:
                write(LogEvent.METRICS_NOT_WRITTEN, {"path": path, "reason": why})
            told = why


def _hold_instance_lock(state: Path, socket: Path) -> fasteners.InterProcessLock:
    """Take the state directory, and write into its lock file which process has it. Raises AlreadyRunningError."""
    state.mkdir(mode=0o750, parents=True, exist_ok=True)
    lock = fasteners.InterProcessLock(state / _INSTANCE)
    if not lock.acquire(blocking=False):
        message = f"cannot start: another audiobatchd works with {shown(str(state))}{_holder(state / _INSTANCE)}"
        raise AlreadyRunningError(message)
    with suppress(OSError):  # a full disk: the lock holds all the same, and the kernel knows by whom
        descriptor = lock.lockfile.fileno()
        os.ftruncate(descriptor, 0)
        os.write(descriptor, msgspec.json.encode(_Instance(os.getpid(), shown(str(socket.absolute())))))
    return lock


class _Instance(msgspec.Struct, frozen=True):
    """The content of the instance lock's file."""

    pid: int
    """The process that has the lock."""
    socket: str
    """Its control socket, as `shown`."""


def _holder(path: Path) -> str:
    """Say which process has the instance lock, by the kernel's word, and its socket, by what that process wrote.

    A process that has only just taken the lock may have found another's words there: these are not believed.
    """
    try:
        with path.open("rb") as file:
            pid = holding_process(file.fileno())
            content = file.read(_MOST_OF_A_LOCK)
    except OSError:
        return ""
    try:
        instance = msgspec.json.decode(content, type=_Instance)
    except msgspec.MsgspecError:
        instance = None
    # 0, or less: it is in another PID namespace, or on another machine.
    told = f": process {pid}" if pid > 0 else ""
    if instance is not None and instance.pid == pid:
        told += f", which answers on {printable(instance.socket)}"
    return told

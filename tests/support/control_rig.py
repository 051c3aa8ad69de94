"""A real control server in a thread, over a service that tells what it is told to and remembers what it is asked."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from audiobatchd.config.checks import operators
from audiobatchd.control.history import AskHistory, History, Span
from audiobatchd.control.requests import (
    CleanedLocks,
    CleanLocks,
    FolderName,
    Pause,
    Paused,
    Reloaded,
    RemovedLock,
    Rescan,
    Rescanned,
    Resume,
    Retried,
    RetryFolders,
    Survey,
    Surveyed,
    WebLink,
)
from audiobatchd.control.results import (
    AskColumns,
    AskHistogram,
    AskPage,
    AskRows,
    AskScatter,
    AskSummary,
    Cell,
    Column,
    Histogram,
    Label,
    Page,
    Scatter,
    Summary,
)
from audiobatchd.control.server.access import Peer
from audiobatchd.control.server.server import ControlServer
from audiobatchd.control.status import FolderReport, Status, Trouble
from audiobatchd.errors import ConfigError, UnknownFolderError, UsageError
from audiobatchd.vocabulary.states import Attempt, FolderState, Outcome

CRASH = Attempt(
    Outcome.ERROR,
    "killed by signal 11, Segmentation fault",
    at="2026-11-25T09:00:00+00:00",
    seconds=3.0,
    charged=True,
    worker=7,
    stage="rhythm of full_mix.mp3",
    signal=11,
    lines=("last words",),
)


def report(name: FolderName) -> FolderReport:
    """Make a report of any folder."""
    return FolderReport(
        dataset=name.dataset,
        folder=name.folder,
        state=FolderState.BACKOFF,
        reason="its worker ended",
        since="2026-11-25T09:00:00+00:00",
        next="it is tried again",
        next_in=12.0,
        due=["full_mix: loudness, rhythm"],
        unavailable=2,
        warnings=[],
        charges=1,
        suspicions=0,
        max_deaths=3,
        worker=None,
        doing="",
        holder="",
        attempts=[CRASH],
    )


class ToldService:
    """A service that tells this status, answers every operation of the table, and keeps what it was `asked`."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self.status = status
        self.asked: list[object] = []
        self.linked: list[Peer] = []
        self.past = History((Span(1_790_000_000 // 3600 * 3600, 3600, done=2, outcomes={"done": 2}),))

    async def failures(self) -> list[Trouble]:
        return self.status().troubles

    def may_change(self, uid: int) -> bool:
        return uid in operators(())

    async def explain(self, name: FolderName) -> FolderReport:
        self.asked.append(name)
        if name.folder == "nowhere":
            raise UnknownFolderError("there is no track folder nowhere in /music")
        return report(name)

    async def retry(self, request: RetryFolders) -> Retried:
        self.asked.append(request)
        return Retried(len(request.folders))

    async def survey(self, request: Survey) -> Surveyed:
        self.asked.append(request)
        return Surveyed(3, 2, 0, [])

    async def columns(self, asked: AskColumns) -> list[Column]:
        self.asked.append(asked)
        return [Column("folder", "text"), Column("bpm", "number", "BPM", "Tempo")]

    async def page(self, asked: AskPage) -> Page:
        self.asked.append(asked)
        return Page((Column("folder", "text"),), (("a",),), 1)

    async def rows(self, asked: AskRows) -> AsyncGenerator[bytes, None]:
        self.asked.append(asked)
        if asked.dataset == "/nowhere":
            raise UsageError("no such dataset: /nowhere")
        return pieces(b'{"columns":[]}\n["A",120.5]\n', b'["B",null]\n', b'{"rows":2}\n')

    async def summary(self, asked: AskSummary) -> list[Summary]:
        self.asked.append(asked)
        return [Summary(Column("key", "text"), 2, 1, frequent=(Label("C major", 2),), distinct=1)]

    async def histogram(self, asked: AskHistogram) -> Histogram:
        self.asked.append(asked)
        return Histogram((0.0, 1.0), (2,), 1)

    async def scatter(self, asked: AskScatter) -> Scatter:
        self.asked.append(asked)
        return Scatter((0.0, 1.0), (0.0, 1.0), (Cell(0, 0, 2),), 2, 1)

    async def history(self, asked: AskHistory) -> History:
        self.asked.append(asked)
        return self.past

    def bump(self, name: FolderName) -> Retried:
        self.asked.append(name)
        return Retried(1)

    def rescan(self, request: Rescan) -> Rescanned:
        self.asked.append(request)
        return Rescanned()

    def pause(self, request: Pause) -> Paused:
        self.asked.append(request)
        return Paused(1)

    def resume(self, request: Resume) -> Paused:
        self.asked.append(request)
        return Paused(0)

    async def reload(self) -> Reloaded:
        self.asked.append("reload")
        raise ConfigError("c.toml: unknown key `worker`")

    def web_link(self, peer: Peer) -> WebLink:
        self.linked.append(peer)
        return WebLink("http://127.0.0.1:8787/login/token", "127.0.0.1:8787", 600.0, operator=True)

    async def clean_locks(self, request: CleanLocks) -> CleanedLocks:
        self.asked.append(request)
        if request.dataset == "/nowhere":
            raise UsageError("no such dataset: /nowhere")
        return CleanedLocks(1, [RemovedLock("Song.lock", "its holder is gone")])


async def pieces(*told: bytes) -> AsyncGenerator[bytes, None]:
    """These pieces of an answer, one by one."""
    for piece in told:
        yield piece


@contextmanager
def serving(path: Path, status: Callable[[], Status], told: ToldService | None = None) -> Iterator[ControlServer]:
    """A started server in a loop and thread of its own; stopped at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ControlServer(path, told or ToldService(status))
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
        yield server
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def connected(path: Path) -> socket.socket:
    """A connection to the socket at `path`, which waits for 20 s at most."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(60)
    made.connect(str(path))
    return made


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """What comes, up to and with this."""
    told = b""
    while wanted not in told:
        more = connection.recv(1 << 16)
        assert more, told
        told += more
    return told

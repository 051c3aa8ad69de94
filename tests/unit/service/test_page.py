"""The page beside the service: begun, replaced, ended and tried again, as the configuration has it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from audiobatchd.config.web import WebConfig
from audiobatchd.control.server.feed import Feed
from audiobatchd.errors import UsageError
from audiobatchd.service import page as module
from audiobatchd.service.page import Page
from audiobatchd.web.contract import Contract
from support.web_rig import OPERATOR, STRANGER, WebService, free_port


class Kept:
    """A page, and the configuration that it goes by."""

    def __init__(self, root: Path, config: WebConfig) -> None:
        self.config = config
        self.page = Page(lambda: self.config, asyncio.get_running_loop().time)
        self.page.start(Contract(WebService(root), Feed(), root))

    async def reload(self, config: WebConfig) -> None:
        self.config = config
        self.page.reloaded()

    def is_served(self) -> bool:
        return self.page._served == self.config

    async def status_of(self, url: str, cookie: str = "") -> tuple[int, str]:
        """Ask with one request; the status and the cookie that is set."""
        port = int(str(self.config.listen).rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        path = "/" + url.partition("//")[2].partition("/")[2]
        writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
        told = (await reader.read()).decode()
        writer.close()
        return int(told.split()[1]), told.partition("Set-Cookie: ")[2].partition(";")[0]


@asynccontextmanager
async def kept(root: Path, config: WebConfig) -> AsyncIterator[Kept]:
    made = Kept(root, config)
    try:
        yield made
    finally:
        await made.page.stop()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  # the page sets no event
            await asyncio.sleep(0.01)


def at(port: int) -> WebConfig:
    return WebConfig(listen=f"127.0.0.1:{port}")


def test_a_changed_listener_is_replaced_and_sessions_stay(tmp_path: Path) -> None:
    async def work() -> None:
        async with kept(tmp_path, at(free_port())) as made:
            await until(made.is_served)
            status, cookie = await made.status_of(made.page.link(OPERATOR).url)
            assert status == 303
            before = made.config
            await made.reload(at(free_port()))
            await until(made.is_served)
            assert await made.status_of("http://x/api/session", cookie) == (200, "")
            made.config, after = before, made.config
            with pytest.raises(ConnectionRefusedError):
                await made.status_of("http://x/")
            made.config = after

    asyncio.run(work())


def test_a_page_that_is_turned_off_is_gone(tmp_path: Path) -> None:
    async def work() -> None:
        async with kept(tmp_path, at(free_port())) as made:
            await until(made.is_served)
            on = made.config
            await made.reload(WebConfig())
            await until(lambda: made.page._server is None)
            with pytest.raises(UsageError, match="off"):
                made.page.link(OPERATOR)
            made.config = on
            with pytest.raises(ConnectionRefusedError):
                await made.status_of("http://x/")

    asyncio.run(work())


def test_a_taken_port_is_told_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_AGAIN", 0.01)

    async def work() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            config = at(taken.getsockname()[1])
            async with kept(tmp_path, config) as made:
                await until(lambda: bool(made.page._trouble))
                with pytest.raises(UsageError):
                    made.page.link(OPERATOR)
                await asyncio.sleep(0.1)
                taken.close()
                await until(made.is_served)

    asyncio.run(work())
    assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == ["web-fails"]


def test_a_link_tells_the_rights_of_its_asker(tmp_path: Path) -> None:
    async def work() -> None:
        async with kept(tmp_path, at(free_port())) as made:
            await until(made.is_served)
            mine, theirs = made.page.link(OPERATOR), made.page.link(STRANGER)
            assert (mine.operator, theirs.operator) == (True, False)
            assert mine.tunnel == made.config.listen
            assert mine.seconds == made.config.link_lifetime

    asyncio.run(work())

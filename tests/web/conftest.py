"""A browser for all tests here, and for each a tab and a server of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.browser import Browser, Loop, Page, chromium, started
from support.web_stand_in import StandIn


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    """A loop in a thread."""
    loop = Loop()
    yield loop
    loop.stop()


@pytest.fixture(scope="session")
def browser(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium; without one the tests are skipped."""
    program = chromium()
    if program is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with started(loop, program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def page(loop: Loop, browser: Browser) -> Iterator[Page]:
    """A tab, whose console has no error at the end: nothing broke, and nothing broke the content security policy."""
    page = browser.page()
    page.see(1440)
    yield page
    errors = page.errors
    loop.run(page.close())
    assert errors == []


@pytest.fixture
def service(loop: Loop) -> Iterator[StandIn]:
    """A server with made-up data."""
    service = loop.run(_made())
    loop.run(service.start())
    yield service
    loop.run(service.stop())


async def _made() -> StandIn:
    return StandIn()

"""A real Chromium without a screen, told what to do over its own protocol (CDP), by tests that are not asynchronous."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

_T = TypeVar("_T")
_PATIENCE = 20.0
_AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
_KEYS = {"Tab": 9, "Enter": 13, " ": 32, "Escape": 27}


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run it there, and wait for its end."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def stop(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(60)
        self.loop.close()


class Page:
    """A tab."""

    def __init__(self, loop: Loop, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._loop = loop
        self._session = session
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.errors: list[str] = []
        """What the console has as errors, without answers of the service that are none of 2xx."""
        self._reader = loop.loop.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            elif told["method"] == "Runtime.exceptionThrown":
                self.errors.append(str(told["params"]["exceptionDetails"]))
            elif told["method"] == "Log.entryAdded":
                entry = told["params"]["entry"]
                if entry["level"] == "error" and entry["source"] != "network":
                    self.errors.append(entry["text"])

    async def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command, and wait for what comes of it."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        told = await asyncio.wait_for(answer, _PATIENCE)
        assert "error" not in told, told
        result: dict[str, Any] = told["result"]
        return result

    def tell(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command from a test."""
        return self._loop.run(self.ask(method, **parameters))

    def of(self, expression: str) -> Any:  # noqa: ANN401  # any JSON
        """Evaluate JavaScript in the page."""
        told = self.tell("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until JavaScript is true."""
        end = time.monotonic() + _PATIENCE
        while not self.of(f"!!({expression})"):
            assert time.monotonic() < end, f"never: {expression}\n{self.of('document.body.innerText')}\n{self.errors}"
            time.sleep(0.05)

    def text(self, of: str = "main") -> str:
        """Tell the text that is seen."""
        return str(self.of(f"document.querySelector({of!r})?.innerText ?? ''"))

    def shows(self, text: str, of: str = "main") -> None:
        """Wait until a text is seen."""
        self.until(f"(document.querySelector({of!r})?.innerText ?? '').includes({text!r})")

    def go(self, address: str) -> None:
        """Open an address."""
        self.tell("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def see(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Take a width, and colours that are light or dark."""
        self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.tell("Emulation.setEmulatedMedia", features=features)

    def press(self, key: str, times: int = 1, *, shift: bool = False) -> None:
        """Press a key; a text of several characters is typed."""
        if key not in _KEYS:
            self.tell("Input.insertText", text=key)
            return
        code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": _KEYS[key]}
        text = {"Enter": "\r", " ": " "}.get(key)
        down = {**code, "text": text} if text else code
        for _ in range(times):
            for kind, keys in (("keyDown", down), ("keyUp", code)):
                self.tell("Input.dispatchKeyEvent", type=kind, modifiers=8 if shift else 0, **keys)

    def click(self, selector: str) -> None:
        """Press the mouse on the middle of an element."""
        place = self.of(
            f"(() => {{ const it = document.querySelector({selector!r}); it.scrollIntoView({{block: 'center'}});"
            " const at = it.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.tell("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def findings(self) -> list[str]:
        """Tell what axe-core finds."""
        self.of(_AXE.read_text() + "; true")
        found = self.of("axe.run(document, {resultTypes: ['violations']}).then((all) => all.violations)")
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
            for each in found
            for node in each["nodes"]
        ]

    def is_wider_than_its_window(self) -> bool:
        """Tell whether one has to scroll to the side."""
        return bool(self.of("document.documentElement.scrollWidth > window.innerWidth"))

    def picture(self, path: Path) -> None:
        """Write what is seen as PNG."""
        path.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"]))

    async def close(self) -> None:
        """Close the tab."""
        with contextlib.suppress(Exception):
            await self.ask("Page.close")
        await self._socket.close()
        await self._session.close()


class Browser:
    """A Chromium of its own directory."""

    def __init__(self, loop: Loop, program: str, directory: Path) -> None:
        self._loop = loop
        environment = {**os.environ, "HOME": str(directory)}
        with (directory / "log").open("wb") as log:
            self._process = subprocess.Popen(  # its helpers are in its session, and end with it
                [program, *_OPTIONS, f"--user-data-dir={directory / 'profile'}", "about:blank"],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        port = directory / "profile" / "DevToolsActivePort"
        end = time.monotonic() + _PATIENCE
        while not (port.exists() and port.read_text().count("\n")):
            assert self._process.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < end, (directory / "log").read_text()
            time.sleep(0.05)
        self._port = port.read_text().split("\n")[0]

    def page(self) -> Page:
        """Open a tab."""
        return self._loop.run(self._open())

    async def _open(self) -> Page:
        session = aiohttp.ClientSession()
        async with session.put(f"http://127.0.0.1:{self._port}/json/new?about:blank") as made:
            address = (await made.json())["webSocketDebuggerUrl"]
        page = Page(self._loop, session, await session.ws_connect(address, max_msg_size=0))
        for domain in ("Page", "Runtime", "Log"):
            await page.ask(f"{domain}.enable")
        return page

    def close(self) -> None:
        """End it, and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(60)


def chromium() -> str | None:
    """Find Chromium."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def started(loop: Loop, program: str, directory: Path) -> Iterator[Browser]:
    """Start a browser, and end it."""
    browser = Browser(loop, program, directory)
    try:
        yield browser
    finally:
        browser.close()

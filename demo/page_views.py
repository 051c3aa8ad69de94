"""Takes pictures of the page's views in a browser without a screen, of a service that works on the demo tracks."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from support.browser import Loop, Page, chromium, started

WIDE, TALL = 1184, 1000
"""The window of most pictures, in pixels."""
TELEPHONE = 390, 900
_PATIENCE = 300.0
"""Seconds until a view has to show what is waited for."""
_SHARE = {
    "lufs": 0.2,
    "lra": 0.35,
    "true_peak": 0.6,
    "bpm": 0.08,
    "danceability": 0.15,
    "duration": 0.2,
    "brightness": 0.1,
}
"""Features that are varied, with the standard deviation as a share of the value."""
_RENAMED = """
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let at = walk.nextNode(); at; at = walk.nextNode()) at.data = at.data.replaceAll(FROM, "/srv/music");
    document.activeElement?.blur();
"""


class Photographer:
    """A tab of the page, opened by a link."""

    def __init__(self, page: Page, link: str, dataset: Path, directory: Path) -> None:
        """Take pictures into `directory`, of a page that calls `dataset` by its path."""
        self._page = page
        self._dataset = dataset
        self._directory = directory
        self._address = link.split("login/", maxsplit=1)[0]
        page.tell("Emulation.setScrollbarsHidden", hidden=True)
        page.go(link)
        page.shows("Connected", "#connection")

    def take(self, name: str, view: str, until: str, size: tuple[int, int], *, dark: bool = True, **asked: str) -> None:
        """Write the picture `name` of a view when it shows `until`, a text or a condition in JavaScript."""
        self._page.see(*size, dark=dark)
        self._page.go(f"{self._address}?{name}#/{view}?{urlencode(asked)}")
        # Pictures of audio take a worker of their own, which has to start: longer than a page's own patience.
        condition = until if "document." in until else f"document.body.innerText.includes({json.dumps(until)})"
        end = time.monotonic() + _PATIENCE
        while not self._page.of(f"!!({condition})"):
            if time.monotonic() > end:
                message = f"cannot make the picture {name}: the page never showed {until}"
                raise SystemExit(message)
            time.sleep(0.2)
        self._page.of(_RENAMED.replace("FROM", json.dumps(str(self._dataset))))
        self._page.picture(self._directory / name)


@contextmanager
def photographer(room: Path, link: str, dataset: Path, directory: Path) -> Iterator[Photographer]:
    """Open a browser with the page in it."""
    program = chromium()
    if program is None:
        raise SystemExit("cannot make the pictures: there is no chromium")
    (room / "browser").mkdir()
    loop = Loop()
    with started(loop, program, room / "browser") as browser:
        page = browser.page()
        yield Photographer(page, link, dataset, directory)
        loop.run(page.close())
    loop.stop()


def vary(dataset: Path, room: Path, count: int) -> int:
    """Add folders whose files are those of measured tracks, and whose values are theirs, varied at random."""
    draw = random.Random(7)  # noqa: S311  # pictures, no secrets
    songs = sorted(each.parent for each in dataset.glob("*/*.INFO") if "lufs" in json.loads(each.read_bytes()))
    for number in range(count):
        song = songs[number % len(songs)]
        made = room / f"Artist {number % 40 + 1} - Track {number + 1}"
        made.mkdir()
        for each in song.iterdir():
            if each.name != f"{song.name}.INFO":
                os.link(each, made / each.name.replace(song.name, made.name))  # features that are files
        values = json.loads((song / f"{song.name}.INFO").read_bytes())
        for name, share in _SHARE.items():
            if isinstance(values.get(name), float):
                values[name] = round(values[name] + draw.gauss(0, share * max(1.0, abs(values[name]))), 3)
        values["key"] = draw.choice(("C major", "G major", "D minor", "A minor", "E minor", "F major"))
        (made / f"{made.name}.INFO").write_text(json.dumps(values), encoding="utf-8")
        made.rename(dataset / made.name)
    return count

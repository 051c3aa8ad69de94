"""The page of a real service: a backfill is followed, a folder is looked at, and one that failed is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import EXPLAIN
from audiobatchd.control.requests import FolderName
from support.audio_files import make_track, music, write_audio
from support.browser import Page
from support.service import Service, configuration, eventually, run, service
from support.web_rig import free_port

ATTACK = "<img src=x onerror=document.title=1>"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "music"
    path.mkdir()
    return path


@pytest.fixture
def running(tmp_path: Path, dataset: Path) -> Iterator[Service]:
    config = configuration(tmp_path / "config.toml", dataset, workers=1)
    config.write_text(config.read_text() + f'[web]\nlisten = "127.0.0.1:{free_port()}"\n')
    with service(tmp_path / "run", config) as started:
        eventually(started.is_watched)
        yield started


def opened(page: Page, running: Service, view: str = "") -> str:
    """Open the page by a link; its address."""
    _, link, _ = run("audiobatchctl", "--socket", running.socket, "web")
    page.go(link.split()[0])
    page.shows("Connected", "#connection")
    address = link.split("login/")[0]
    page.go(f"{address}?{view}#/{view}")
    return address


def test_a_backfill_is_followed_as_it_goes(page: Page, running: Service, dataset: Path) -> None:
    opened(page, running, "now")
    page.shows("0 of 0 folders complete")
    make_track(dataset / "Artist - Track")
    page.shows("1 of 1 folder complete")
    make_track(dataset / ATTACK)
    page.shows("2 of 2 folders complete")
    page.shows(ATTACK, "#log")
    assert page.findings() == []


def test_lines_begin_before_the_page_was_opened(page: Page, running: Service, dataset: Path) -> None:
    make_track(dataset / "Artist - Track")
    running.becomes(complete=1)
    opened(page, running, "now")
    page.until("document.querySelector('.line')")
    before = "live.past.map(({ at }) => at < performance.timeOrigin)"
    assert page.of(f"import('/static/live.js').then(({{ live }}) => {before})") == [True]


def test_a_folder_is_found_looked_at_and_heard(page: Page, running: Service, dataset: Path) -> None:
    folder = dataset / ATTACK
    folder.mkdir()
    write_audio(folder / "full_mix.flac", music(4), 44100)
    running.becomes(complete=1)
    opened(page, running, "folders")
    page.shows("1 to 1 of 1 folder")
    page.click("td a")
    page.shows("State")
    page.until("document.querySelector('svg.media')")
    page.until("document.querySelector('img.media')?.naturalWidth > 100")
    assert "lufs" in page.text()
    page.of("document.querySelector('audio').muted = true")
    page.of("document.querySelector('audio').play()")
    page.until("document.querySelector('audio').currentTime > 0.1")
    page.of("document.querySelector('audio').currentTime = 3")
    page.until("document.querySelector('audio').ended")


def test_a_bar_of_a_picture_leads_to_its_folders(page: Page, running: Service, dataset: Path) -> None:
    make_track(dataset / "Artist - Track")
    running.becomes(complete=1)
    opened(page, running, "dataset")
    page.shows("The bins of lufs")
    page.click("rect[data-low]")
    page.shows("1 to 1 of 1 folder")


def test_a_failed_folder_is_tried_again(page: Page, running: Service, dataset: Path) -> None:
    folder = dataset / "Artist - Broken"
    make_track(folder)
    (path,) = folder.glob("full_mix.*")
    path.write_bytes(path.read_bytes()[:-1000])
    running.becomes(failed=1)
    opened(page, running, "failures")
    page.shows("1 folder failed or blocked")
    page.click("td button")
    page.shows("1 folder is tried again", "#told")
    named = FolderName(str(dataset), folder.name)
    eventually(lambda: len(ControlClient(running.socket).ask(EXPLAIN, named).attempts) == 2, what=running.log)
    assert "POST /api/retry" in running.log()
    page.shows("1 folder failed or blocked")

"""Each view of the page in a real Chromium: what it shows, what can be done, and what hostile names can not."""

from __future__ import annotations

import gzip
import time
import urllib.parse

import pytest
from msgspec.structs import replace

from audiobatchd.control.history import Span
from audiobatchd.vocabulary.states import DatasetState
from support import statuses
from support.browser import Loop, Page
from support.control_rig import CRASH
from support.web_stand_in import ATTACK, CSRF, DATASET, STATIC, StandIn

FOLDER = "#/folder?" + urllib.parse.urlencode({"dataset": DATASET, "folder": ATTACK})
VIEWS = {
    "now": ("#/now", "What happened last"),
    "dataset": ("#/dataset", "The bins of bpm"),
    "feature": ("#/dataset?feature=bpm", "All pictures"),
    "folders": ("#/folders", "1 to 100 of 250 folders"),
    "folder": (FOLDER, "the file is too short"),
    "failures": ("#/failures", "permission denied"),
}


def _asked_for_rows(service: StandIn) -> list[tuple[str, str]]:
    """Return the parameters of the last question for rows."""
    return [parameters for path, parameters in service.asked if path == "/api/rows"][-1]


def test_all_files_take_no_more_than_60_kb_packed() -> None:
    assert sum(len(gzip.compress(path.read_bytes())) for path in STATIC.iterdir()) < 60_000


@pytest.mark.parametrize("view", VIEWS)
def test_no_finding_of_axe_and_no_sideways_scrolling(view: str, page: Page, service: StandIn) -> None:
    address, text = VIEWS[view]
    page.go(service.address + address)
    page.shows(text)
    for width, dark in ((390, True), (1440, False)):
        page.see(width, dark=dark)
        assert not page.is_wider_than_its_window(), width
        assert page.findings() == []


def test_now_tells_what_the_service_is_at(page: Page, service: StandIn) -> None:
    page.go(service.address)
    page.shows("1 h 30 min")
    for text in (DATASET, "6,240 of 10,000 folders complete", "failed 12", "inotify", "11 workers", "2,400"):
        assert text in page.text()
    for name in statuses.HOSTILE[:3]:
        assert name.split()[0] in page.text()


def test_now_follows_the_events(page: Page, service: StandIn, loop: Loop) -> None:
    page.go(service.address)
    page.shows("6,240 of 10,000")
    shown = service.status.datasets[0]
    service.status = replace(service.status, datasets=[replace(shown, folders={**shown.folders, "complete": 6241})])
    loop.run(service.say("folder-done", dataset=DATASET, folder=ATTACK, lufs=-14.2))
    page.shows("6,241 of 10,000")
    page.shows(ATTACK, "#log")
    page.shows("Time left")
    assert page.of("document.querySelectorAll('.line').length") == 2


def test_lines_begin_with_what_the_history_holds(page: Page, service: StandIn) -> None:
    hour = int(time.time()) // 3600 * 3600
    worked = Span(hour - 7200, 3600, done=600, failed=3, busy_seconds=1800.0)
    service.spans = [
        Span(hour - 14 * 86400, 86400, done=9),
        Span(hour - 4 * 3600, 3600, done=50, busy_seconds=3600.0),
        worked,
    ]
    page.go(service.address)
    page.until("document.querySelectorAll('.line').length == 2")
    pictures = "[...document.querySelectorAll('#main .pictures svg')].map((each) => each.getAttribute('aria-label'))"
    for told, name in zip(page.of(pictures), ("Folders an hour", "Time left"), strict=True):
        assert told.startswith((f"{name} over the last 3 h", f"{name} over the last 4 h")), told
    # Five hours, and from now on; of hours without work there is no time left to tell.
    rate, left = page.of("[...document.querySelectorAll('.line')].map((each) => each.getAttribute('d'))")
    assert (rate.count("M"), rate.count("L") >= 5) == (1, True)
    assert left.count("M") == 3
    asked = [parameters for path, parameters in service.asked if path == "/api/history"]
    assert asked == [[("since", str(hour - 24 * 3600))]]


def test_a_lost_connection_is_told_and_comes_back(page: Page, service: StandIn, loop: Loop) -> None:
    page.go(service.address)
    page.shows("Connected", "#connection")
    loop.run(service.stop())
    page.shows("Connection lost", "#connection")
    assert "6,240" in page.text()
    loop.run(service.start())
    page.shows("Connected", "#connection")
    loop.run(service.say("folder-failed", dataset=DATASET, folder="after all", reason="damaged"))
    page.shows("after all", "#log")


def test_a_session_that_ends_tells_how_to_get_another(page: Page, service: StandIn) -> None:
    service.has_session = False
    page.go(service.address)
    page.shows("audiobatchctl web")
    assert page.findings() == []
    service.has_session = True
    page.go(service.address + "?again")
    page.shows("6,240")
    service.has_session = False
    page.of("location.hash = '#/failures'")
    page.shows("audiobatchctl web")


def test_an_operator_pauses_and_resumes(page: Page, service: StandIn) -> None:
    page.go(service.address)
    page.shows("Pause")
    page.click("section.card button")
    page.shows("is paused", "#told")
    paused = replace(service.status.datasets[0], state=DatasetState.PAUSED)
    service.status = replace(service.status, datasets=[paused])
    page.shows("Resume")
    page.click("section.card button")
    page.shows("goes on", "#told")
    assert service.changes == [("pause", {"dataset": DATASET}, CSRF), ("resume", {"dataset": DATASET}, CSRF)]


def test_a_click_on_a_bar_lists_the_folders_of_its_bin(page: Page, service: StandIn) -> None:
    page.go(service.address + "#/dataset?feature=bpm&where=lufs+%3C+-9")
    page.shows("The bins of bpm")
    page.click("rect[data-low='80.0']")
    page.shows("1 to 100 of 250")
    assert dict(_asked_for_rows(service))["where"] == '(lufs < -9) and "bpm" >= 80 and "bpm" < 100'


def test_bins_are_links_in_a_table_too(page: Page, service: StandIn) -> None:
    page.go(service.address + "#/dataset?feature=bpm")
    page.shows("The bins of bpm")
    page.click("figure summary")
    last = "figure tbody tr:last-child a"
    assert page.text(last) == "70"
    page.click(last)
    page.shows("1 to 100 of 250")
    asked = dict(_asked_for_rows(service))
    assert asked["where"] == '"bpm" >= 100 and "bpm" <= 120'  # the last bin has its upper bound
    page.of("history.back()")
    page.shows("The bins of bpm")


def test_a_column_with_an_odd_name_can_be_asked_for(page: Page, service: StandIn) -> None:
    page.go(service.address + "#/dataset?" + urllib.parse.urlencode({"feature": 'odd "name", <b>'}))
    page.shows('The bins of odd "name", <b>')
    page.click("rect[data-low='60.0']")
    page.shows("1 to 100 of 250")
    asked = _asked_for_rows(service)
    assert ("columns", 'odd "name", <b>') in asked
    assert dict(asked)["where"] == '"odd ""name"", <b>" >= 60 and "odd ""name"", <b>" < 80'


def test_folders_are_searched_sorted_and_paged(page: Page, service: StandIn) -> None:
    page.go(service.address + "#/folders")
    page.shows("1 to 100 of 250")
    page.of("document.querySelector('input[name=search]').focus()")
    page.press("Track")
    page.press("Enter")
    page.until("location.hash.includes('search=Track')")
    page.until("document.activeElement.name === 'search'")  # the focus stays
    page.until("document.querySelector('th:nth-child(3) a').hash.includes('search=Track')")
    page.click("th:nth-child(3) a")
    page.until("document.querySelector('th[aria-sort=ascending]')?.innerText.startsWith('bpm')")
    page.click("th:nth-child(3) a")
    page.until("document.querySelector('th[aria-sort=descending]')")
    page.of("[...document.querySelectorAll('.pages a')].find((each) => each.innerText === 'Last').click()")
    page.shows("201 to 250 of 250")
    asked = dict(_asked_for_rows(service))
    assert (asked["search"], asked["sort"], asked["offset"]) == ("Track", "-bpm", "200")
    page.of("history.back()")
    page.shows("1 to 100 of 250")


def test_a_condition_that_is_refused_is_told_at_its_field(page: Page, service: StandIn) -> None:
    page.go(service.address + "#/folders?where=bpm+(")
    page.shows("cannot read the condition")
    assert page.of("document.querySelector('input[name=where]').getAttribute('aria-invalid')") == "true"
    assert page.findings() == []


def test_columns_are_chosen(page: Page, service: StandIn) -> None:
    page.go(service.address + "#/folders")
    page.shows("1 to 100 of 250")
    page.click("form summary")
    page.click("input[value=lra]")
    page.click("form > button")
    page.until("location.hash.includes('columns=bpm')")
    page.until(
        "((heads) => heads.length && !heads.some((each) => each.innerText.startsWith('lra')))"
        "([...document.querySelectorAll('thead th')])"  # also while there is no table, there is none of `lra`
    )
    asked = [value for name, value in _asked_for_rows(service) if name == "columns"]
    assert "lra" not in asked
    assert asked[:2] == ["folder", "state"]


def test_a_folder_is_told_drawn_and_can_be_heard(page: Page, service: StandIn) -> None:
    page.go(service.address + FOLDER)
    page.shows("the file is too short")
    for text in (ATTACK, "its worker ended", "full_mix: loudness, rhythm", CRASH.reason, "feature_19", "calm 0.7"):
        assert text in page.text()
    page.until("document.querySelector('svg.media .wave')")
    page.until("document.querySelector('img.media')?.naturalWidth")
    assert page.of("[...document.querySelectorAll('audio')].map((each) => new URL(each.src).pathname)") == [
        "/api/audio",
        "/api/audio",
    ]
    page.of("[...document.querySelectorAll('.roles a')].at(-1).click()")
    page.until("document.querySelector('img.media')?.src.includes('role=drums')")


def test_a_failed_folder_is_retried(page: Page, service: StandIn) -> None:
    page.go(service.address + "#/failures")
    page.shows("3 folders failed or blocked, for 2 causes")
    assert "damaged at second #" in page.text()
    page.click("section:nth-of-type(2) td button")
    page.shows("1 folder is tried again", "#told")
    page.shows("2 folders failed or blocked, for 1 cause")
    body = {"folders": [{"dataset": DATASET, "folder": "Artist - Closed"}]}
    assert service.changes == [("retry", body, CSRF)]
    assert page.of("document.activeElement !== document.body")


def test_many_folders_are_retried_in_requests_of_bounded_size(page: Page, service: StandIn) -> None:
    named = service.failures[0]
    service.failures = [replace(named, folder=f"{at:04} {'é' * 120}") for at in range(500)]
    page.go(service.address + "#/failures")
    page.shows("500 folders failed")
    page.click("main > p button")
    page.shows("500 folders are tried again", "#told")
    sizes = [len(str(body["folders"]).encode()) for _, body, _ in service.changes]
    assert len(sizes) > 1
    assert max(sizes) < 65_536


def test_who_only_looks_is_offered_no_change(page: Page, service: StandIn) -> None:
    service.operator = False
    for address, text in (VIEWS["now"], VIEWS["failures"], VIEWS["folder"]):
        page.go(service.address + address)
        page.shows(text)
        assert page.of("document.querySelectorAll('button').length") == 0


@pytest.mark.parametrize("view", VIEWS)
def test_names_are_text_and_nothing_runs(view: str, page: Page, service: StandIn) -> None:
    address, text = VIEWS[view]
    page.go(service.address + address)
    page.shows(text)
    assert page.of("document.querySelectorAll('main img:not(.media), main script, main [onclick], main b').length") == 0
    assert page.of("document.title").endswith("audiobatchd")


def test_the_keyboard_alone_is_enough(page: Page, service: StandIn) -> None:
    page.go(service.address + "#/now")
    page.shows("Connected", "#connection")
    page.press("Tab")
    assert page.of("document.activeElement.innerText") == "Skip to the content"
    page.press("Enter")
    assert page.of("document.activeElement.id") == "main"
    page.press("Tab")
    assert page.of("document.querySelector('main').contains(document.activeElement)")
    page.of("document.activeElement.blur()")
    page.go(service.address + "?fresh#/now")
    page.shows("Connected", "#connection")
    page.press("Tab", 5)
    assert page.of("document.activeElement.innerText") == "Failures"
    page.press("Enter")
    page.shows("permission denied")
    page.until("document.activeElement.tagName === 'H1'")
    assert page.of("document.querySelector('nav [aria-current=page]').innerText") == "Failures"
    page.press("Tab")
    assert page.of("document.activeElement.innerText") == "Try all of them again"
    page.press(" ")
    page.shows("No folder failed or is blocked")
    assert len(service.changes[0][1]["folders"]) == 3
    page.press("Tab")
    assert page.of("document.activeElement === document.body || document.activeElement.tagName === 'A'")


def test_focus_is_seen_and_goes_through_all_of_it(page: Page, service: StandIn) -> None:
    page.go(service.address + "#/folders")
    page.shows("1 to 100 of 250")
    seen = set()
    for _ in range(30):
        page.press("Tab")
        told = page.of(
            "(() => { const it = document.activeElement; return [it.tagName, it.name || it.innerText,"
            " getComputedStyle(it).outlineStyle] })()"
        )
        assert told[0] == "BODY" or told[2] != "none", told
        seen.add(told[1])
    assert {"search", "where", "Show", "bpm", ATTACK} <= seen


def test_nothing_moves_for_who_asks_so(page: Page, service: StandIn) -> None:
    page.go(service.address)
    page.shows("6,240")
    assert page.of("getComputedStyle(document.querySelector('.stack rect')).transitionDuration") == "0s"

"""The page of a report: one file that asks for nothing, with every name as text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from audiobatchd.cli import control
from audiobatchd.control.history import Span
from audiobatchd.report.findings import Findings, Listed
from audiobatchd.report.page import written

HOSTILE = "<img src=x onerror=alert(1)>"
VOID = {"meta", "br", "rect", "line", "input"}


class Page(HTMLParser):
    """The elements and attributes of a page; fails where one is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(name="page", scope="module")
def _page(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("report")
    for number in range(12):
        name = f"{HOSTILE} {number}"
        folder = place / "music" / name
        folder.mkdir(parents=True)
        (folder / "full_mix.flac").write_bytes(b"x")
        values = {
            "lufs": -9.0 - number,
            "lra": 4.0,
            "true_peak": 0.5,
            "key": HOSTILE,
            HOSTILE: 3,
            "quality_cut_end": True,
        }
        (folder / f"{name}.INFO").write_text(json.dumps(values) if number else "{")
    target = place / "report.html"
    words = ["--socket", str(place / "no"), "report", str(place / "music"), "-o", str(target)]
    assert control.main(words) == 0
    return target.read_text(encoding="utf-8")


def test_names_are_text_and_elements_are_closed(page: str) -> None:
    read = Page(page)
    assert read.open == []
    assert not [tag for tag, _ in read.tags if tag in {"img", "iframe", "object", "link", "base", "form"}]
    assert not [names for _, names in read.tags if any(name.startswith("on") for name in names)]
    assert HOSTILE in read.text


def test_page_asks_for_nothing(page: str) -> None:
    read = Page(page)
    addresses = [names.get(key) or "" for _, names in read.tags for key in ("href", "src") if key in names]
    assert all(each.startswith("#") for each in addresses)
    assert not re.search(r"url\(|@import|fetch\(|https?:", page)
    policy = next(names["content"] for _, names in read.tags if names.get("http-equiv") == "Content-Security-Policy")
    assert (policy or "").startswith("default-src 'none'")


def test_page_has_pictures_with_their_numbers(page: str) -> None:
    read = Page(page)
    assert len([tag for tag, names in read.tags if tag == "svg" and names.get("aria-label")]) >= 4
    assert "lufs, LUFS" in read.text
    assert "11" in read.text  # values of loudness
    assert "cannot" in read.text or "record" in read.text  # why one is blocked


def test_history_is_left_out_with_a_word_where_no_service_has_it(page: str) -> None:
    assert "only a service keeps a history" in Page(page).text


def test_history_has_a_picture_with_its_numbers() -> None:
    nothing = Listed("", 0, (), ())
    findings = Findings(1, (), 0.0, (), (), (), (), nothing, (), ())
    starts = (1_790_000_000, 1_790_000_000 + 3 * 86400)
    past = [Span(start, 3600, 5, 1, {}, 3600.0, 60.0, {HOSTILE: 2.0}, {HOSTILE: 1}) for start in starts]
    read = Page(written("/music", "today", findings, [], spans=past))
    assert read.open == []
    (picture,) = [names for tag, names in read.tags if tag == "svg"]
    assert picture["aria-label"] == "Folders done by day: 4 columns, at most 5"
    assert [tag for tag, names in read.tags if names.get("class") == "bar"] == ["rect"] * 2
    assert read.text.count(HOSTILE) == 2
    assert "No job has ended yet." in Page(written("/music", "today", findings, [], spans=())).text


def test_failures_are_told_to_take_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "music" / "A"
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").write_bytes(b"x")
    target = tmp_path / "report.html"
    assert control.main(["--socket", str(tmp_path / "no"), "report", str(tmp_path / "music"), "-o", str(target)]) == 0
    assert "No folder failed or is blocked. Without the service, " in target.read_text(encoding="utf-8")

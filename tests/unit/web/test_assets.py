"""The files of the page, from memory."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.web.assets import STATIC, load
from support.web_rig import Site, site


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("music")) as made:
        yield made


def test_only_files_of_known_kinds_are_read(tmp_path: Path) -> None:
    (tmp_path / "app.js").write_text("1;" * 1000)
    (tmp_path / "notes.bak").write_text("none")
    (tmp_path / "README").write_text("none")
    files = load(tmp_path)
    assert list(files) == ["app.js"]
    assert files["app.js"].kind.startswith("text/javascript")
    assert gzip.decompress(files["app.js"].packed or b"") == files["app.js"].content


def test_the_page_needs_no_session(page: Site) -> None:
    answer = page.ask("/")
    assert (answer.status, answer.body) == (200, (STATIC / "index.html").read_bytes())
    assert page.ask("/static/index.html").body == answer.body


def test_a_page_that_is_known_is_not_sent_again(page: Site) -> None:
    answer = page.ask("/")
    assert answer.headers["Cache-Control"] == "no-cache"
    again = page.ask("/", If_None_Match=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static", "/static/../guard.py", "/static/%2e%2e/guard.py", "/static/..%2fguard.py", "/static/%00",
     "/static//etc/passwd", "//static/index.html", "/static/index.html/", "/static/nothing"],
)  # fmt: skip
def test_no_other_file_is_sent(page: Site, path: str) -> None:
    assert page.ask(path).status in (400, 404)

"""The way in, as browsers take it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.config.web import WebConfig
from support.web_rig import OPERATOR, STRANGER, Site, free_port, site


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


async def link(page: Site) -> str:
    return f"/login/{page.sessions.link(OPERATOR, 600)}"


def test_a_link_sets_a_cookie_and_leads_to_the_page(page: Site) -> None:
    answer = page.ask(page.run(link(page)))
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    crumbs = {each.strip().lower() for each in answer.headers["Set-Cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= crumbs
    assert "secure" not in crumbs


def test_a_used_link_is_refused(page: Site) -> None:
    used = page.run(link(page))
    assert page.ask(used).status == 303
    answer = page.ask(used)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


def test_what_only_looks_ahead_does_not_use_a_link_up(page: Site) -> None:
    fresh = page.run(link(page))
    assert page.ask(fresh, "HEAD").status == 405
    assert page.ask(fresh, Sec_Purpose="prefetch;prerender").status == 503
    assert page.ask(fresh, Sec_Fetch_Site="cross-site").status == 403
    assert page.ask(fresh).status == 303


def test_a_session_is_told_its_rights(page: Site) -> None:
    csrf = page.log_in(OPERATOR)
    told = page.ask("/api/session").body.decode()
    assert csrf in told
    assert '"operator":true' in told
    page.cookies.clear()
    page.log_in(STRANGER)
    assert '"operator":false' in page.ask("/api/session").body.decode()


def test_below_a_base_path_the_cookie_is_the_page_s(tmp_path: Path) -> None:
    config = WebConfig(listen=f"127.0.0.1:{free_port()}", base_path="/music/")
    with site(tmp_path, config) as page:
        answer = page.ask("/music" + page.run(link(page)))
        assert answer.headers["Location"] == "/music/"
        assert "path=/music/" in answer.headers["Set-Cookie"].lower()
        assert page.ask("/music/").status == 200
        assert page.ask("/").status == 404
        assert page.ask("/api/session").status == 404
        assert page.ask("/music/api/session").status == 401

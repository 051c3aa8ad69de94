"""Requests that are refused before they are answered: of other hosts, other sites, without a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.config.web import WebConfig, address_of
from audiobatchd.control.requests import Pause
from audiobatchd.web.guard import name_in, names
from support.web_rig import OPERATOR, STRANGER, Site, free_port, site


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("music")) as made:
        yield made


@pytest.fixture
def csrf(page: Site) -> Iterator[str]:
    page.service.asked.clear()
    yield page.log_in(OPERATOR)
    page.cookies.clear()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1:8787", "127.0.0.1"),
        ("LOCALHOST", "localhost"),
        ("[::1]:8787", "::1"),
        ("[0:0::1]", "::1"),
        ("localhost:", ""),
        ("localhost:x", ""),
        ("localhost:80:80", ""),
        ("localhost@evil.example", "localhost@evil.example"),
        ("[::1", ""),
        ("[::1]x", ""),
        ("[localhost]", ""),
        ("", ""),
    ],
)
def test_the_name_in_a_host(host: str, name: str) -> None:
    assert name_in(host) == name


def test_names_are_the_address_and_hosts() -> None:
    assert names(WebConfig(hosts=("fd00:0::5",)), address_of("/run/web.sock")) == {"fd00::5"}
    config = WebConfig(hosts=("NAS.local",))
    assert names(config, address_of("127.0.0.1:1")) == {"127.0.0.1", "localhost", "nas.local"}
    assert names(config, address_of("192.168.1.5:1")) == {"192.168.1.5", "nas.local"}
    assert names(config, address_of("0.0.0.0:1")) == {"nas.local"}
    assert names(config, address_of("/run/web.sock")) == {"nas.local"}


@pytest.mark.parametrize("path", ["/", "/api/status", "/static/index.html", "/login/x", "/nothing"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8787", "127.0.0.1.evil.example", "localhost.", "2130706433", "", None]
)
def test_another_host_is_refused(page: Site, csrf: str, path: str, host: str | None) -> None:
    answer = page.ask(path, Host=host)
    assert answer.status in (400, 421)
    assert b"html" not in answer.body


def test_two_hosts_are_refused(page: Site) -> None:
    with page.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n") as connection:
        assert connection.recv(100).split()[1] in (b"400", b"421")


def test_a_tunnel_s_port_does_not_matter(page: Site, csrf: str) -> None:
    headers = {"Host": "localhost:9000", "Origin": "http://localhost:9000", "X-CSRF-Token": csrf}
    assert page.ask("/api/pause", "POST", b"{}", **headers).status == 200


@pytest.mark.parametrize(
    "path", ["/api/session", "/api/status", "/api/failures", "/api/folder", "/api/events", "/api/audio", "/api/none"]
)
@pytest.mark.parametrize("cookie", [None, "{}=", "{}=stale", "other=1", "{}=" + "x" * 5000])
def test_without_a_session_nothing_is_told(page: Site, path: str, cookie: str | None) -> None:
    answer = page.ask(path, Cookie=cookie and cookie.format(page.sessions.cookie))
    assert answer.status == 401
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/%61pi/status", "/api%2fstatus", "//api/status", "/./api/status", "/x/../api/status", "/API/status"]
)
def test_no_way_of_writing_a_path_needs_no_session(page: Site, path: str) -> None:
    assert page.ask(path).status in (400, 401, 404)


def test_a_change_of_an_operator_is_done(page: Site, csrf: str) -> None:
    assert page.ask("/api/pause", "POST", b'{"seconds":5}', X_CSRF_Token=csrf).status == 200
    assert page.service.asked == [Pause(seconds=5)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"X-CSRF-Token": None},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "0" * 64},
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "https://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Cookie": None},
        {"Cookie": "audiobatchd-00000000=stale"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Host": "localhost", "Origin": "http://127.0.0.1"},
        {"X-Forwarded-Proto": "https", "Origin": "https://127.0.0.1"},
    ],
)
@pytest.mark.parametrize("path", ["/api/retry", "/api/pause", "/api/resume"])
def test_a_change_of_another_s_making_is_refused(
    page: Site, csrf: str, path: str, wrong: dict[str, str | None]
) -> None:
    headers: dict[str, str | None] = {"X-CSRF-Token": csrf, **wrong}
    assert page.ask(path, "POST", b"{}", **headers).status in (401, 403, 421)
    assert page.service.asked == []


def test_a_change_of_no_operator_is_refused(page: Site) -> None:
    page.service.asked.clear()
    csrf = page.log_in(STRANGER)
    assert page.ask("/api/status").status == 200
    assert page.ask("/api/pause", "POST", b"{}", X_CSRF_Token=csrf).status == 403
    assert page.service.asked == []
    page.cookies.clear()


def test_one_who_is_no_operator_any_more_is_refused(page: Site, csrf: str) -> None:
    page.service.changers.clear()
    assert page.ask("/api/pause", "POST", b"{}", X_CSRF_Token=csrf).status == 403
    page.service.changers.add(0)


def test_a_change_is_logged_with_the_uid(page: Site, csrf: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "audiobatchd")
    page.ask("/api/retry", "POST", b'{"all":true}', X_CSRF_Token=csrf)
    (record,) = [each for each in caplog.records if each.getMessage() == "change-asked"]
    told = record.__dict__["fields"]
    assert (told["uid"], told["request"], told["all"]) == (0, "POST /api/retry", True)
    assert not any(page.cookies[page.sessions.cookie] in str(each) or csrf in str(each) for each in told.values())


@pytest.mark.parametrize("path", ["/api/pause", "/api/retry"])
def test_a_change_by_get_is_refused(page: Site, csrf: str, path: str) -> None:
    assert page.ask(path).status == 405
    assert page.ask(path, "OPTIONS", Origin="http://evil.example").status == 403


@pytest.mark.parametrize("asked_by", ["cross-site", "same-site"])
def test_another_site_cannot_have_data_fetched(page: Site, csrf: str, asked_by: str) -> None:
    assert page.ask("/api/status", Sec_Fetch_Site=asked_by).status == 403
    assert page.ask("/", Sec_Fetch_Site=asked_by).status == 200


def test_every_answer_tells_the_browser_what_it_may(page: Site, csrf: str) -> None:
    for path in ("/", "/api/session", "/api/none", "/login/stale", "/static/none"):
        headers = page.ask(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        assert "Access-Control-Allow-Origin" not in headers
        assert headers["Server"] == "audiobatchd"


# Behind a proxy


@pytest.mark.parametrize(("trusted", "status"), [("127.0.0.1", 303), ("192.0.2.7", 403)])
def test_only_the_trusted_proxy_may_ask(tmp_path: Path, trusted: str, status: int) -> None:
    config = WebConfig(
        listen=f"127.0.0.1:{free_port()}", behind_proxy=True, trusted_proxies=(trusted,), hosts=("music.example",)
    )
    with site(tmp_path, config) as page:
        token = page.sessions.link(OPERATOR, 600)
        answer = page.ask(f"/login/{token}", Host="music.example", X_Forwarded_Proto="https", X_Forwarded_For=trusted)
        assert answer.status == status
        assert ("secure" in answer.headers.get("Set-Cookie", "").lower()) == (status == 303)


def test_a_proxy_s_word_of_tls_counts_for_the_origin(tmp_path: Path) -> None:
    config = WebConfig(
        listen=f"127.0.0.1:{free_port()}", behind_proxy=True, trusted_proxies=("127.0.0.1",), hosts=("music.example",)
    )
    with site(tmp_path, config) as page:
        proxied = {"Host": "music.example", "X-Forwarded-Proto": "https"}
        answer = page.ask("/", "GET", None, Origin="https://music.example", **proxied)
        assert answer.status == 200
        assert page.ask("/", "GET", None, Origin="http://music.example", **proxied).status == 403
        assert page.ask("/", Host="evil.example", X_Forwarded_Host="music.example").status == 421

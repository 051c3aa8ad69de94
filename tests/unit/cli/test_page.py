"""The findings on the page: real listeners and certificates."""

from __future__ import annotations

import socket
from pathlib import Path

from audiobatchd.cli.diagnosis import Level
from audiobatchd.cli.page import page_findings
from audiobatchd.config.web import WebConfig
from support.certificates import made_certificate
from support.statuses import idle
from support.web_rig import free_port


def levels(web: WebConfig, *, runs: bool = True) -> list[Level]:
    return [each.level for each in page_findings(web, idle() if runs else None)]


def test_a_page_that_is_off_is_no_finding() -> None:
    assert levels(WebConfig()) == []


def test_a_page_that_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert levels(WebConfig(listen=f"127.0.0.1:{server.getsockname()[1]}")) == [Level.OK]


def test_a_page_that_does_not_listen() -> None:
    web = WebConfig(listen=f"127.0.0.1:{free_port()}")
    assert levels(web) == [Level.ACT]
    assert levels(web, runs=False) == []


def test_certificates_by_their_days(tmp_path: Path) -> None:
    for days, level in ((30, Level.OK), (5, Level.NOTE)):
        certificate, key = made_certificate(tmp_path, days=days)
        web = WebConfig(listen="127.0.0.1:1", certificate=str(certificate), key=str(key))
        assert levels(web, runs=False) == [level]
    certificate.unlink()
    assert levels(web, runs=False) == [Level.ACT]


def test_a_proxy_elsewhere_without_tls_is_noted() -> None:
    web = WebConfig(listen="192.0.2.1:80", behind_proxy=True, trusted_proxies=("192.0.2.2",), hosts=("nas",))
    assert levels(web, runs=False) == [Level.NOTE]

"""The link to the page, from a real control socket."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from audiobatchd.cli import control
from audiobatchd.cli.commands import web as module
from audiobatchd.cli.commands.web import told
from audiobatchd.control.requests import WebLink
from audiobatchd.control.server.access import Peer
from audiobatchd.errors import UsageError
from support.control_rig import ToldService, serving
from support.statuses import idle

LINK = WebLink("http://127.0.0.1:8787/login/x", "127.0.0.1:8787", 600.0, operator=True)


def test_a_link_and_the_way_from_another_machine_are_said() -> None:
    lines = told(LINK)
    assert lines[0] == LINK.url
    assert "10 min" in lines[1]
    assert any("ssh -L 8787:127.0.0.1:8787 " in line for line in lines)


def test_where_others_reach_it_no_tunnel_is_said() -> None:
    lines = told(WebLink("https://nas/login/x", "", 600.0, operator=False))
    assert not any("ssh" in line for line in lines)
    assert "not change" in lines[1]


def test_the_service_makes_a_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = ToldService(idle)
    with serving(tmp_path / "s", idle, service):
        assert control.main(["--socket", str(tmp_path / "s"), "web", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["url"] == LINK.url.replace("/x", "/token")
    assert service.linked[0].uid == os.geteuid()


def test_a_page_that_is_off_says_how_to_turn_it_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Off(ToldService):
        def web_link(self, peer: Peer) -> WebLink:
            self.linked.append(peer)
            raise UsageError(module.OFF)

    with serving(tmp_path / "s", idle, Off(idle)):
        code = control.main(["--socket", str(tmp_path / "s"), "web", "--config", str(tmp_path / "c.toml")])
    assert code != 0
    said = capsys.readouterr().err
    assert "[web] listen" in said
    assert str(tmp_path / "c.toml") in said

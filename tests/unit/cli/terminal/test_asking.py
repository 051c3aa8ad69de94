"""The thread that asks the service for a screen: what it is told, and since when nothing is."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import msgspec

from audiobatchd.cli.terminal.asking import Asker
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import EXPLAIN
from audiobatchd.control.requests import FolderName
from audiobatchd.control.status import Status
from support.control_rig import serving
from support.service import eventually


def test_it_tells_the_latest_status(tmp_path: Path, busy: Status, idle: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: idle):
        asker = Asker(ControlClient(path), busy)
        eventually(lambda: asker.status == idle)
        assert asker.lost() == ""


def test_a_service_that_went_away_is_lost_until_it_is_back(tmp_path: Path, busy: Status, idle: Status) -> None:
    path = tmp_path / "c.sock"
    with ExitStack() as first:
        first.enter_context(serving(path, lambda: busy))
        asker = Asker(ControlClient(path), busy)
        first.close()
        eventually(lambda: asker.lost().startswith("the service is gone since "))
        assert asker.status == busy
    later = msgspec.structs.replace(idle, pid=4712)
    with serving(path, lambda: later):
        eventually(lambda: asker.lost() == "" and asker.status == later)


def test_a_service_that_hangs_is_lost_before_it_is_given_up(tmp_path: Path, busy: Status) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "c.sock"))
        silent.listen(8)
        asker = Asker(ControlClient(tmp_path / "c.sock", timeout=60), busy, silent=0.1)
        eventually(lambda: asker.lost().startswith("the service has not answered since "))
        given_up = Asker(ControlClient(tmp_path / "c.sock", timeout=0.1), busy, silent=60)
        eventually(lambda: given_up.lost().startswith("the service has not answered since "))


def test_answers_and_refusals_are_kept(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: busy):
        asker = Asker(ControlClient(path), busy)
        asker.want(lambda: asker.client.ask(EXPLAIN, FolderName("/music", "A")).reason)
        assert asker.answers.get(timeout=60) == (True, "its worker ended")
        asker.want(lambda: asker.client.ask(EXPLAIN, FolderName("/music", "nowhere")).reason)
        done, why = asker.answers.get(timeout=60)
        assert (done, "there is no track folder nowhere" in why) == (False, True)
    asker.want(lambda: asker.client.ask(EXPLAIN, FolderName("/music", "A")).reason)
    assert not asker.answers.get(timeout=60)[0]
    assert "is gone" in asker.lost()

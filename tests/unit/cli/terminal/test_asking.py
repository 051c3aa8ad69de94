"""The thread that asks the service for a screen: what it is told, and since when nothing is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiobatchd.cli.terminal.asking import Asker
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import EXPLAIN
from audiobatchd.control.requests import FolderName
from audiobatchd.control.status import Status
from support.control_rig import serving
from support.service import eventually


@contextmanager
def asking(path: Path, status: Status, timeout: float = 60, silent: float = 60) -> Iterator[Asker]:
    """One that has asked its last when it is left: the service is closed behind it."""
    asker = Asker(ControlClient(path, timeout), status, silent)
    yield asker
    asker.close(60)


def test_it_tells_the_latest_status(tmp_path: Path, busy: Status, idle: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: idle), asking(path, busy) as asker:
        eventually(lambda: asker.status == idle)
        assert asker.lost() == ""


def test_a_service_that_is_gone_is_lost_until_it_is_back(tmp_path: Path, busy: Status, idle: Status) -> None:
    path = tmp_path / "c.sock"
    asker = Asker(ControlClient(path), busy)
    eventually(lambda: asker.lost().startswith("the service has been gone since "))
    assert asker.status == busy
    with serving(path, lambda: idle):
        eventually(lambda: asker.lost() == "" and asker.status == idle)
        asker.close(60)


def test_a_service_that_hangs_is_lost_before_it_is_given_up(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen(8)
        impatient = Asker(ControlClient(path, timeout=10), busy, silent=0.1)
        eventually(lambda: impatient.lost().startswith("the service has not answered since "))
        impatient.close()
        with asking(path, busy, timeout=0.1) as asker:
            eventually(lambda: asker.lost().startswith("the service has not answered since "))


def test_answers_and_refusals_are_kept(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"

    def explained(folder: str) -> str:
        return ControlClient(path).ask(EXPLAIN, FolderName("/music", folder)).reason

    with serving(path, lambda: busy), asking(path, busy) as asker:
        asker.want(lambda: explained("A"))
        assert asker.answers.get(timeout=60) == (True, "its worker ended")
        asker.want(lambda: explained("nowhere"))
        done, why = asker.answers.get(timeout=60)
        assert (done, "there is no track folder nowhere" in why) == (False, True)
    with asking(path, busy) as asker:
        asker.want(lambda: explained("A"))
        assert not asker.answers.get(timeout=60)[0]
        assert "has been gone" in asker.lost()

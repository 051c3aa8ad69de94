"""The unit for people without root."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.service import TIMEOUT, eventually, record_of
from system.machine import Done
from system.unit import Unit

MUSIC = "/home/otto/Music"


class Desk:
    """Session of Otto's own."""

    def __init__(self, unit: Unit) -> None:
        self._machine = unit.machine
        runtime = f"/run/user/{unit.machine.run('id', '-u', 'otto').out.strip()}"
        # As docs/how-to/run-as-a-service.md says where the machine's service runs as well.
        self.socket = f"{runtime}/audiobatchd/control.sock"
        self._env = {"XDG_RUNTIME_DIR": runtime, "AUDIOBATCHD_SOCKET": self.socket}

    def run(self, *command: str, check: bool = True) -> Done:
        return self._machine.run(*command, user="otto", env=self._env, check=check)


@pytest.fixture
def desk(unit: Unit) -> Iterator[Desk]:
    """Otto lingers."""
    # As a unit: logind of systemd 257 knows nobody who comes from outside of the machine's control groups.
    told = ("systemd-run", "--quiet", "--wait", "--collect", "loginctl")
    unit.machine.run(*told, "enable-linger", "otto")
    desk = Desk(unit)
    eventually(lambda: desk.run("systemctl", "--user", "is-active", "default.target", check=False).code == 0)
    yield desk
    desk.run("systemctl", "--user", "stop", "audiobatchd", check=False)
    unit.machine.run(*told, "disable-linger", "otto")


def test_users_own_service_works_in_their_home(unit: Unit, desk: Desk) -> None:
    desk.run("install", "-d", MUSIC)
    said = desk.run("audiobatchctl", "setup", "--user", MUSIC).out
    assert f"/home/otto/.config/audiobatchd/audiobatchd.toml: added the dataset {MUSIC}" in said
    answer = desk.run("systemd-analyze", "--user", "verify", "--man=no", "audiobatchd.service")
    assert answer.text == ""
    desk.run("systemctl", "--user", "start", "audiobatchd")
    folder = unit.add("Otto - Attic", dataset=MUSIC, user="otto")
    eventually(lambda: record_of(folder), TIMEOUT, lambda: desk.run("systemctl", "--user", "status", "audiobatchd").out)
    assert {"lufs", "bpm"} <= record_of(folder).keys()
    assert unit.machine.run("stat", "-c", "%U %a", f"{MUSIC}/Otto - Attic/Otto - Attic.INFO").out == "otto 664\n"
    assert "1 complete" in desk.run("audiobatchctl", "status").out
    # Without the variable the machine's service is asked, which refuses him and points to his own; else his own is.
    refused = desk.run("env", "-u", "AUDIOBATCHD_SOCKET", "audiobatchctl", "status", check=False)
    assert "otto is not in the group audiobatch" in refused.err
    assert refused.err.endswith(f"; your own service: --socket {desk.socket}\n")
    unit.machine.run("systemctl", "stop", "audiobatchd")
    assert "1 complete" in desk.run("env", "-u", "AUDIOBATCHD_SOCKET", "audiobatchctl", "status").out
    desk.run("systemctl", "--user", "reload", "audiobatchd")
    desk.run("systemctl", "--user", "stop", "audiobatchd")
    stopped = desk.run("audiobatchctl", "status", check=False)
    assert stopped.code == 3
    assert "start it: systemctl --user start audiobatchd; or the machine's: sudo systemctl start" in stopped.err


def test_unit_of_setup_works_as_the_package_s(unit: Unit, desk: Desk) -> None:
    packaged = unit.machine.path("/usr/lib/systemd/user/audiobatchd.service")
    aside = packaged.rename(packaged.with_suffix(".aside"))
    try:
        desk.run("install", "-d", MUSIC)
        said = desk.run("audiobatchctl", "setup", "--user", MUSIC).out
        assert "/home/otto/.config/systemd/user/audiobatchd.service: the unit of your own service" in said
        answer = desk.run("systemd-analyze", "--user", "verify", "--man=no", "audiobatchd.service")
        assert answer.text == ""
        desk.run("systemctl", "--user", "daemon-reload")
        desk.run("systemctl", "--user", "enable", "--now", "audiobatchd")
        folder = unit.add("Otto - Cellar", dataset=MUSIC, user="otto")
        eventually(lambda: record_of(folder), TIMEOUT)
        desk.run("systemctl", "--user", "reload", "audiobatchd")
        desk.run("systemctl", "--user", "stop", "audiobatchd")
        desk.run("audiobatchctl", "setup", "--user", "--undo", MUSIC)
        left = desk.run("find", "/home/otto/.config/systemd/user", "-name", "audiobatchd*").out
        assert left == ""
    finally:
        aside.rename(packaged)
        desk.run("systemctl", "--user", "daemon-reload")

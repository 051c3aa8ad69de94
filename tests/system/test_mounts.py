"""Datasets below mounts of their own: a mount that fails, or goes, stops no dataset but its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from audiobatchd.vocabulary.states import DatasetState
from support.service import TIMEOUT, eventually
from system.unit import DROP_INS, MUSIC, Unit

NAS, SHOWS = "/srv/nas", "/srv/nas/shows"
# Of memory: what a NAS would be here.
_MOUNT = """[Mount]
What=nas
Where=/srv/nas
Type=tmpfs
Options={options}
"""


@pytest.fixture
def nas(unit: Unit) -> Iterator[Unit]:
    """Two datasets, of which one is on a disk that is mounted; the service works."""
    machine = unit.machine
    _mount_unit(unit, works=True)
    unit.begin(MUSIC)
    machine.sh(f"systemctl start srv-nas.mount; install -d -g audiobatch -m 2775 {SHOWS}")
    machine.run("audiobatchctl", "setup", SHOWS)
    unit.becomes()
    yield unit
    if not machine.running:
        machine.boot()
    machine.sh("systemctl stop audiobatchd; systemctl stop srv-nas.mount; rm -rf /etc/systemd/system/srv-nas.mount")
    machine.run("systemctl", "daemon-reload")


def _mount_unit(unit: Unit, *, works: bool) -> None:
    options = "mode=2775" if works else "no-such-option"
    unit.machine.path("/etc/systemd/system/srv-nas.mount").write_text(_MOUNT.format(options=options))
    unit.machine.run("systemctl", "daemon-reload")


def _state(unit: Unit, dataset: str) -> str:
    status = unit.status()
    return next((each.state.value for each in status.datasets if each.path == dataset), "") if status else ""


def test_failed_mount_at_boot_stops_no_other_dataset(nas: Unit) -> None:
    machine = nas.machine
    _mount_unit(nas, works=False)
    machine.power_cut()
    machine.boot()
    eventually(lambda: nas.show("ActiveState") == "active", TIMEOUT, nas.log)
    assert machine.run("systemctl", "is-failed", "srv-nas.mount", check=False).out.strip() == "failed", "it was tried"
    nas.add("Mia - Harbour")
    nas.becomes(complete=1)
    assert _state(nas, SHOWS) == DatasetState.MISSING

    _mount_unit(nas, works=True)
    main = nas.show("MainPID")
    machine.sh(f"systemctl start srv-nas.mount; install -d -g audiobatch -m 2775 {SHOWS}")
    nas.add("Mia - Late", dataset=SHOWS)
    nas.becomes(complete=2)
    assert nas.show("MainPID") == main, "it began by itself"


def test_root_made_after_the_start_is_told_and_blocks_nothing(nas: Unit) -> None:
    machine, late = nas.machine, "/srv/late"
    nas.configure(MUSIC, late)
    machine.run("audiobatchctl", "setup", "--no-restart", MUSIC)
    machine.path(f"{DROP_INS}/dataset-srv-late.conf").write_text(f'[Service]\nReadWritePaths="-{late}"\n')
    machine.sh("systemctl daemon-reload; systemctl restart audiobatchd")
    eventually(lambda: _state(nas, late) == DatasetState.MISSING, TIMEOUT, nas.log)
    machine.run("install", "-d", "-g", "audiobatch", "-m", "2775", late)
    nas.add("Mia - Late", dataset=late)
    eventually(lambda: _state(nas, late) == DatasetState.PAUSED, TIMEOUT, nas.log)
    told = "the unit cannot write here: systemctl restart audiobatchd"
    assert told in machine.run("audiobatchctl", "status").out
    doctor = machine.run("audiobatchctl", "doctor", check=False)
    assert (doctor.code, told in doctor.out, f"the service can write in {late}" in doctor.out) == (1, True, False)
    nas.becomes(queued=1)
    machine.run("systemctl", "restart", "audiobatchd")
    nas.becomes(complete=1)


def test_stopped_mount_leaves_the_service_running(nas: Unit) -> None:
    machine = nas.machine
    main = nas.show("MainPID")
    machine.run("systemctl", "stop", "srv-nas.mount")
    eventually(lambda: _state(nas, SHOWS) == DatasetState.MISSING, TIMEOUT, nas.log)
    nas.add("Mia - Harbour")
    nas.becomes(complete=1)
    assert (nas.show("ActiveState"), nas.show("MainPID")) == ("active", main)

    machine.sh(f"systemctl start srv-nas.mount; install -d -g audiobatch -m 2775 {SHOWS}")
    nas.add("Mia - Back", dataset=SHOWS)
    nas.becomes(complete=2)
    assert (nas.show("ActiveState"), nas.show("MainPID")) == ("active", main)

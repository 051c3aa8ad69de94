"""Datasets below mounts of their own: a mount that fails, or goes, stops no dataset but its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from audiobatchd.model import DatasetState
from support.service import TIMEOUT, eventually
from system.unit import MUSIC, Unit

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

"""The first five minutes: the package on a machine that never had it, a dataset, a track."""

from __future__ import annotations

import pytest

from support.service import TIMEOUT, eventually, record_of
from system.machine import Machine
from system.unit import CONFIGURATION, DROP_INS, MUSIC, Unit


@pytest.fixture(scope="module")
def fresh(machine: Machine, _people: None) -> Unit:
    """The service as the package leaves it."""
    unit = Unit(machine)
    if unit.installed():
        machine.run("apt-get", "-qq", "-y", "purge", "audiobatchd", timeout=120)
    unit.install()
    machine.run("usermod", "-aG", "audiobatch", "mia")
    eventually(lambda: unit.show("ActiveState") == "active", TIMEOUT, unit.log)
    return unit


def test_fresh_service_waits_for_a_dataset(fresh: Unit) -> None:
    machine = fresh.machine
    shown = machine.run("systemctl", "status", "audiobatchd").out
    assert "active (running)" in shown
    assert 'Status: "running: 0 of 0 folders complete' in shown
    assert 'datasets="none configured"' in fresh.log()
    assert "no dataset is configured" in machine.run("audiobatchctl", "status").out
    assert fresh.show("UnitFileState") == "enabled"


def test_its_user_cannot_log_in(fresh: Unit) -> None:
    account = fresh.machine.run("getent", "passwd", "audiobatch").out.strip().split(":")
    group = fresh.machine.run("getent", "group", "audiobatch").out.split(":")
    assert int(account[2]) < 1000
    assert account[3] == group[2]
    assert account[6].endswith("/nologin")
    assert fresh.machine.run("getent", "shadow", "audiobatch").out.split(":")[1].startswith("!")


def test_setup_gives_it_a_dataset_and_a_folder_gets_its_record(fresh: Unit) -> None:
    machine = fresh.machine
    before = fresh.show("MainPID")
    machine.run("install", "-d", "-g", "audiobatch", "-m", "2775", MUSIC)
    said = machine.run("audiobatchctl", "setup", MUSIC).out
    assert f"{CONFIGURATION}: added the dataset {MUSIC}" in said
    assert "audiobatchd.service was restarted" in said
    assert fresh.show("MainPID") not in ("0", before)
    assert f'path = "{MUSIC}"' in machine.path(CONFIGURATION).read_text()
    drop_in = machine.path(f"{DROP_INS}/dataset-srv-music.conf").read_text()
    assert f'ReadWritePaths="-{MUSIC}"' in drop_in
    assert "After=srv.mount srv-music.mount\n" in drop_in

    folder = fresh.add("Mia - Harbour", user="mia")
    fresh.becomes(complete=1)
    assert {"lufs", "lra", "true_peak", "bpm"} <= record_of(folder).keys()
    # Only root can give a file away: the record is the service's, and its folder's group has it as it has the folder.
    record = f"{MUSIC}/Mia - Harbour/Mia - Harbour.INFO"
    assert machine.run("stat", "-c", "%U %G %a", record).out.strip() == "audiobatch audiobatch 664"
    eventually(lambda: "1 of 1 folders complete" in fresh.show("StatusText"), TIMEOUT, fresh.log)
    assert "1 complete" in machine.run("audiobatchctl", "status", user="mia").out

"""The first five minutes: README's lines by a person with sudo, on a machine that never had the package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.service import TIMEOUT, eventually, record_of
from system.machine import Done, Machine
from system.unit import CONFIGURATION, DROP_INS, MUSIC, PACKAGE, TRACKS, Unit, login_of_before

README = Path(__file__).parents[2] / "README.md"
POSTINST = "/var/lib/dpkg/info/audiobatchd.postinst"
CLONE = "/home/ada/audiobatchd"


@dataclass
class Fresh:
    """The service as the package leaves it."""

    unit: Unit
    install: Done
    """What installing it said."""


def readme(beginning: str) -> str:
    """The line of README's block on the package that begins so."""
    (block,) = re.findall(r"### The Debian package\n+```sh\n(.*?)```", README.read_text(), re.DOTALL)
    (line,) = (line for line in block.splitlines() if line.startswith(beginning))
    return str(line)


@pytest.fixture(scope="module")
def fresh(machine: Machine, package: Path, _people: None) -> Fresh:
    """The package installed by Ada, as README says."""
    unit = Unit(machine)
    if unit.installed():
        machine.run("apt-get", "-qq", "-y", "purge", "audiobatchd", timeout=120)
    machine.run("install", "-d", "-o", "ada", CLONE, f"{CLONE}/dist")
    machine.run("ln", PACKAGE, f"{CLONE}/dist/{package.name}")
    said = by_ada(machine, readme("sudo apt install"))
    machine.run("usermod", "-aG", "audiobatch", "mia")
    eventually(lambda: unit.show("ActiveState") == "active", TIMEOUT, unit.log)
    return Fresh(unit, said)


def by_ada(machine: Machine, line: str) -> Done:
    """Have Ada type a line in her clone."""
    return machine.sh(f"cd {CLONE}; {line}", user="ada", timeout=300)


def test_installing_ends_with_the_next_step(fresh: Fresh) -> None:
    step = "audiobatchd: next, have it work on the directory of your music: sudo audiobatchctl setup /srv/music"
    assert step in fresh.install.text
    assert step.endswith(readme("sudo audiobatchctl setup"))
    # Standard output is debconf's.
    again = fresh.unit.machine.run(POSTINST, "configure")
    assert (again.out, step in again.err) == ("", True)
    upgraded = fresh.unit.machine.run(POSTINST, "configure", "0.0.1")
    assert "setup" not in upgraded.text


def test_fresh_service_waits_for_a_dataset(fresh: Fresh) -> None:
    unit = fresh.unit
    shown = unit.machine.run("systemctl", "status", "audiobatchd").out
    assert "active (running)" in shown
    assert 'Status: "running: 0 of 0 folders complete' in shown
    assert 'datasets="none configured"' in unit.log()
    assert "no dataset is configured" in unit.machine.run("audiobatchctl", "status").out
    assert unit.show("UnitFileState") == "enabled"


def test_its_user_cannot_log_in(fresh: Fresh) -> None:
    machine = fresh.unit.machine
    account = machine.run("getent", "passwd", "audiobatch").out.strip().split(":")
    group = machine.run("getent", "group", "audiobatch").out.split(":")
    assert int(account[2]) < 1000
    assert account[3] == group[2]
    assert account[6].endswith("/nologin")
    assert machine.run("getent", "shadow", "audiobatch").out.split(":")[1].startswith("!")


def test_readme_leads_from_own_music_to_the_first_record(fresh: Fresh) -> None:
    unit, machine = fresh.unit, fresh.unit.machine
    before = unit.show("MainPID")
    machine.run("install", "-d", "-o", "ada", "-g", "ada", MUSIC)
    machine.sh('umask 077; mkdir "$2"; cp "$1"/* "$2"', f"{TRACKS}/short", f"{MUSIC}/Ada - Attic", user="ada")
    said = by_ada(machine, readme("sudo audiobatchctl setup")).out
    assert f"audiobatch cannot write there yet: {MUSIC}: Permission denied" in said
    assert f"{MUSIC}: audiobatch got rights to what is there and comes: " in said
    assert f"{CONFIGURATION}: added the dataset {MUSIC}" in said
    assert said.splitlines()[-2:] == [
        "audiobatchd.service was restarted",
        "Watch it work: sudo audiobatchctl top; without sudo after: sudo audiobatchctl setup --operator ada",
    ]
    assert unit.show("MainPID") not in ("0", before)
    assert f'path = "{MUSIC}"' in machine.path(CONFIGURATION).read_text()
    drop_in = machine.path(f"{DROP_INS}/dataset-srv-music.conf").read_text()
    assert f'ReadWritePaths="-{MUSIC}"' in drop_in
    assert "After=srv.mount srv-music.mount\n" in drop_in

    unit.becomes(complete=1)
    record = record_of(machine.path(f"{MUSIC}/Ada - Attic"))
    assert {"lufs", "lra", "true_peak", "bpm"} <= record.keys()
    assert '"lufs"' in machine.run("cat", f"{MUSIC}/Ada - Attic/Ada - Attic.INFO", user="ada").out
    eventually(lambda: "1 of 1 folders complete" in unit.show("StatusText"), TIMEOUT, unit.log)
    assert "1 complete" in by_ada(machine, f"{readme('sudo audiobatchctl top')} | head -n 1").out
    assert "1 complete" in machine.run("audiobatchctl", "status", user="mia").out


def test_an_operator_looks_and_changes_without_sudo(fresh: Fresh) -> None:
    machine = fresh.unit.machine
    said = by_ada(machine, "sudo audiobatchctl setup --operator ada").out
    assert "ada is in the group audiobatch now, and may ask the service from the next login on, or by: newgrp" in said
    assert f"{CONFIGURATION}: ada is an operator" in said
    # By a login of before: the group counts by `newgrp`, whose shell `sg` runs a command in.
    old = machine.run(*login_of_before("ada"), "sg", "audiobatch", "-c", "audiobatchctl pause")
    assert "1 dataset paused" in old.out
    assert "1 dataset will be worked on again" in machine.run("audiobatchctl", "resume", user="ada").out

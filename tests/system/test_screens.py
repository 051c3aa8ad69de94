"""Screens of a service at work; with --write-screens also for the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.service import eventually
from system.unit import MUSIC, Unit

SCREENS = Path(__file__).parents[2] / "docs" / "how-to" / "screens"
COMMANDS = {
    "systemctl-status": "systemctl status audiobatchd",
    "journalctl": "journalctl -u audiobatchd",
    "audiobatchctl-status": "audiobatchctl status",
}


def on_a_terminal(unit: Unit, command: str) -> str:
    """Run a command on a terminal of 100 columns without colours, and return what it shows."""
    return unit.machine.sh('SYSTEMD_PAGER=cat exec script -qec "stty cols 100; $1" /dev/null', command).out


def test_a_service_at_work_shows_where_it_stands(unit: Unit, pytestconfig: pytest.Config) -> None:
    unit.begin(MUSIC, analyzers=None, workers=2)
    for name in ("Demo - Morning Loop", "Demo - Paper Lanterns", "Demo - Last Night Tram"):
        unit.add(name, track=name)
    unit.add("Mia - Broken", track="damaged")
    eventually(lambda: unit.states() == {"complete": 3, "failed": 1}, what=unit.log)
    unit.add("Mia - Long Way", track="long")
    unit.busy()
    shown = {name: on_a_terminal(unit, command) for name, command in COMMANDS.items()}

    assert 'Status: "running: 3 of 5 folders complete, 1 failed' in shown["systemctl-status"]
    assert re.search(r"─\d+ audiobatchd: worker [01]: (?!idle)\w+ .*full_mix", shown["systemctl-status"])
    assert re.search(r"─\d+ audiobatchd: worker [01]: idle$", shown["systemctl-status"], re.MULTILINE)
    assert "folder-done" in shown["journalctl"]
    assert "Mia - Long Way" in shown["audiobatchctl-status"]
    if pytestconfig.getoption("--write-screens"):
        SCREENS.mkdir(parents=True, exist_ok=True)
        for name, text in shown.items():
            lines = [f"$ {COMMANDS[name]}", *(line.rstrip() for line in text.splitlines())]
            (SCREENS / f"{name}.txt").write_text("\n".join(lines) + "\n")

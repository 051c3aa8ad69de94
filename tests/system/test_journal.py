"""The service's events in a real journal."""

from __future__ import annotations

import json
import re
from pathlib import Path

from support.service import eventually
from system.unit import MUSIC, Unit

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "log-events.md"


def test_an_event_has_the_fields_and_the_id_of_the_reference(unit: Unit) -> None:
    unit.begin(MUSIC)
    unit.add("Mia - Harbour")
    unit.add("Mia - Broken", track="damaged")
    unit.becomes(complete=1, failed=1)
    documented = dict(re.findall(r"^\| `([a-z-]+)` \| `([0-9a-f]{32})` \|$", REFERENCE.read_text(), re.MULTILINE))

    (done,) = unit.events("folder-done")
    assert (done["AUDIOBATCH_DATASET"], done["AUDIOBATCH_FOLDER"]) == (MUSIC, "Mia - Harbour")
    assert done["MESSAGE_ID"] == documented["folder-done"]
    assert float(done["AUDIOBATCH_LUFS"]) < 0
    assert (done["PRIORITY"], done["SYSLOG_IDENTIFIER"]) == ("6", "audiobatchd")

    (failed,) = unit.events("folder-failed", folder="Mia - Broken")
    assert failed["MESSAGE_ID"] == documented["folder-failed"]
    assert "of no kind that is read" in failed["AUDIOBATCH_REASON"]
    worst = unit.machine.run("journalctl", "-u", "audiobatchd", "-p", "err", "-o", "cat").out
    assert worst.startswith("folder-failed")
    assert worst.count("\n") == 1


def test_without_systemd_python_an_event_has_its_priority(unit: Unit) -> None:
    hidden = unit.machine.path("/opt/without-systemd-python")
    hidden.mkdir(exist_ok=True)
    (hidden / "systemd.py").write_text("raise ImportError\n")
    unit.begin(MUSIC)
    unit.drop_in(f"Environment=PYTHONPATH=/opt/{hidden.name}")
    unit.machine.run("systemctl", "restart", "audiobatchd")
    unit.add("Mia - Broken", track="damaged")
    unit.becomes(failed=1)
    told = unit.machine.run("journalctl", "-u", "audiobatchd", "-p", "err", "-o", "json").out.splitlines()
    failed = json.loads(told[-1])
    assert failed["MESSAGE"].startswith('folder-failed dataset=/srv/music folder="Mia - Broken" ')
    assert (failed["PRIORITY"], failed["SYSLOG_IDENTIFIER"]) == ("3", "audiobatchd")
    assert "AUDIOBATCH_EVENT" not in failed
    told_systemd = "running: 0 of 1 folders complete, 1 failed"
    eventually(lambda: unit.show("StatusText").startswith(told_systemd), what=lambda: unit.show("StatusText"))


def test_stopped_journal_holds_up_nothing(unit: Unit) -> None:
    unit.begin(MUSIC)
    unit.drop_in("WatchdogSec=6")
    unit.machine.run("systemctl", "restart", "audiobatchd")
    since = unit.show("MainPID")
    unit.machine.run("systemctl", "kill", "-s", "STOP", "systemd-journald")
    try:
        unit.backfill(31, track="short")
        unit.becomes(complete=31)
        assert unit.show("MainPID") == since, "the watchdog has not ended it"
        unit.machine.run("systemctl", "restart", "audiobatchd", timeout=120)
        unit.restarted(since)
        unit.becomes(complete=31)
    finally:
        unit.machine.run("systemctl", "kill", "-s", "CONT", "systemd-journald")

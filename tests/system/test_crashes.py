"""Crashes of the service and of the machine under systemd."""

from __future__ import annotations

import time

from support.service import TIMEOUT, eventually
from system.unit import MUSIC, Unit, all_measured

SLOW = ["loudness", "rhythm"]
"""Analyzers that take long enough to be met at work."""

STOP_GRACE = 2.0


def kill_main(unit: Unit, signal: str) -> None:
    unit.machine.run("systemctl", "kill", "--kill-whom=main", f"--signal={signal}", "audiobatchd")


def test_killed_it_takes_its_workers_along_and_comes_back(unit: Unit) -> None:
    unit.begin(MUSIC, analyzers=SLOW, workers=2)
    folders = unit.backfill(6, track="song")
    unit.busy()
    main, workers = unit.show("MainPID"), unit.workers()
    kill_main(unit, "KILL")
    eventually(lambda: not any(unit.machine.passing(f"/proc/{pid}").exists() for pid in workers), TIMEOUT, workers)
    unit.restarted(since=main)
    unit.becomes(complete=len(folders))
    all_measured(folders, "lufs", "bpm")
    assert unit.show("NRestarts") == "1"
    assert unit.leftovers() == []


def test_signals_to_the_unit_fail_no_folder(unit: Unit) -> None:
    unit.begin(MUSIC, analyzers=SLOW, max_suspect=2)
    unit.drop_in("RestartSec=200ms")
    folder = unit.add("Mia - Long Way", track="long")
    unit.busy()
    main = unit.show("MainPID")
    for number in ("USR1", "USR2", "ALRM"):
        unit.machine.run("systemctl", "kill", f"--signal={number}", "audiobatchd")
    assert unit.busy().pid in unit.workers()
    assert unit.show("MainPID") == main
    for number in ("KILL", "ABRT", "KILL", "SEGV", "KILL"):
        unit.machine.run("systemctl", "reset-failed", "audiobatchd", check=False)
        unit.machine.run("systemctl", "kill", f"--signal={number}", "audiobatchd")
        main = unit.restarted(since=main)
        unit.busy()
    unit.becomes(complete=1)
    all_measured([folder], "lufs", "bpm")
    assert unit.events("folder-failed") == []
    assert unit.leftovers() == []


def test_standing_still_it_is_restarted_by_the_watchdog(unit: Unit) -> None:
    unit.begin(MUSIC)
    unit.drop_in("WatchdogSec=5s")
    unit.machine.run("systemctl", "restart", "audiobatchd")
    main = unit.show("MainPID")
    kill_main(unit, "STOP")
    unit.restarted(since=main)
    assert "Watchdog timeout (limit 5s)!" in unit.log()
    unit.add("Mia - Harbour")
    unit.becomes(complete=1)


def test_a_worker_that_hangs_delays_the_stop_by_the_grace_alone(unit: Unit) -> None:
    unit.begin(MUSIC, analyzers=SLOW, stop_grace=STOP_GRACE)
    folder = unit.add("Mia - Long Way", track="long")
    unit.machine.sh('kill -STOP "$1"', unit.busy().pid)
    began = time.monotonic()
    unit.machine.run("systemctl", "stop", "audiobatchd")
    assert STOP_GRACE <= time.monotonic() - began < STOP_GRACE + 8  # of the 45 s that systemd would wait
    assert (unit.show("ActiveState"), unit.show("Result")) == ("inactive", "success")
    assert unit.leftovers() == []
    unit.machine.run("systemctl", "start", "audiobatchd")
    unit.becomes(complete=1)
    all_measured([folder], "lufs", "bpm")


def test_backfill_ends_after_a_power_cut_and_a_boot(unit: Unit) -> None:
    unit.begin(MUSIC, analyzers=SLOW, workers=2)
    folders = unit.backfill(24, track="song")
    eventually(lambda: unit.complete() >= 3, TIMEOUT, unit.log)
    unit.machine.power_cut()
    written = sum(1 for folder in folders if any(folder.glob("*.INFO")))
    assert 3 <= written < len(folders)
    unit.machine.boot()
    unit.becomes(complete=len(folders), timeout=120)
    all_measured(folders, "lufs", "bpm")
    assert unit.leftovers() == []

"""A good and a bad configuration at a start, and at `systemctl reload`."""

from __future__ import annotations

from system.unit import CONFIGURATION, MUSIC, Unit

WRONG = "worker = 3\n"
VERDICT = "unknown key `worker`"


def spoil(unit: Unit) -> None:
    path = unit.machine.path(CONFIGURATION)
    path.write_text(WRONG + path.read_text())


def test_reload_takes_a_good_configuration(unit: Unit) -> None:
    unit.begin(MUSIC)
    main = unit.show("MainPID")
    unit.configure(MUSIC, max_deaths=7)
    unit.machine.run("systemctl", "reload", "audiobatchd")
    assert "max_deaths" in unit.events("configuration-reloaded")[0]["AUDIOBATCH_CHANGES"]
    assert (unit.show("ActiveState"), unit.show("MainPID")) == ("active", main)


def test_reload_fails_with_the_verdict_and_the_service_goes_on(unit: Unit) -> None:
    unit.begin(MUSIC)
    main = unit.show("MainPID")
    spoil(unit)
    answer = unit.machine.run("systemctl", "reload", "audiobatchd", check=False)
    assert answer.code != 0
    assert "Job for audiobatchd.service failed" in answer.err
    assert VERDICT in unit.machine.run("systemctl", "status", "audiobatchd").out
    assert (unit.show("ActiveState"), unit.show("MainPID")) == ("active", main)
    unit.add("Mia - Harbour")
    unit.becomes(complete=1)


def test_invalid_configuration_ends_the_start_for_good(unit: Unit) -> None:
    unit.begin(MUSIC)
    spoil(unit)
    assert unit.machine.run("systemctl", "restart", "audiobatchd", check=False).code != 0
    # While systemd waits for RestartSec= the state is `activating`.
    assert (unit.show("ActiveState"), unit.show("SubState")) == ("failed", "failed")
    assert (unit.show("ExecMainStatus"), unit.show("NRestarts")) == ("78", "0")
    shown = unit.machine.run("systemctl", "status", "audiobatchd", check=False).out
    assert "status=78/CONFIG" in shown
    assert VERDICT in shown


def test_unit_that_kills_before_stop_grace_is_told(unit: Unit) -> None:
    unit.begin(MUSIC, stop_grace=60.0)
    told = "stop_grace is 60 s, and audiobatchd.service is killed after 45 s"
    assert told in unit.machine.run("audiobatchctl", "config", "check").out
    assert told in unit.machine.run("audiobatchctl", "doctor", check=False).out
    unit.drop_in("TimeoutStopSec=90")
    assert "stop_grace" not in unit.machine.run("audiobatchctl", "config", "check").out


def test_reload_refuses_workers_beyond_bounds_at_once(unit: Unit) -> None:
    unit.begin(MUSIC)
    main = unit.show("MainPID")
    unit.configure(MUSIC, workers=100_000_000_000)
    assert unit.machine.run("systemctl", "reload", "audiobatchd", check=False).code != 0
    assert "expected a number from 1 to 512 - at `workers`" in unit.log()
    assert (unit.show("ActiveState"), unit.show("MainPID")) == ("active", main)


def test_restarts_by_hand_hit_no_limit(unit: Unit) -> None:
    unit.begin(MUSIC)
    for _ in range(7):
        unit.machine.run("systemctl", "restart", "audiobatchd")
    assert unit.show("ActiveState") == "active"
    unit.machine.run("audiobatchctl", "setup", "--undo", MUSIC)
    for _ in range(3):
        assert "was restarted" in unit.machine.run("audiobatchctl", "setup", MUSIC).out
        assert "was restarted" in unit.machine.run("audiobatchctl", "setup", "--undo", MUSIC).out
    assert unit.show("ActiveState") == "active"

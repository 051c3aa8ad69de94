"""The machine as schedules see it: batteries, zones, the load of others, and a look that does not come."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from audiobatchd.core.events import Event, MachineSeen
from audiobatchd.core.schedule import Conditions
from audiobatchd.service import machine
from audiobatchd.service.clock import Clock, SystemClock
from audiobatchd.service.machine import LoadOfOthers, Machine, Zone, _Reading, on_battery
from audiobatchd.vocabulary.hours import hours_in
from support.service import eventually

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
BERLIN = Path("/usr/share/zoneinfo/Europe/Berlin")

# Batteries, as the kernel tells of them below /sys/class/power_supply

MAINS = {"type": "Mains", "online": "1"}
UNPLUGGED = {"type": "Mains", "online": "0"}
BATTERY = {"type": "Battery", "status": "Discharging", "scope": "System"}
MOUSE = {"type": "Battery", "status": "Discharging", "scope": "Device"}
BY_USB = {"type": "USB", "online": "1"}


@pytest.mark.parametrize(
    ("supplies", "told"),
    [
        ({}, False),
        ({"AC": MAINS}, False),
        ({"AC": UNPLUGGED, "BAT0": BATTERY}, True),
        ({"AC": MAINS, "BAT0": BATTERY}, False),
        ({"BAT0": BATTERY}, True),
        ({"BAT0": {**BATTERY, "status": "Charging"}}, False),
        ({"BAT0": {**BATTERY, "status": "Full"}, "BAT1": BATTERY}, True),
        ({"BAT0": BATTERY, "ucsi": BY_USB}, False),
        ({"hidpp_battery_0": MOUSE}, False),
        ({"hidpp_battery_0": MOUSE, "BAT0": BATTERY, "AC": UNPLUGGED}, True),
        ({"AC": UNPLUGGED, "BAT0": {"type": "Battery"}}, False),
    ],
)
def test_battery_is_told_by_what_supplies_power(
    tmp_path: Path, supplies: dict[str, dict[str, str]], told: bool
) -> None:
    for name, files in supplies.items():
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(f"{content}\n")
    assert on_battery(tmp_path) is told


def test_machine_without_power_supplies_has_no_battery(tmp_path: Path) -> None:
    assert not on_battery(tmp_path / "none")


# Zones


def offset(zone: Zone) -> timedelta | None:
    return NOON.astimezone(zone.now()).utcoffset()


def test_zone_is_read_again_when_it_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    localtime = tmp_path / "localtime"
    zone = Zone(localtime)
    assert offset(zone) == timedelta(0), "without the file it is UTC, as for the C library"
    shutil.copy(BERLIN, localtime)
    assert offset(zone) == timedelta(hours=2)
    assert zone.now() is zone.now(), "what is the same zone is the same object"
    localtime.unlink()
    localtime.symlink_to("/usr/share/zoneinfo/America/New_York")
    assert offset(zone) == timedelta(hours=-4)
    localtime.unlink()
    localtime.write_bytes(b"no zone")
    assert offset(zone) == timedelta(hours=-4), "it may only be half written"


@pytest.mark.parametrize("cut", [0, 10, 60, -5, -1])
def test_zone_that_is_cut_short_leaves_what_was_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    localtime, content = tmp_path / "localtime", Path("/usr/share/zoneinfo/Europe/Berlin").read_bytes()
    localtime.write_bytes(content)
    zone = Zone(localtime)
    before = zone.now()
    localtime.write_bytes(content[:cut])
    os.utime(localtime, ns=(1, 1))
    assert zone.now() is before
    assert Zone(localtime).now() is UTC


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Asia/Kolkata", timedelta(hours=5.5)),
        (":Australia/Lord_Howe", timedelta(hours=10.5)),
        ("", timedelta(0)),
        ("XYZ-3", timedelta(hours=3)),
    ],
)
def test_zone_of_the_environment_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: timedelta
) -> None:
    shutil.copy(BERLIN, tmp_path / "localtime")
    with monkeypatch.context() as patched:
        patched.setenv("TZ", name)
        time.tzset()
        assert offset(Zone(tmp_path / "localtime")) == expected
    time.tzset()


# The load


@contextlib.contextmanager
def spinning() -> Iterator[int]:
    """A process that takes all of a core that it gets."""
    process = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_load_is_without_what_the_service_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "getloadavg", lambda: (3.0, 0.0, 0.0))
    # The threads that other tests have left behind run when they will.
    all_tasks = machine._tasks
    monkeypatch.setattr(machine, "_tasks", lambda pids: (each for each in all_tasks(pids) if "/self/" not in each))
    with spinning() as own, spinning():
        load = LoadOfOthers()
        assert load.measured([own], 0.0) == 3.0, "what was before the first look is not known"
        assert load.measured([own], 1e6) == pytest.approx(2.0, abs=1e-3), "smoothed to the end: one of ours runs"
        os.kill(own, signal.SIGSTOP)
        eventually(lambda: psutil.Process(own).status() == psutil.STATUS_STOPPED)
        assert load.measured([own], 1e6 + 60.0) == pytest.approx(3 - 1 / 2.71828, abs=1e-3)
    assert load.measured([own], 2e6) == pytest.approx(3.0, abs=1e-3), "one that is gone counts no more"


def test_load_is_never_below_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "getloadavg", lambda: (0.1, 0.0, 0.0))
    with spinning() as own:
        load = LoadOfOthers()
        load.measured([own], 0.0)
        assert load.measured([own], 1e6) == 0.0


def test_load_survives_a_clock_that_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "getloadavg", lambda: (3.0, 0.0, 0.0))
    load = LoadOfOthers()
    assert load.measured([], 1e6) == load.measured([], 0.0) == 3.0


# Looks


def looks(conditions: Conditions, number: int = 1, clock: Clock | None = None) -> list[MachineSeen]:
    """The first looks of a machine with this schedule."""
    seen: list[Event] = []

    async def watch() -> None:
        enough = asyncio.Event()

        def post(event: Event) -> None:
            seen.append(event)
            if len(seen) >= number:
                enough.set()

        task = asyncio.create_task(Machine(clock or SystemClock(), post, list).watch(lambda: (conditions,)))
        done, _ = await asyncio.wait((task, asyncio.create_task(enough.wait())), return_when=asyncio.FIRST_COMPLETED)
        assert task not in done, "it looks for as long as the loop runs"
        task.cancel()

    asyncio.run(asyncio.wait_for(watch(), 60))
    return [each for each in seen if isinstance(each, MachineSeen)]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have looks wait for what they read, however busy this machine is."""
    monkeypatch.setattr(machine, "_PULSE", 60.0)


@pytest.mark.usefixtures("patient")
def test_first_look_has_what_the_conditions_ask_for() -> None:
    facts = looks(Conditions(max_load=4, min_free_memory=1, on_battery=False))[0].facts
    assert facts.load is not None
    assert facts.on_battery is not None
    assert facts.free_memory
    assert facts.memory
    assert facts.free_memory < facts.memory
    assert abs(facts.moment - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.usefixtures("patient")
def test_what_no_condition_asks_for_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "on_battery", pytest.fail)
    monkeypatch.setattr(psutil, "virtual_memory", pytest.fail)
    facts = looks(Conditions(max_load=4))[0].facts
    assert facts.load is not None
    assert (facts.free_memory, facts.on_battery) == (None, None)


@pytest.mark.usefixtures("patient")
def test_load_is_smoothed_by_a_clock_that_no_standstill_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[float] = []

    def measure(_load: LoadOfOthers, _pids: list[int], now: float) -> float:
        measured.append(now)
        return 0.0

    monkeypatch.setattr(LoadOfOthers, "measured", measure)
    began = time.monotonic()
    looks(Conditions(max_load=4), clock=SystemClock(lambda: 0.0))
    assert began <= measured[0] <= time.monotonic()


def test_hours_alone_have_nothing_else_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "on_battery", pytest.fail)
    facts = looks(Conditions(hours=hours_in(["sat"])))[0].facts
    assert (facts.load, facts.free_memory) == (None, None)


@pytest.fixture
def hanging() -> Iterator[Callable[[], bool]]:
    """A read of the battery that does not answer before the test ends."""
    pipe = os.pipe()
    yield lambda: os.read(pipe[0], 1) == b"?"
    os.close(pipe[1])  # which lets the thread go


def test_look_that_does_not_answer_keeps_nothing_else(
    monkeypatch: pytest.MonkeyPatch, hanging: Callable[[], bool]
) -> None:
    monkeypatch.setattr(machine, "on_battery", hanging)
    first, second = (each.facts for each in looks(Conditions(max_load=4, on_battery=False), 2)[:2])
    assert first.moment < second.moment
    assert second.load is not None
    assert second.on_battery is None


def test_what_has_not_been_read_for_a_minute_is_not_known(
    monkeypatch: pytest.MonkeyPatch, hanging: Callable[[], bool]
) -> None:
    async def told() -> list[bool | None]:
        reading = _Reading[bool]()
        monkeypatch.setattr(machine, "_PULSE", 60.0)
        await reading.look(lambda: True)
        monkeypatch.setattr(machine, "_PULSE", 0.01)
        answers = []
        for _ in range(61):
            await reading.look(hanging)
            answers.append(reading.found)
        return answers

    assert asyncio.run(told()) == [*[True] * 60, None]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), PermissionError(13, "power_supply")])
def test_read_that_fails_leaves_only_itself_unknown(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refused() -> bool:
        raise error

    monkeypatch.setattr(machine, "on_battery", refused)
    facts = looks(Conditions(max_load=4, on_battery=False))[0].facts
    assert facts.on_battery is None
    assert facts.load is not None

"""Schedules of the packaged service: what its hardening lets it see of the machine, and how its workers give way."""

from __future__ import annotations

from support.service import TIMEOUT, eventually
from system.unit import CONFIGURATION, MUSIC, Unit


def remark(unit: Unit) -> str:
    status = unit.status()
    return status.datasets[0].remark if status and status.datasets else ""


def schedule(unit: Unit, line: str) -> None:
    """Have the service work by this line of a schedule, from now on."""
    unit.configure(MUSIC, worker_nice=15, worker_cpus="0", worker_io_class="best-effort")
    with unit.machine.path(CONFIGURATION).open("a") as file:
        file.write(f"[schedule]\n{line}\n")
    unit.machine.run("systemctl", "reload", "audiobatchd")


def test_hours_and_memory_hold_work_back_within_the_hardening(unit: Unit) -> None:
    unit.begin(MUSIC)
    schedule(unit, 'min_free_memory = "1024 TiB"')
    eventually(lambda: "free" in remark(unit), TIMEOUT, unit.log)
    unit.add("Mia - Long Way")
    unit.becomes(queued=1)
    hour = int(unit.machine.run("date", "+%H").out)
    schedule(unit, f'hours = ["{(hour + 2) % 24:02}:00-{(hour + 3) % 24:02}:00"]')
    eventually(lambda: remark(unit) == f"until {(hour + 2) % 24:02}:00", TIMEOUT, unit.log)
    unit.becomes(queued=1)

    assert unit.machine.run("audiobatchctl", "resume", "--now").out.startswith("1 dataset will be worked on now.\n")
    unit.becomes(complete=1)
    assert unit.events("schedule-overridden")
    (worker,) = unit.workers()
    fields = unit.machine.run("cat", f"/proc/{worker}/stat").out.rpartition(")")[2].split()
    assert fields[16] == "15", "its nice value, of proc(5)"
    assert "Cpus_allowed_list:\t0\n" in unit.machine.run("cat", f"/proc/{worker}/status").out
    assert unit.machine.run("ionice", "-p", worker).out.startswith("best-effort")

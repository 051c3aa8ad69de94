"""Files that go and files that stay when the package is removed, and when it is purged."""

from __future__ import annotations

from support.service import record_of
from system.unit import CONFIGURATION, DROP_INS, MUSIC, Unit

STATE = "/var/lib/audiobatchd"


def test_purge_removes_all_but_results(unit: Unit) -> None:
    machine = unit.machine
    unit.begin(MUSIC)
    folder = unit.add("Mia - Harbour")
    unit.becomes(complete=1)
    record = record_of(folder)

    machine.run("apt-get", "-qq", "-y", "remove", "audiobatchd", timeout=120)
    assert machine.run("systemctl", "status", "audiobatchd", check=False).code == 4  # no such unit
    assert not machine.passing("/run/audiobatchd/control.sock").exists()
    assert not machine.path("/usr/lib/audiobatchd").exists()
    assert machine.path(CONFIGURATION).exists()
    assert machine.path(f"{STATE}/catalog.sqlite").exists()
    assert record_of(folder) == record

    machine.run("apt-get", "-qq", "-y", "purge", "audiobatchd", timeout=120)
    for path in ("/etc/audiobatchd", STATE, DROP_INS):
        assert not machine.path(path).exists(), path
    assert record_of(folder) == record
    assert (folder / "full_mix.flac").exists()
    # Records are its: the user who got the number next would own them.
    assert machine.run("stat", "-c", "%U", f"{MUSIC}/Mia - Harbour/Mia - Harbour.INFO").out == "audiobatch\n"

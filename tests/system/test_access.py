"""Access to the service, and the answer while it does not run."""

from __future__ import annotations

from support.service import TIMEOUT, eventually
from system.unit import MUSIC, TRACKS, Unit


def test_root_and_members_of_the_group_may_ask(unit: Unit) -> None:
    unit.begin(MUSIC)
    for user in ("root", "mia"):
        answer = unit.machine.run("audiobatchctl", "status", user=user)
        assert f"{MUSIC}  active" in answer.out


def test_other_users_may_not(unit: Unit) -> None:
    unit.begin(MUSIC)
    answer = unit.machine.run("audiobatchctl", "status", user="otto", check=False)
    assert answer.code != 0
    assert "permission denied; root and the socket's group may ask" in answer.err
    assert not answer.out


def test_a_member_may_look_but_change_nothing(unit: Unit) -> None:
    unit.begin(MUSIC)
    answer = unit.machine.run("audiobatchctl", "rescan", MUSIC, user="mia", check=False)
    assert answer.code == 1
    assert "only root, the daemon's own user and its operators may change anything" in answer.err
    assert unit.machine.run("audiobatchctl", "rescan", MUSIC).code == 0


def test_a_stopped_service_stays_stopped_when_it_is_asked(unit: Unit) -> None:
    unit.begin(MUSIC)
    unit.machine.run("systemctl", "stop", "audiobatchd")
    answer = unit.machine.run("audiobatchctl", "status", check=False)
    assert answer.code == 3
    assert "no daemon answers" in answer.err
    assert (unit.show("ActiveState"), unit.show("MainPID")) == ("inactive", "0")
    assert unit.machine.run("systemctl", "is-active", "audiobatchd", check=False).out == "inactive\n"


def test_setup_refuses_the_system_and_grants_rights_to_a_dataset(unit: Unit) -> None:
    unit.begin(MUSIC)
    machine = unit.machine
    for place in ("/", "/etc", "/home", "/srv", "/home/mia"):
        refused = machine.run("audiobatchctl", "setup", "--grant", place, check=False)
        assert (refused.code, refused.out) == (2, ""), place

    private = "/srv/private"
    machine.run("install", "-d", "-o", "otto", "-g", "otto", "-m", "700", private)
    script = 'umask 077; mkdir "$2"; cp "$1"/* "$2"'
    machine.sh(script, f"{TRACKS}/short", f"{private}/Before", user="otto")
    before = machine.run("getfacl", "-R", private).out
    advice = machine.run("audiobatchctl", "setup", private, check=False)
    assert (advice.code, f"audiobatchctl setup --grant {private}" in advice.out) == (1, True)

    machine.run("audiobatchctl", "setup", "--grant", private)
    machine.sh(script, f"{TRACKS}/short", f"{private}/After", user="otto")
    for name in ("Before", "After"):
        eventually(machine.path(f"{private}/{name}/{name}.INFO").exists, TIMEOUT, unit.log)
    # The service cannot give them to him: they are his by their ACLs, also when he wrote one first and it was merged.
    machine.sh(f'umask 077; echo "{{}}" > "{private}/Before/Before.INFO.new"', user="otto")
    machine.sh(f"cd {private}/Before; mv Before.INFO.new Before.INFO", user="otto")
    eventually(lambda: "lufs" in machine.path(f"{private}/Before/Before.INFO").read_text(), TIMEOUT, unit.log)
    for name in ("Before", "After"):
        assert '"lufs"' in machine.run("cat", f"{private}/{name}/{name}.INFO", user="otto").out
        assert machine.run("test", "-w", f"{private}/{name}/{name}.INFO", user="otto", check=False).code == 0
        assert machine.run("cat", f"{private}/{name}/{name}.INFO", user="mia", check=False).code != 0
    machine.run("rm", "-r", f"{private}/After", user="otto")
    machine.run("rm", "-f", f"{private}/Before/Before.INFO", user="otto")

    machine.run("audiobatchctl", "setup", "--undo", private)
    assert machine.run("getfacl", "-R", private).out == before

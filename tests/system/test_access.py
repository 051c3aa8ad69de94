"""Access to the service, and the answer while it does not run."""

from __future__ import annotations

from support.service import TIMEOUT, eventually
from system.unit import MUSIC, TRACKS, Unit, login_of_before


def test_root_and_members_of_the_group_may_ask(unit: Unit) -> None:
    unit.begin(MUSIC)
    for user in ("root", "mia"):
        answer = unit.machine.run("audiobatchctl", "status", user=user)
        assert f"{MUSIC}  active" in answer.out


SOCKET = "/run/audiobatchd/control.sock"
OTTO = (
    f"audiobatchctl: no daemon answers on {SOCKET}: permission denied: otto is not in the group audiobatch; "
    "sudo usermod -aG audiobatch otto, then log in again; once: sudo audiobatchctl\n"
)
OLD_MIA = (
    f"audiobatchctl: no daemon answers on {SOCKET}: permission denied: mia has come into the group audiobatch after "
    "this login; log in again, or: newgrp audiobatch\n"
)
MIA = "mia is none of its operators; sudo audiobatchctl setup --operator mia; once: sudo this command\n"
NO_ROOT = "audiobatchctl: cannot set up the machine's service: that takes root:"
NO_MODELS = (
    "audiobatchctl: cannot make /var/lib/audiobatchd/models: Permission denied; as root: sudo audiobatchctl models"
)
REFUSALS = [
    ("otto", "status", 3, OTTO),
    ("otto", "top", 3, OTTO),
    ("otto", "follow", 3, OTTO),
    ("otto", "pause", 3, OTTO),
    ("otto", "retry --all", 3, OTTO),
    ("otto", "reload", 3, OTTO),
    ("old mia", "status", 3, OLD_MIA),
    ("old mia", "pause", 3, OLD_MIA),
    ("mia", "pause", 1, f"audiobatchctl: cannot pause the service: {MIA}"),
    ("mia", "retry --all", 1, f"audiobatchctl: cannot have folders tried again: {MIA}"),
    ("mia", "reload", 1, f"audiobatchctl: cannot have the configuration read again: {MIA}"),
    ("mia", f"rescan {MUSIC}", 1, f"audiobatchctl: cannot have {MUSIC} walked: {MIA}"),
    (
        "mia",
        f"setup {MUSIC}",
        2,
        f"{NO_ROOT} sudo audiobatchctl setup {MUSIC}; --user sets up your own\n",
    ),
    (
        "otto",
        "models fetch msd-musicnn-1 --to /var/lib/audiobatchd/models",
        1,
        f"{NO_MODELS} fetch msd-musicnn-1\n",
    ),
]


def test_each_refusal_names_who_and_the_command(unit: Unit) -> None:
    unit.begin(MUSIC)
    machine = unit.machine
    for who, command, code, text in REFUSALS:
        _, old, user = who.rpartition("old ")
        words = ("audiobatchctl", *command.split())
        answer = (
            machine.run(*login_of_before(user), *words, check=False)
            if old
            else machine.run(*words, user=user, check=False)
        )
        assert (answer.code, answer.err) == (code, text), (who, command, answer)
    assert machine.run("audiobatchctl", "rescan", MUSIC).code == 0


def test_doctor_of_other_users_tells_what_to_do(unit: Unit) -> None:
    unit.begin(MUSIC)
    unit.machine.run("setfacl", "-m", "u:audiobatch:rwx", MUSIC)
    told = {user: unit.machine.run("audiobatchctl", "doctor", user=user, check=False).out for user in ("otto", "mia")}
    assert "[!!] no daemon answers on /run/audiobatchd/control.sock: permission denied: otto is not" in told["otto"]
    assert "sudo usermod -aG audiobatch otto, then log in again" in told["otto"]
    assert f"[--] only root can tell whether the service can write in {MUSIC}" in told["otto"]
    assert "you cannot write" not in told["otto"] + told["mia"]
    assert "[ok] audiobatchd" in told["mia"]
    assert "the service cannot write" not in told["mia"]


def test_a_stopped_service_stays_stopped_when_it_is_asked(unit: Unit) -> None:
    unit.begin(MUSIC)
    unit.machine.run("systemctl", "stop", "audiobatchd")
    answer = unit.machine.run("audiobatchctl", "status", check=False)
    assert answer.code == 3
    start = "there is no such socket; start it: systemctl start audiobatchd; why it ended: journalctl -u audiobatchd"
    assert answer.err == f"audiobatchctl: no daemon answers on {SOCKET}: {start}\n"
    for user in ("mia", "otto"):
        answer = unit.machine.run("audiobatchctl", "status", user=user, check=False)
        assert answer.code == 3
        assert answer.err.endswith(": there is no such socket; start the machine's: sudo systemctl start audiobatchd\n")
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
    advice = machine.run("audiobatchctl", "setup", "--no-grant", private, check=False)
    assert (advice.code, "Without `--no-grant` it gets rights to this dataset alone" in advice.out) == (1, True)

    machine.run("audiobatchctl", "setup", private)
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
    # Else it may write the record again before the rights are taken back.
    machine.run("systemctl", "stop", "audiobatchd")
    machine.run("rm", "-r", f"{private}/After", user="otto")
    machine.run("rm", "-f", f"{private}/Before/Before.INFO", user="otto")

    machine.run("audiobatchctl", "setup", "--undo", private)
    assert machine.run("getfacl", "-R", private).out == before

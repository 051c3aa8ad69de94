"""Commands over the network: what they say of locks on other hosts, and passes of two hosts at once."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from network import dataset, witness
from network.guest import Guest, Program
from network.kinds import KINDS, SHARED, Kind
from network.peer import Peer
from network.witness import PATIENCE
from support.lock_rig import GOT


@pytest.fixture(scope="module")
def listed(guest: Guest, peers: Callable[[], tuple[Peer, Peer]]) -> dict[str, dict[str, str]]:
    """What `b` lists where `a` holds a lock and left one when it was killed: states by name, of every kind."""
    a, _ = peers()
    for kind in SHARED:
        path = dataset.make(guest, kind, f"commands {kind.name}", "Dead", "Held")
        a.at(f"{path}/Dead")
        assert a.does("acquire()") == GOT
    a.kill()
    a, _ = peers()
    for kind in SHARED:
        a.at(f"{kind.place()}/commands {kind.name}/Held")
        assert a.does("acquire()") == GOT
    listing = {kind.name: guest.b.start("audiobatchctl", "locks", "list", _path(kind), "--json") for kind in SHARED}
    return {name: _states(program) for name, program in listing.items()}


def _path(kind: Kind) -> str:
    return f"{kind.place()}/commands {kind.name}"


def _states(program: Program) -> dict[str, str]:
    done = program.wait(PATIENCE)
    assert done.code == 0, done
    return {each["lock"]: each["state"] for each in json.loads(done.out)["locks"]}


@pytest.mark.parametrize("kind", SHARED, ids=lambda kind: kind.name)
def test_list_tells_held_from_dead_of_another_host(listed: dict[str, dict[str, str]], kind: Kind) -> None:
    assert listed[kind.name] == {"Dead.lock": "dead", "Held.lock": "active"}


@pytest.mark.usefixtures("listed")
def test_cleanup_takes_only_what_the_dead_left(guest: Guest) -> None:
    cleaning = [guest.b.start("audiobatchctl", "locks", "cleanup", _path(kind)) for kind in SHARED]
    for program in cleaning:
        done = program.wait(PATIENCE)
        assert done.code == 0, done
        assert "Dead.lock" in done.out
        assert "Held.lock" not in done.out
    for kind in SHARED:
        assert len(dataset.left_in(guest, f"commands {kind.name}")) == 1, "that of the holder"


def test_trial_between_hosts_says_what_locks_are_worth(guest: Guest) -> None:
    trying: dict[str, list[Program]] = {}
    for kind in KINDS:
        path = dataset.make(guest, kind, f"trial {kind.name}")
        command = ("audiobatchctl", "locks", "test", path, "--wait", PATIENCE, "--json")
        trying[kind.name] = [host.start(*command) for host in (guest.a, guest.b)]
    for kind in KINDS:
        for program in trying[kind.name]:
            done = program.wait(2 * PATIENCE)
            found = {each["name"]: each["ok"] for each in json.loads(done.out)["findings"]}
            assert found["between machines"] is kind.shared, done
            assert found["file system"] is kind.shared, done
            bad = {name for name, ok in found.items() if ok is False}
            assert done.code == (0 if kind.shared else 1), done
            assert not kind.shared or not bad, done


@pytest.mark.parametrize("kind", SHARED, ids=lambda kind: kind.name)
def test_passes_of_two_hosts_measure_each_folder_once(guest: Guest, kind: Kind) -> None:
    name = f"once {kind.name}"
    folders = [f"{kind.name} {number}" for number in range(3)]
    path = dataset.make(guest, kind, name, *folders)
    passes = []
    for host in (guest.a, guest.b):
        command = ("audiobatchd", "--config", witness.install(host, path, workers=1), "--once", path)
        passes.append(host.start(*command, env=witness.ENVIRONMENT))
    for program in passes:
        done = program.wait(PATIENCE)
        assert done.code == 0, done
    assert sorted(folder for _, folder in witness.measured(guest) if folder in folders) == folders
    for folder in folders:
        assert dataset.record(guest, name, folder)["witness"] > 0
    assert dataset.left_in(guest, name) == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.shared], ids=lambda kind: kind.name)
def test_pass_over_a_weak_mount_is_refused(guest: Guest, kind: Kind) -> None:
    path = dataset.make(guest, kind, f"once {kind.name}", "Song")
    done = guest.a.run("audiobatchd", "--once", path, check=False, timeout=PATIENCE)
    assert done.code not in {0, 3}, done
    assert "alone = true" in done.text
    assert dataset.record(guest, f"once {kind.name}", "Song") == {}

"""Commands over the network: what they say of locks on other hosts, and passes of two hosts at once."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from network import dataset, witness
from network.guest import Guest, Program
from network.kinds import KINDS, NFS3_NOLOCK, SHARED, Kind
from network.peer import Peer
from network.witness import PATIENCE
from support.lock_rig import GOT
from system.machine import Done


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


def test_trial_between_hosts_says_what_locks_are_worth(guest: Guest, pytestconfig: pytest.Config) -> None:
    trying: dict[Kind, list[Program]] = {}
    for kind in KINDS if pytestconfig.getoption("--long") else (*SHARED, NFS3_NOLOCK):
        path = dataset.make(guest, kind, f"trial {kind.name}")
        command = ("audiobatchctl", "locks", "test", path, "--wait", PATIENCE, "--json")
        trying[kind] = [host.start(*command) for host in (guest.a, guest.b)]
    for kind, programs in trying.items():
        for program in programs:
            done = program.wait(2 * PATIENCE)
            assert done.out, done
            found = {each["name"]: each["ok"] for each in json.loads(done.out)["findings"]}
            assert found["between machines"] is kind.shared, done
            assert found["file system"] is kind.shared, done
            assert not kind.shared or False not in found.values(), done
            assert done.code == (0 if kind.shared else 1), done


@pytest.fixture(scope="module")
def passes(guest: Guest) -> list[Done]:
    """Passes of both hosts at the same time, over datasets of every kind."""
    paths = [dataset.make(guest, kind, f"once {kind.name}", *_folders(kind)) for kind in SHARED]
    started = []
    for host in (guest.a, guest.b):
        command = ("audiobatchd", "--config", witness.install(host, *paths, workers=1), "--once", *paths)
        started.append(host.start(*command, env=witness.ENVIRONMENT))
    return [program.wait(PATIENCE) for program in started]


def _folders(kind: Kind) -> list[str]:
    return [f"once {kind.name} {number}" for number in range(3)]


@pytest.mark.parametrize("kind", SHARED, ids=lambda kind: kind.name)
def test_passes_of_two_hosts_measure_each_folder_once(guest: Guest, passes: list[Done], kind: Kind) -> None:
    assert [done.code for done in passes] == [0, 0], passes
    folders = _folders(kind)
    assert sorted(folder for _, folder in witness.measured(guest) if folder in folders) == folders
    for folder in folders:
        assert dataset.record(guest, f"once {kind.name}", folder)["witness"] > 0
    assert dataset.left_in(guest, f"once {kind.name}") == []


def test_pass_over_a_weak_mount_is_refused(guest: Guest) -> None:
    weak = [kind for kind in KINDS if not kind.shared]
    paths = [dataset.make(guest, kind, f"once {kind.name}", "Song") for kind in weak]
    config = witness.install(guest.a, *paths, workers=1)
    refusing = [
        guest.a.start("audiobatchd", "--config", config, "--once", path, env=witness.ENVIRONMENT) for path in paths
    ]
    for kind, program in zip(weak, refusing, strict=True):
        done = program.wait(PATIENCE)
        assert done.code not in {0, 3}, done
        assert "alone = true" in done.text
        assert dataset.record(guest, f"once {kind.name}", "Song") == {}

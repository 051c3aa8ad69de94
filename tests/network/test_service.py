"""Services of two hosts on the same datasets: no folder twice, whatever becomes of one of them.

The tests of this file go by in their order, each from where the one before left both services.
"""

from __future__ import annotations

from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from network import dataset, witness
from network.guest import Guest, Host, Program
from network.kinds import NFS4, SHARED, SMB, Kind
from network.witness import PATIENCE

LOCAL, SOCKET = "/run/local", "/run/control.sock"


class Services:
    """The service of each host, on a dataset of every kind and one on a disk of its own."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.folders = [(kind, f"{kind.name} {number}") for kind in SHARED for number in range(2)]
        for kind, folder in self.folders:
            dataset.make(guest, kind, self.name(kind), folder)
        self.a, self.b = self._start(guest.a, workers=2), self._start(guest.b, workers=1)
        for service in (self.a, self.b):
            service.until("dataset-active", PATIENCE)

    def name(self, kind: Kind) -> str:
        """The dataset's."""
        return f"service {kind.name}"

    def _start(self, host: Host, workers: int) -> Program:
        host.run("mkdir", LOCAL)
        paths = [f"{kind.place()}/{self.name(kind)}" for kind in SHARED]
        config = witness.install(host, *paths, LOCAL, workers=workers)
        options = ("--config", config, "--state-dir", "/run/state", "--socket", SOCKET)
        return host.start("audiobatchd", *options, env=witness.ENVIRONMENT)

    def done(self, kind: Kind, folder: str) -> str:
        """Wait until a folder has a record; which file that is."""
        path = f"{dataset.on_server(self.name(kind))}/{folder}/{folder}.INFO"
        script = 'for moment in $(seq 2000); do [ ! -e "$1" ] || break; sleep 0.2; done; stat -c "%i %Y" "$1"'
        found = self.guest.server.sh(script, path, check=False, timeout=PATIENCE)
        assert found.code == 0, f"{path} is not there: {self.a.so_far()} {self.b.so_far()}"
        return found.out

    def times(self, folder: str) -> list[str]:
        """The hosts that measured a folder."""
        return [host for host, measured in witness.measured(self.guest) if measured == folder]


@pytest.fixture(scope="module")
def services(guest: Guest) -> Services:
    return Services(guest)


def test_two_services_measure_each_folder_once(services: Services) -> None:
    for kind, folder in services.folders:
        services.done(kind, folder)
    assert [len(services.times(folder)) for _, folder in services.folders] == [1] * len(services.folders)


def test_service_that_is_cut_off_goes_on_and_publishes_nothing(services: Services) -> None:
    guest, folder = services.guest, "cut off"
    services.b.signal(SIGSTOP)
    with witness.holding(guest, "a", folder):
        dataset.make(guest, NFS4, services.name(NFS4), folder)
        witness.begins(guest, "a", folder)
        services.b.signal(SIGCONT)
        with guest.cut_off("a"):
            published = services.done(NFS4, folder)
            # What it has on a disk of its own goes on, and it answers.
            dataset.make_folders(guest.a, LOCAL, "local")
            witness.begins(guest, "a", "local")
            guest.a.run("audiobatchctl", "--socket", SOCKET, "status")
    services.a.until(f'folder="{folder}"')
    assert services.times(folder) == ["a", "b"]
    assert services.done(NFS4, folder) == published


def test_folder_of_killed_service_is_taken_over(services: Services) -> None:
    guest, folder = services.guest, "killed"
    services.a.signal(SIGSTOP)
    with witness.holding(guest, "b", folder):
        dataset.make(guest, SMB, services.name(SMB), folder)
        witness.begins(guest, "b", folder)
        services.b.signal(SIGKILL)
    services.a.signal(SIGCONT)
    services.done(SMB, folder)
    assert services.times(folder) == ["b", "a"]
    for kind in SHARED:
        assert dataset.left_in(guest, services.name(kind)) == []

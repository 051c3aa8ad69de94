"""The process on the other end, as the kernel tells it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from audiobatchd.control.server.access import Peer, peer_of


def test_peer_is_who_connected(tmp_path: Path) -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer_of(one) == Peer(os.getpid(), os.getuid())


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
def test_another_user_cannot_pass_for_root(tmp_path: Path) -> None:
    """What counts is the user at the moment of connecting."""
    for above in tmp_path.parents[:-2]:
        above.chmod(0o711)
    tmp_path.chmod(0o777)
    program = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door"))
        (tmp_path / "door").chmod(0o777)
        door.listen()
        door.settimeout(60)
        command = [sys.executable, "-I", "-c", program, str(tmp_path / "door")]
        with subprocess.Popen(command, user=65534, group=65534, extra_groups=[], cwd="/") as process:
            connection, _ = door.accept()
            with connection:
                assert peer_of(connection) == Peer(process.pid, 65534)

"""The process on the other end of a connection, by the kernel's word (SO_PEERCRED)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_CREDENTIALS = "3i"  # struct ucred: PID, UID, GID


@dataclass(frozen=True)
class Peer:
    """The process that connected."""

    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer:
    """The process on the other end of a unix socket."""
    size = struct.calcsize(_CREDENTIALS)
    pid, uid, _ = struct.unpack(_CREDENTIALS, connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return Peer(pid, uid)

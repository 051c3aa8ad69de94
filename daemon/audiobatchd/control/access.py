"""Who is on the other end of a connection, by the kernel's word (SO_PEERCRED), and who may change anything."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from audiobatchd.errors import ConfigError

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


def operators(names: Iterable[str]) -> frozenset[int]:
    """The UIDs that may change things: root, the daemon's own, and those of the users that the configuration names.

    Raises ConfigError for a name that no user has.
    """
    uids = {0, os.geteuid()}
    for name in names:
        try:
            uids.add(pwd.getpwnam(name).pw_uid)
        except KeyError:
            message = f"no user is called {name!r} - at `operators`"
            raise ConfigError(message) from None
    return frozenset(uids)

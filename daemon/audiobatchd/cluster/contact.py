"""Contact of a pass with its cluster: the scheduler's address, and the TLS without which none beyond loopback is used.

Dask carries pickles: a program that may talk to a scheduler can run any code on all of its machines.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from audiobatchd.disk import bounded
from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.names import shown


@dataclass(frozen=True)
class Contact:
    """The cluster that the command line names: by an address, by a scheduler's file, or one of this machine's own."""

    address: str = ""
    """Address of the scheduler."""
    file: Path | None = None
    """The file in which a scheduler tells its address."""
    local: int = 0
    """Number of Dask workers to be started here, with a scheduler of their own."""
    ca_file: Path | None = None
    """Certificates of the authorities that are trusted; None: as Dask's own configuration has it, as the next two."""
    certificate: Path | None = None
    key: Path | None = None

    def found(self) -> str:
        """Return the scheduler's address of now. Raises UsageError, and OSError where its file is not there yet."""
        address = self.address if self.file is None else _told_by(self.file)
        refuse_open(address)
        return address

    def tls(self) -> dict[str, Any]:
        """Return what Dask's `Security` is made of, beside its own configuration."""
        given = {"tls_ca_file": self.ca_file, "tls_client_cert": self.certificate, "tls_client_key": self.key}
        return {name: os.fspath(path) for name, path in given.items() if path is not None}


def _told_by(file: Path) -> str:
    """Read a scheduler's file; one that is half written counts as none. Raises OSError."""
    content, _ = bounded.read(file, bounded.SETTINGS_LIMIT)
    try:
        address = msgspec.json.decode(content)["address"]
    except (msgspec.MsgspecError, KeyError, TypeError):
        address = None
    if not isinstance(address, str):
        raise OSError(0, "it names no scheduler", os.fspath(file))
    return address


def refuse_open(address: str) -> None:
    """Raise UsageError for an address beyond loopback without TLS, and for a text that is no address."""
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    if scheme not in ("tcp", "tls") or not host or port is None:
        message = (
            f"cannot use the scheduler {shown(address)}: expected tls://HOST:PORT, or tcp://HOST:PORT on this machine"
        )
        raise UsageError(message)
    if scheme == "tcp" and not _is_this_machine(host, port):
        message = (
            f"cannot use the scheduler {shown(address)}: its connections are open, and whoever may talk to it can run "
            f"any code on all of its machines; start it with TLS and name it tls://{host}:{port}"
        )
        raise UsageError(message)


def _is_this_machine(host: str, port: int) -> bool:
    try:
        found = {each[4][0] for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(each).partition("%")[0]).is_loopback for each in found)

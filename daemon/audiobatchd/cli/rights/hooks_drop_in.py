"""The drop-in of hooks: what lets the service's unit, which has no network, send messages to URLs."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from audiobatchd.cli.rights import network_drop_in
from audiobatchd.cli.rights.network_drop_in import ANY, LOCALHOST
from audiobatchd.config.file import load_config
from audiobatchd.config.hooks import place_of
from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.names import shown

NAME = "hooks.conf"


def changes(drop_ins: Path, configuration: Path, *, undo: bool) -> dict[Path, str | None]:
    """Return the drop-in that is to be written, None for one that is to be removed.

    Raises UsageError where no hook needs it, ConfigError where the configuration cannot be read.
    """
    path = drop_ins / NAME
    if undo:
        return {path: None} if path.exists() else {}
    urls = [each.url for each in load_config(configuration).hook if each.url is not None]
    if not urls:
        message = f"no [[hook]] in {shown(str(configuration))} has a `url`: commands need no network, unless yours do"
        raise UsageError(message)
    new = content(urls)
    return {path: new} if network_drop_in.differs(path, new) else {}


def content(urls: Sequence[str]) -> str:
    """Write the drop-in for these URLs, of which it names the machines alone."""
    hosts = [urlsplit(url).hostname or "" for url in urls]
    addresses = list(dict.fromkeys(address_of(host) for host in hosts))
    if ANY in addresses:  # what a name leads to is known when it is asked for, and may change
        addresses = [ANY]
    told = ", ".join(dict.fromkeys(place_of(url) for url in urls))
    return network_drop_in.content("--hooks", f"Hooks at {told}", addresses)


def address_of(host: str) -> str:
    """Name the address of a host as systemd does."""
    if host == "localhost" or host.endswith(".localhost"):
        return LOCALHOST
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ANY
    return LOCALHOST if address.is_loopback else str(address)

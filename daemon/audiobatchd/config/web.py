"""The `[web]` table: where the page is served, by which names, and what keeps it from strangers on the way."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from audiobatchd.config.places import LONGEST_SOCKET
from audiobatchd.errors import ConfigError

_TCP = re.compile(r"\A(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)):(?P<port>[0-9]{1,5})\Z")
_MOST_PORTS = 65_535
_MOST_NAMES = 32

HostName = Annotated[
    str,
    Meta(
        max_length=253,
        pattern=r"\A([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9a-fA-F:]+)\Z",
        description="the name of a machine or its address, without scheme and port",
    ),
]
IpAddress = Annotated[str, Meta(max_length=45, pattern=r"\A[0-9A-Fa-f.:]+\Z", description="an IP address")]
BasePath = Annotated[
    str, Meta(max_length=200, pattern=r"\A/([A-Za-z0-9._~-]+/)*\Z", description='a path that begins and ends with "/"')
]
Path = Annotated[str, Meta(min_length=1, pattern=r"\A[^\0]*\Z", description="a path")]


class WebConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of `[web]`. Each key is described in docs/reference/configuration.md."""

    listen: Path | None = None
    hosts: Annotated[tuple[HostName, ...], Meta(max_length=_MOST_NAMES)] = ()
    base_path: BasePath = "/"
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    trusted_proxies: Annotated[tuple[IpAddress, ...], Meta(max_length=_MOST_NAMES)] = ()
    link_lifetime: float = 600.0


class Address(NamedTuple):
    """Address that a page listens at: an IP address and port, or a unix socket."""

    host: str = ""
    port: int = 0
    socket: str = ""

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine reaches it."""
        return bool(self.socket) or ipaddress.ip_address(self.host).is_loopback

    @property
    def is_any(self) -> bool:
        """Tell whether it is every address of the machine, and so none that a browser asks for."""
        return not self.socket and ipaddress.ip_address(self.host).is_unspecified

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return self.socket or (f"[{self.host}]" if ":" in self.host else self.host) + f":{self.port}"


def address_of(listen: str) -> Address:
    """Parse where a page listens. Raises ConfigError."""
    if listen.startswith("/"):
        if len(listen.encode(errors="surrogateescape")) > LONGEST_SOCKET:
            message = f"the path of a socket has {LONGEST_SOCKET} bytes at most"
            raise ConfigError(message)
        return Address(socket=listen)
    found = _TCP.match(listen)
    try:
        if found and 0 < int(found["port"]) <= _MOST_PORTS:
            return Address(str(ipaddress.ip_address(found["six"] or found["four"])), int(found["port"]))
    except ValueError:
        pass
    raise ConfigError('expected "ADDRESS:PORT", "[ADDRESS]:PORT", or the whole path of a socket')


def url_of(web: WebConfig) -> str:
    """Write the address of a page that is served so, as a browser takes it: behind a proxy the proxy's, with TLS."""
    address = address_of(web.listen or "")
    host = f"[{web.hosts[0]}]" if web.hosts and ":" in web.hosts[0] else "".join(web.hosts[:1])
    if web.behind_proxy or address.socket:
        return f"https://{host}{web.base_path}"
    scheme = "https" if web.certificate else "http"
    # A certificate is for names.
    place = f"{host}:{address.port}" if host and (web.certificate or address.is_any) else str(address)
    return f"{scheme}://{place}{web.base_path}"


def check(web: WebConfig) -> None:
    """Raise ConfigError, with the key, where the page could not be served so, or not safely."""
    if bool(web.certificate) != bool(web.key):
        raise ConfigError("a certificate and its key go together - at `web.certificate`")
    for each in web.trusted_proxies:
        try:
            ipaddress.ip_address(each)
        except ValueError:
            message = f"{each} is no IP address - at `web.trusted_proxies`"
            raise ConfigError(message) from None
    if web.listen is None:
        return
    try:
        address = address_of(web.listen)
    except ConfigError as error:
        message = f"{error} - at `web.listen`"
        raise ConfigError(message) from None
    if web.behind_proxy and not address.socket and not web.trusted_proxies:
        raise ConfigError("name the proxy's address in `trusted_proxies` - at `web.behind_proxy`")
    if not (address.is_loopback or web.certificate or web.behind_proxy):
        message = (
            f"{web.listen} is reached from other machines: set `certificate` and `key`, or `behind_proxy`, "
            "or listen on 127.0.0.1 - at `web.listen`"
        )
        raise ConfigError(message)
    if (address.is_any or address.socket or web.behind_proxy) and not web.hosts:
        message = f"{web.listen} says no name that browsers ask for: set `hosts` - at `web.listen`"
        raise ConfigError(message)

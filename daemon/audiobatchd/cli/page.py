"""Findings on the page that the service serves: whether it listens, and whether its certificate is of use."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

from audiobatchd.cli.diagnosis import Diagnosis, Level
from audiobatchd.config import certificate
from audiobatchd.config.web import Address, WebConfig, address_of
from audiobatchd.control.status import Status
from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import counted

_PATIENCE = 2.0
_SOON = 14
"""Days before its end from which on a certificate is told of."""


def page_findings(web: WebConfig, status: Status | None) -> Iterator[Diagnosis]:
    """Judge the page of a configuration; none where it is off. `status` is the service's, if one runs."""
    if web.listen is None:
        return
    address = address_of(web.listen)
    if status is not None:
        yield _listening(address)
    if web.certificate and web.key:
        yield _certificate(web.certificate, web.key)
    elif web.behind_proxy and not address.is_loopback:
        what = f"between the proxy and the page at {address} nothing is encrypted"
        yield Diagnosis(Level.NOTE, what, "give it a `certificate` and `key`, or a socket on the proxy's machine")


def _listening(address: Address) -> Diagnosis:
    """Try to connect."""
    target: str | tuple[str, int] = address.socket or (_reached(address), address.port)
    family = socket.AF_UNIX if address.socket else socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.settimeout(_PATIENCE)
            trial.connect(target)
    except OSError as error:
        why = error.strerror or os.strerror(errno.ETIMEDOUT)
        todo = "its log says why (web-fails); where the unit forbids all network: sudo audiobatchctl setup --web"
        return Diagnosis(Level.ACT, f"the page does not listen at {shown(str(address))}: {why}", todo)
    return Diagnosis(Level.OK, f"the page listens at {shown(str(address))}; a link: audiobatchctl web")


def _reached(address: Address) -> str:
    if not address.is_any:
        return address.host
    return "::1" if ":" in address.host else "127.0.0.1"


def _certificate(path: str, key: str) -> Diagnosis:
    try:
        left = certificate.days_left(path, key)
    except UsageError as error:
        return Diagnosis(Level.ACT, f"the page: {error}", "let the service's user read both, or renew them")
    if left <= 0:
        return Diagnosis(Level.ACT, f"the page's certificate {shown(path)} has expired", "renew it, and reload")
    if left < _SOON:
        what = f"the page's certificate {shown(path)} expires in {counted(int(left), 'day')}"
        return Diagnosis(Level.NOTE, what, "renew it, and: audiobatchctl reload")
    return Diagnosis(Level.OK, f"the page's certificate is good for {counted(int(left), 'day')}")

"""POST of a message to a URL: one request over a connection of its own; only the head of the answer is read.

Redirects are not followed, and what the environment says of proxies does not count.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from audiobatchd import __version__
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.vocabulary.names import printable

_LEAST_FINE, _MOST_FINE = 200, 299
_BUSY = (429, 503)
_WORDS = 300
"""Characters of an error of a library that are told."""
_LONGEST_WAIT = 3600.0
"""Seconds for which an answer may ask to be left alone."""


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109  # the words of what follows name it
) -> tuple[str, float]:
    """Send `body`; why that failed, empty where it did not, and the seconds for which the server wants no more.

    No word of the URL is told, nor of the answer, which may repeat it: its path may be all that protects it.
    """
    plain = {"Content-Type": "application/json", "User-Agent": f"audiobatchd/{__version__}"}
    connector = aiohttp.TCPConnector(resolver=_Resolver(), force_close=True, limit=1)
    try:
        async with (
            asyncio.timeout(timeout),
            aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),
                auto_decompress=False,
            ) as session,
            session.post(url, data=body, headers={**plain, **headers}, allow_redirects=False) as answer,
        ):
            if _LEAST_FINE <= answer.status <= _MOST_FINE:
                return "", 0.0
            wait = asked_wait(answer.headers.get("Retry-After", ""), time.time()) if answer.status in _BUSY else 0.0
            return f"the answer is {answer.status}{_meaning(answer.status)}", wait
    except TimeoutError:
        return f"no answer within {timeout:g} s", 0.0
    except aiohttp.ClientResponseError as error:
        return f"the answer is no HTTP: {printable(error.message[:_WORDS])}", 0.0
    except aiohttp.ClientConnectorCertificateError as error:
        return f"its certificate is not good: {printable(str(error.certificate_error)[:_WORDS])}", 0.0
    except aiohttp.ClientOSError as error:
        return f"cannot connect: {_in_words(error)}", 0.0
    except (aiohttp.ClientError, ValueError) as error:
        return f"no answer: {type(error).__name__}", 0.0


def _meaning(status: int) -> str:
    """Say what a status means, by RFC 9110; nothing where it is of a server's own."""
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""


def _in_words(error: aiohttp.ClientOSError) -> str:
    """Say why there is no connection; of several addresses why each was not reached."""
    number = error.errno or 0
    if number > 0 and not isinstance(error, aiohttp.ClientSSLError):
        return os.strerror(number)
    # Below 0 are a resolver's numbers, and a TLS library's mean something else.
    told = error.strerror or (str(error.os_error) if isinstance(error, aiohttp.ClientConnectorError) else "")
    return printable(told[:_WORDS]) or type(error).__name__


def asked_wait(retry_after: str, now: float) -> float:
    """Read a Retry-After (RFC 9110, 10.2.3), in seconds from `now`; 0 where it says nothing that can be understood."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(_LONGEST_WAIT, float(retry_after[:10]))
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, min(_LONGEST_WAIT, (aware - datetime.fromtimestamp(now, UTC)).total_seconds()))


class _Resolver(AbstractResolver):
    """Asks the machine's resolver, in a thread that nothing waits for: aiohttp's holds up the end of the service."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await in_a_thread(partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM))
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is kept."""

"""Download of one file over HTTP: it gets its name only when it is there whole, and is what it should be.

By urllib of the standard library. A fetch is one GET for a file now and then, by a program that must start fast and run
on machines without an administrator: a dependency would bring redirects and proxies, which urllib has, and not what
takes the care here, which is resuming, lying servers and crashes. It honours `http_proxy`, `https_proxy`, `no_proxy`
and, by way of OpenSSL, `SSL_CERT_FILE`.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from audiobatchd.disk.boot import boot_id
from audiobatchd.errors import ModelError, UnreachableError, UsageError
from audiobatchd.models.graph_file import LARGEST, Check, sha256_of
from audiobatchd.models.part import Origin, Part, arriving
from audiobatchd.vocabulary.names import shown

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived, and how many there will be, where the server says so."""

_CHUNK = 1 << 16
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Terms:
    """Terms of a download."""

    timeout: float = 30.0
    """Seconds for which a server may say nothing."""
    tries: int = 5
    """Number of connections that may break."""
    largest: int = LARGEST
    """Bytes of the largest file."""


@dataclass(frozen=True)
class Wanted:
    """File to be fetched."""

    address: str
    target: Path
    check: Check
    """Raises ModelError where it is no such file."""
    sha256: str | None = None
    """Digest that it must have; None where that is not known."""


def check_base(address: str) -> None:
    """Raise UsageError where `address` is no base that files can be fetched from."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.query or parts.fragment:
        message = f"cannot fetch from {address!r}: expected an address as https://example.org/models"
        raise UsageError(message)


def download(wanted: Wanted, terms: Terms, progress: Progress, waiting: Callable[[], None]) -> bool:
    """Fetch a file to its place; False where another process did while its lock was waited for.

    What a call before this one left is gone on with, where the server can tell that the file is still the same.
    Raises ModelError, with the address and the cause, in every other case; a file that is wrong is removed, one that
    is merely not whole is kept for the next call.
    """
    with arriving(wanted.target, waiting) as part:
        if part is None:
            return False
        _fill(part, wanted.address, terms, progress)
        try:
            _judge(part, wanted)
        except ModelError:
            part.discard()
            raise
        part.deliver()
    return True


def _judge(part: Part, wanted: Wanted) -> None:
    found = sha256_of(part.path) if wanted.sha256 else None
    if found != wanted.sha256:
        raise _refusal(wanted.address, f"its SHA-256 is {found} instead of {wanted.sha256}; what came was removed")
    try:
        wanted.check(part.path)
    except ModelError as error:
        why = str(error).removeprefix(f"cannot use {shown(str(part.path))}: ")
        raise _refusal(wanted.address, f"{why}; what came was removed") from error


def _fill(part: Part, address: str, terms: Terms, progress: Progress) -> None:
    for _ in range(terms.tries):
        if _try(part, address, terms, progress):
            return
    raise UnreachableError(_refused(address, f"the connection broke {terms.tries} times{_kept(part)}"))


def _try(part: Part, address: str, terms: Terms, progress: Progress) -> bool:
    """Make one request. False where another one may bring the rest, or all of it."""
    try:
        response = _opened(part, address, terms)
        if response is None:
            return True
        with response:
            return _receive(part, address, response, terms, progress)
    except _AgainError:
        return False


class _AgainError(Exception):
    """The connection broke, or the server sent the rest of something else than what the part is of."""


def _opened(part: Part, address: str, terms: Terms) -> http.client.HTTPResponse | None:
    """The answer whose body is to be read; None where the part is whole."""
    validator = _resumable(part, address)
    try:
        with _talking(part, address, terms.timeout):
            return _request(address, part.size, validator, terms.timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not validator:
                raise _refusal(address, f"the server answers {error.code} {error.reason}") from error
            # It has no byte behind ours: the file is whole, or is not the same any more.
            if _range(error.headers)[2] == part.size:
                return None
            part.begin(None)
            raise _AgainError from error


@contextlib.contextmanager
def _talking(part: Part, address: str, timeout: float) -> Iterator[None]:
    """Put errors of the network into words. Nothing else is done within: a full disk raises OSError, too."""
    try:
        yield
    except urllib.error.HTTPError:
        raise
    except (TimeoutError, urllib.error.URLError, ssl.SSLError) as error:
        raise UnreachableError(_refused(address, _cause(error, timeout) + _by_proxy(address) + _kept(part))) from error
    except (ConnectionError, http.client.IncompleteRead) as error:
        raise _AgainError from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _refusal(address, f"{str(error).strip() or type(error).__name__}{_kept(part)}") from error


def _resumable(part: Part, address: str) -> str | None:
    """Return the validator to go on with; None where the part begins with nothing."""
    origin = part.origin() if part.size else None
    if origin is None or (origin.address, origin.boot) != (address, boot_id()):
        return None
    return origin.validator


def _request(address: str, offset: int, validator: str | None, timeout: float) -> http.client.HTTPResponse:
    # Without the handlers for other schemes: a server cannot send us to a local file.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    headers = {"User-Agent": "audiobatchctl"}
    if validator:
        headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310  # only HTTP has a handler
    response: http.client.HTTPResponse = opener.open(request, timeout=timeout)
    return response


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from an encrypted address to a plain one: a pin rests on where a file came from."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            fp.close()
            message = f"the server sends us from https to {newurl}"
            raise urllib.error.URLError(message)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]  # two stubs differ


def _receive(part: Part, address: str, response: http.client.HTTPResponse, terms: Terms, progress: Progress) -> bool:
    """Take the body in; False where it ends before its end."""
    total = _prepare(part, address, response)
    if total is not None and total > terms.largest:
        part.discard()
        raise _refusal(address, f"its {total:,} bytes are more than the {terms.largest:,} allowed")
    size = part.size
    progress(size, total)
    while data := _next(part, address, response, terms.timeout):
        part.append(data)
        size += len(data)
        if size > (terms.largest if total is None else total):
            part.discard()
            limit = "allowed" if total is None else "announced"
            raise _refusal(address, f"more comes than the {terms.largest if total is None else total:,} bytes {limit}")
        progress(size, total)
    return total is None or size == total


def _next(part: Part, address: str, response: http.client.HTTPResponse, timeout: float) -> bytes:
    with _talking(part, address, timeout):
        # As it comes: `read` would wait for a full chunk, however slowly it drips.
        return response.read1(_CHUNK)


def _prepare(part: Part, address: str, response: http.client.HTTPResponse) -> int | None:
    """Make the part fit what the server is about to send; the size that the file will have, where that is known."""
    headers = response.headers
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _refusal(address, f"the server sends it packed ({headers['Content-Encoding']}), which was not asked for")
    announced = response.length
    if response.status == HTTPStatus.OK:
        validator = _validator(headers)
        part.begin(Origin(address, validator, boot_id()) if validator else None)
        return announced
    first, last, total = _range(headers)
    if response.status != HTTPStatus.PARTIAL_CONTENT or not part.size:
        raise _refusal(address, f"the server answers {response.status} {response.reason}, which was not asked for")
    origin = part.origin()
    same = origin is not None and _validator(headers) in (None, origin.validator)
    if not same or first != part.size or last is None or announced not in (None, last + 1 - first):
        part.begin(None)
        raise _AgainError
    # Where it sends a piece of the rest, what is missing is asked for next.
    return last + 1 if total is None else total


def _range(headers: Message) -> tuple[int | None, int | None, int | None]:
    """Parse the first and last byte of what is sent, and the size of the whole; None for what is not told."""
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if not found:
        return None, None, None
    first, last, total = (int(text) if text and text.isdecimal() else None for text in found.groups())
    return first, last, total


def _validator(headers: Message) -> str | None:
    """Choose what If-Range takes (RFC 9110, 13.1.5): a strong ETag, else the time of the last change."""
    tag = str(headers.get("ETag", ""))
    if tag.startswith('"'):
        return tag
    return headers.get("Last-Modified") or None


def _cause(error: Exception, timeout: float) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, socket.gaierror):
        return f"its host cannot be found: {reason.strerror}"
    if isinstance(reason, TimeoutError):
        return f"nothing came for {timeout:g} s"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"the server's certificate is not valid: {reason.verify_message}"
    if isinstance(reason, ssl.SSLError):
        return f"no encrypted connection: {reason.reason or reason}"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason)


def _kept(part: Part) -> str:
    if part.size and part.origin():
        return f"; the {part.size:,} bytes that came are kept, and the next call goes on from there"
    return ""


def _by_proxy(address: str) -> str:
    """Name the proxy that an address is asked for through, without the password that may stand in it."""
    parts = urlsplit(address)
    given = urllib.request.getproxies().get(parts.scheme, "")
    if not given or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return f" (through the proxy {shown(given.rpartition('@')[2].rpartition('://')[2])})"


def _refusal(address: str, why: str) -> ModelError:
    return ModelError(_refused(address, why))


def _refused(address: str, why: str) -> str:
    return f"cannot fetch {shown(address)}: {why}"

"""Source files to listen to, by range requests (RFC 9110, 14): read piece by piece, in threads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from audiobatchd.control.requests import FolderName
from audiobatchd.control.server.routes import RefusedError, query
from audiobatchd.errors import UnknownFolderError
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.vocabulary.files import ROLES
from audiobatchd.web.contract import Contract
from audiobatchd.web.folder import Source, opened_source

_PIECE = 256 * 1024
"""Bytes that are read at a time."""
_AT_ONCE = 16
"""Files that are sent at the same time: a disk that hangs keeps no more threads."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_TYPES = {
    **dict.fromkeys(("wav", "wave"), "audio/wav"),
    **dict.fromkeys(("ogg", "oga", "opus"), "audio/ogg"),
    **dict.fromkeys(("m4a", "m4b", "mp4"), "audio/mp4"),
    **dict.fromkeys(("aiff", "aif", "aifc"), "audio/aiff"),
    "aac": "audio/aac",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
}


class AskAudio(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for a source file."""

    dataset: str
    folder: str
    role: str


def routes(contract: Contract) -> Iterable[web.RouteDef]:
    """Give the routes."""
    return [web.get("/api/audio", _Audio(contract).answer)]


class _Audio:
    """Counts those that are sent."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._at_work = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = query(request, AskAudio)
        if asked.role not in ROLES:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"a source file is one of {', '.join(ROLES)}")
        key = self._contract.service.place(FolderName(asked.dataset, asked.folder))
        if self._at_work >= _AT_ONCE:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, f"{_AT_ONCE} files are sent already; try again")
        self._at_work += 1
        try:
            try:
                source = await in_a_thread(partial(opened_source, key, asked.role))
            except OSError as error:
                message = f"cannot open {asked.role} in {asked.folder}: {error.strerror}"
                raise UnknownFolderError(message) from error
            return await _send(request, source)
        finally:
            self._at_work -= 1


async def _send(request: web.Request, source: Source) -> web.StreamResponse:
    """Send a file, or the part of it that is asked for."""
    size = source.status.st_size
    tag = f'"{source.status.st_mtime_ns:x}-{size:x}-{source.status.st_ino:x}"'
    headers = {
        "Content-Type": _TYPES.get(source.name.rpartition(".")[2].lower(), "application/octet-stream"),
        "ETag": tag,
        "Accept-Ranges": "bytes",
    }
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
    # Without a date that is compared: a file can change twice in a second.
    whole = request.headers.get("If-Range", tag) != tag
    part = None if whole else part_of(request.headers.get("Range", ""), size)
    if part is not None and not part:
        headers |= {"Content-Range": f"bytes */{size}", "Content-Type": "application/json"}
        status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        return web.Response(body=b'{"error":"the file ends before that"}', status=status, headers=headers)
    response = web.StreamResponse(headers=headers)
    if part is not None:
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    part = range(size) if part is None else part
    response.content_length = len(part)
    await response.prepare(request)
    if request.method != "HEAD":
        await _pieces(response, source, part)
    return response


async def _pieces(response: web.StreamResponse, source: Source, part: range) -> None:
    """Send bytes of a file. Raises ConnectionError, which ends the connection, where they cannot be read any more."""
    offset = part.start
    while offset < part.stop:
        try:
            piece = await in_a_thread(partial(source.read, min(_PIECE, part.stop - offset), offset))
        except OSError as error:
            raise ConnectionAbortedError(error.errno, error.strerror) from error
        if not piece:
            raise ConnectionAbortedError("the file became shorter meanwhile")
        await response.write(piece)
        offset += len(piece)


def part_of(header: str, size: int) -> range | None:
    """Find the bytes that a Range header asks for: none where the file ends before, None where all are to be sent.

    What is malformed, or asks for several parts, is passed over, as RFC 9110 has it.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)

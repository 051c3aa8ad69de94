"""The pictures of one source file: waveform, spectrogram and loudness over time, made when they are asked for.

What the process behind all other work makes of the audio is kept by the content's stamp; a picture of it is drawn anew,
so that beats and onsets are those that lie beside the record now.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import msgspec
from aiohttp import web
from msgspec import Struct

from audiobatchd.control.requests import FolderName
from audiobatchd.control.server.routes import RefusedError, as_json, query
from audiobatchd.errors import UnknownFolderError
from audiobatchd.pictures import timeline
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.vocabulary.files import ROLES, FolderKey
from audiobatchd.web.cache import PictureCache
from audiobatchd.web.contract import Contract
from audiobatchd.web.folder import Source, opened_source
from audiobatchd.web.making import Makers
from audiobatchd.web.marks import marks_beside
from audiobatchd.worker.orders import RESULT_LIMIT, Kind, Loudness, Waveform

_DIRECTORY = "pictures"
_VERSION = 1
"""Raised when what is kept of audio is made in another way."""
_AT_ONCE = 16
"""Files that are opened and drawn at the same time: a disk that hangs keeps no more threads."""
_BEATS, _ONSETS = ".BEATS_GRID", ".ONSETS"
_TYPES = {Kind.SPECTROGRAM: "image/png"}
_SVG = "image/svg+xml"


class AskMedia(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for a picture of a source file."""

    dataset: str
    folder: str
    role: str
    kind: Kind


@dataclass(frozen=True)
class _Wanted:
    """A picture that is asked for, of a file that is open."""

    key: FolderKey
    role: str
    kind: Kind
    source: Source

    @property
    def name(self) -> str:
        """Name of what is kept of it: tells the place, the kind and the content's stamp."""
        status = self.source.status
        stamp = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        place = os.fsencode(self.key.dataset), os.fsencode(self.key.path), os.fsencode(self.source.name)
        told = msgspec.json.encode((_VERSION, *place, self.role, self.kind, *stamp))
        return hashlib.blake2b(told, digest_size=20).hexdigest()


class Media:
    """The handler, with what is kept and what is being made."""

    def __init__(self, contract: Contract) -> None:
        self._service = contract.service
        self._cache = PictureCache(contract.state / _DIRECTORY, RESULT_LIMIT)
        self._makers = Makers(self._cache)
        self._at_work = 0

    def routes(self) -> Iterable[web.RouteDef]:
        """Give the routes."""
        return [web.get("/api/media", self._answered)]

    async def close(self) -> None:
        """End what is being made."""
        await self._makers.close()

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        asked = query(request, AskMedia)
        if asked.role not in ROLES:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"a source file is one of {', '.join(ROLES)}")
        key = self._service.place(FolderName(asked.dataset, asked.folder))
        if self._at_work >= _AT_ONCE:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, f"{_AT_ONCE} pictures are drawn already; try again")
        self._at_work += 1
        try:
            return await self._answer(request, asked, key)
        finally:
            self._at_work -= 1

    async def _answer(self, request: web.Request, asked: AskMedia, key: FolderKey) -> web.StreamResponse:
        try:
            source = await in_a_thread(partial(opened_source, key, asked.role))
        except OSError as error:
            message = f"cannot open {asked.role} in {asked.folder}: {error.strerror}"
            raise UnknownFolderError(message) from error
        wanted = _Wanted(key, asked.role, asked.kind, source)
        made = self._makers.recent(wanted.name) or await in_a_thread(partial(self._cache.get, wanted.name))
        content = made and await in_a_thread(partial(drawn, wanted.kind, made, key, asked.role))
        if not content:  # or what is kept is no picture
            self._makers.ask(wanted.name, wanted.kind, source)
            return as_json({"state": "pending"}, HTTPStatus.ACCEPTED)
        tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return web.Response(body=content, content_type=_TYPES.get(wanted.kind, _SVG), headers=headers)


def drawn(kind: Kind, made: bytes, key: FolderKey, role: str) -> bytes | None:
    """Draw what was made of audio; None where it is nothing of the kind."""
    try:
        match kind:
            case Kind.SPECTROGRAM:
                return made if made.startswith(b"\x89PNG\r\n\x1a\n") else None
            case Kind.LOUDNESS:
                return timeline.loudness(msgspec.json.decode(made, type=Loudness)).encode()
            case Kind.WAVEFORM:
                found = msgspec.json.decode(made, type=Waveform)
                beats, onsets = marks_beside(key, (_BEATS, _ONSETS))
                return timeline.waveform(found, beats, onsets if role == FULL_MIX else ()).encode()
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return None

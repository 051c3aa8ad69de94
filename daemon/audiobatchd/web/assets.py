"""The files of the page itself, read once and sent from memory."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from audiobatchd.control.server.routes import Handler

STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
_INDEX = "index.html"
_WORTH_IT = 0.9


class Asset(NamedTuple):
    """A file of the page."""

    kind: str
    """Its media type."""
    content: bytes
    packed: bytes | None
    """The content in gzip, where that is shorter."""
    tag: str


def load(directory: Path = STATIC) -> dict[str, Asset]:
    """Read all files of the page that have a known kind. Raises OSError."""
    return {each.name: _asset(each) for each in sorted(directory.iterdir()) if each.suffix in _TYPES}


def routes(assets: dict[str, Asset]) -> Iterable[web.RouteDef]:
    """Give the routes: the page, and each file by its name."""
    made = [(f"/static/{name}", asset) for name, asset in assets.items()]
    if _INDEX in assets:
        made.append(("/", assets[_INDEX]))
    return [web.get(path, _sends(asset)) for path, asset in made]


def _sends(asset: Asset) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        # Asked for again at every visit, and answered by "not modified": after an upgrade no page is half old.
        headers = {"ETag": asset.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if asset.tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        body = asset.content
        if asset.packed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers = asset.packed, {**headers, "Content-Encoding": "gzip"}
        return web.Response(body=body, headers={**headers, "Content-Type": asset.kind})

    return answer


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    packed = gzip.compress(content, mtime=0)
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return Asset(_TYPES[path.suffix], content, packed if len(packed) < _WORTH_IT * len(content) else None, tag)

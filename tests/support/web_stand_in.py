"""A server that answers the page as the service does, with made-up data: what no real dataset has on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from msgspec.structs import replace

from audiobatchd.control.history import History, Span
from audiobatchd.control.requests import FolderName
from audiobatchd.control.status import Status, Trouble
from audiobatchd.vocabulary.states import FolderState
from support import statuses
from support.control_rig import report

STATIC = Path(__file__).parents[2] / "daemon" / "audiobatchd" / "web" / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DATASET = "/srv/music"
ATTACK = '<img src=x onerror="document.title=1">'
CSRF = "of this session"
ANSWERS = (
    "session", "status", "failures", "folder", "history", "events", "record", "columns", "rows", "summary", "histogram",
    "scatter", "media", "audio",
)  # fmt: skip
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301010018dd8db0"
    "0000000049454e44ae426082"
)


def _picture(title: str, inside: str = "") -> str:
    return f'<svg class="picture" viewBox="0 0 480 220" role="img" aria-label="{title}">{inside}</svg>'


def _histogram(edges: list[float], counts: list[int]) -> str:
    return _picture(
        "Histogram",
        "".join(
            f'<rect class="bar" x="{52 + at * 40}" y="{180 - count}" width="39" height="{count}"'
            f' data-low="{edges[at]}" data-high="{edges[at + 1]}"><title>{count}</title></rect>'
            for at, count in enumerate(counts)
        ),
    )


class StandIn:
    """The server; what it tells can be set."""

    def __init__(self) -> None:
        busy = statuses.busy()
        self.status: Status = replace(
            busy, datasets=[replace(busy.datasets[0], path=DATASET)], time_left=5400.0, folders_per_hour=2400.0
        )
        reason = "full_mix.flac: damaged at second "
        self.failures: list[Trouble] = [
            Trouble(DATASET, ATTACK, FolderState.FAILED, reason + "12.5", "2026-11-24T12:00:00+00:00"),
            Trouble(DATASET, "Artist - Broken", FolderState.FAILED, reason + "90.0", "2026-11-24T12:00:00+00:00"),
            Trouble(DATASET, "Artist - Closed", FolderState.BLOCKED, "permission denied", "2026-11-24T12:00:00+00:00"),
        ]
        self.spans: list[Span] = []
        self.total = 250
        self.operator = True
        self.has_session = True
        self.changes: list[tuple[str, Any, str]] = []
        """Path, body and CSRF token of each change that was asked for."""
        self.asked: list[tuple[str, list[tuple[str, str]]]] = []
        """Path and parameters of each question."""
        self._pending: set[str] = set()
        self._said: list[bytes] = []
        self._woken = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; after `stop` at the same port again."""
        app = web.Application(middlewares=[self._checked])
        app.router.add_get("/", self._index)
        app.router.add_static("/static", STATIC)
        for name in ANSWERS:
            app.router.add_get(f"/api/{name}", getattr(self, f"_{name}"))
        app.router.add_post("/api/{change:retry|pause|resume}", self._change)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection, and listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def say(self, event: str, **fields: object) -> None:
        """Send an event to every page."""
        data = msgspec.json.encode(
            {"at": "2026-11-24T12:00:00+00:00", "event": event, "level": "info", "fields": fields}
        ).decode()
        self._said.append(f"id: {len(self._said) + 1}\nevent: {event}\ndata: {data}\n\n".encode())
        self._woken.set()
        self._woken = asyncio.Event()

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.port}/"

    @web.middleware
    async def _checked(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.asked.append((request.path, list(request.query.items())))
        if request.path.startswith("/api/") and not self.has_session:
            return web.json_response({"error": "no session"}, status=401)
        response = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = POLICY
        return response

    async def _index(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _session(self, _: web.Request) -> web.Response:
        datasets = [each.path for each in self.status.datasets]
        told = {"operator": self.operator, "csrf": CSRF, "version": "1.2.3", "datasets": datasets}
        return web.json_response(told)

    async def _status(self, _: web.Request) -> web.Response:
        return _json(self.status)

    async def _failures(self, _: web.Request) -> web.Response:
        return _json(self.failures)

    async def _history(self, _: web.Request) -> web.Response:
        return _json(History(tuple(self.spans)))

    async def _change(self, request: web.Request) -> web.Response:
        body = await request.json()
        name = request.match_info["change"]
        self.changes.append((name, body, request.headers.get("X-CSRF-Token", "")))
        if name != "retry":
            return web.json_response({"datasets": 1})
        named = [each["folder"] for each in body["folders"]]
        self.failures = [each for each in self.failures if each.folder not in named]
        return web.json_response({"folders": len(named), "remarks": []})

    async def _columns(self, _: web.Request) -> web.Response:
        kinds = {"folder": "text", "state": "text", "why": "text", "bpm": "number", "lufs": "number", "lra": "number"}
        kinds |= {"key": "text", 'odd "name", <b>': "number", "bpm_confidence": "number"}
        described = [{"name": name, "kind": kind, "unit": "", "description": ""} for name, kind in kinds.items()]
        return web.json_response(described)

    async def _rows(self, request: web.Request) -> web.Response:
        where = request.query.get("where", "")
        if where.count("(") != where.count(")"):
            return web.json_response({"error": "cannot read the condition: near ("}, status=400)
        columns = request.query.getall("columns")
        offset = int(request.query.get("offset", "0"))
        made = [self._row(columns, at) for at in range(offset, min(self.total, offset + int(request.query["limit"])))]
        return web.json_response({"columns": columns, "rows": made, "total": self.total})

    def _row(self, columns: list[str], at: int) -> list[object]:
        values: dict[str, object] = {"folder": ATTACK if at == 0 else f"Artist - Track {at}", "state": "complete"}
        values |= {"key": "C major", "bpm": 120.5 + at, "lufs": -14.2}
        return [values.get(name) for name in columns]

    async def _summary(self, request: web.Request) -> web.Response:
        column = {"name": request.query["features"], "kind": "text", "unit": "", "description": ""}
        frequent = [{"label": "C major", "count": 20}, {"label": ATTACK, "count": 5}]
        return web.json_response([{"column": column, "count": 25, "missing": 1, "frequent": frequent, "distinct": 2}])

    async def _histogram(self, _: web.Request) -> web.Response:
        edges, counts = [60.0, 80.0, 100.0, 120.0], [40, 100, 70]
        return web.json_response({"svg": _histogram(edges, counts), "edges": edges, "counts": counts, "missing": 3})

    async def _scatter(self, _: web.Request) -> web.Response:
        cell = '<rect class="cell" x="60" y="60" width="8" height="8"/>'
        hidden = '<script>document.title = 3</script><foreignObject><img src="x"/></foreignObject>'
        return web.json_response({"svg": _picture("Scatter", cell + hidden), "edges": [], "counts": [], "missing": 3})

    async def _record(self, _: web.Request) -> web.Response:
        values = {f"feature_{at}": at / 7 for at in range(20)} | {"moods": {"calm": 0.7, "dark": 0.2}, "key": ATTACK}
        return web.json_response({"values": values, "files": {"full_mix": "full_mix.flac", "drums": ATTACK + ".wav"}})

    async def _folder(self, request: web.Request) -> web.Response:
        return _json(report(FolderName(request.query["dataset"], request.query["folder"])))

    async def _media(self, request: web.Request) -> web.Response:
        kind = request.query["kind"]
        if request.query_string not in self._pending:
            self._pending.add(request.query_string)
            return web.json_response({"state": "pending"}, status=202)
        if kind == "spectrogram":
            return web.Response(body=_PIXEL, content_type="image/png")
        if kind == "loudness":
            return web.json_response({"error": "the file is too short"}, status=404)
        return web.Response(
            text=_picture(kind, '<path class="wave" d="M0 100L480 120"/>'), content_type="image/svg+xml"
        )

    async def _audio(self, _: web.Request) -> web.Response:
        return web.Response(status=404)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        sent = int(request.query.get("since", "0"))
        while True:
            for each in self._said[sent:]:
                await response.write(each)
            sent = max(sent, len(self._said))
            await self._woken.wait()


def _json(told: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(told), content_type="application/json")

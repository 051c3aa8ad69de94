"""Fetches of a model's file from a server that does what a script says."""

from __future__ import annotations

from pathlib import Path

from audiobatchd.models.download import Terms, Wanted, download
from audiobatchd.models.graph_file import check_of
from support.model_server import Request, Script, Server, graph

BODY = graph()
OTHER = graph(filling=9)
CUT = 150_000
THREE_TRIES = Terms(tries=3)


def nothing() -> None:
    """Do nothing before a wait."""


class Fetch:
    """Downloads of `tiny.pb` to a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.target = directory / "tiny.pb"
        self.part = directory / "tiny.pb.part"
        self.seen: list[tuple[int, int | None]] = []

    def __call__(self, server: Server | str, sha256: str | None = None, terms: Terms = THREE_TRIES) -> bool:
        base = server if isinstance(server, str) else server.base
        wanted = Wanted(f"{base}/some/{self.target.name}", self.target, check_of(self.target.name), sha256)
        return download(wanted, terms, self._see, nothing)

    def _see(self, size: int, total: int | None) -> None:
        self.seen.append((size, total))

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


def one_after_the_other(*scripts: Script) -> Script:
    """Answer each request by the next script, the last one for ever."""
    left = list(scripts)

    def script(request: Request) -> None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        answer(request)

    return script


def good(body: bytes = BODY, etag: str = '"one"', cut: int | None = None) -> Script:
    return lambda request: request.send_file(body, etag, cut)


def ranges(server: Server) -> list[str | None]:
    return [headers.get("Range") for _, headers in server.requests]

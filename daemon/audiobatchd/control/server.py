"""The daemon's end of the control socket: owns the socket file and the HTTP service behind it.

What the daemon has to tell comes from the callable that it is given; nothing is known here of how that is made.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from aiohttp import web

from audiobatchd.control.access import Peer, peer_of
from audiobatchd.control.place import check_length
from audiobatchd.errors import AlreadyRunningError, ConfigError, UnknownFolderError, UsageError
from audiobatchd.names import shown
from audiobatchd.requests import (
    CleanedLocks,
    CleanLocks,
    FolderName,
    Nothing,
    Reloaded,
    Rescan,
    Retried,
    RetryFolders,
    Survey,
    Surveyed,
)
from audiobatchd.status import FolderReport, Status, Trouble

REQUEST_LIMIT = 64 * 1024
"""Bytes of a request's body."""

_LOG = logging.getLogger(__name__)
_MODE = 0o660
_BACKLOG = 128
_PROBE_TIMEOUT = 2.0
_GRACE = 1.0
_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND = 400, 403, 404
_Body = TypeVar("_Body")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service(Protocol):
    """What there is to ask, and to ask for."""

    def status(self) -> Status:
        """What `GET /v1/status` answers; called in the loop, so it must be quick."""

    def failures(self) -> list[Trouble]:
        """Every folder that failed or is blocked."""

    def may_change(self, uid: int) -> bool:
        """Whether this user may have the daemon do something."""

    async def explain(self, name: FolderName) -> FolderReport:
        """What is known of one folder. Raises UsageError and UnknownFolderError."""

    async def retry(self, request: RetryFolders) -> Retried:
        """Try folders again. Raises UsageError and UnknownFolderError."""

    async def survey(self, request: Survey) -> Surveyed:
        """What the folders of a dataset have and lack. Raises UsageError."""

    def bump(self, name: FolderName) -> Retried:
        """Have a folder measured before all others. Raises UsageError and UnknownFolderError."""

    def rescan(self, request: Rescan) -> Nothing:
        """Walk a dataset now. Raises UsageError."""

    async def reload(self) -> Reloaded:
        """Read the configuration again. Raises ConfigError: then nothing has changed."""

    async def clean_locks(self, request: CleanLocks) -> CleanedLocks:
        """Remove the locks of the dead. Raises UsageError for a dataset that is none of the daemon's."""


class ControlServer:
    """Answers on the unix socket at `path` from `start` to `stop`.

    Whoever can connect may read; who may change things is the service's to say, and each change is logged.
    """

    def __init__(self, path: Path, service: Service) -> None:
        self._path = path
        self._service = service
        self._runner: web.AppRunner | None = None
        self._identity: tuple[int, int] | None = None

    async def start(self) -> None:
        """Listen. A socket that nobody listens on any more is replaced.

        Raises AlreadyRunningError where somebody does, and UsageError where there can be no socket at this path.
        """
        check_length(self._path)
        try:
            listener = self._listen()
        except OSError as error:
            message = f"cannot listen on {shown(str(self._path))}: {error.strerror}"
            raise UsageError(message) from error
        # Signals and their order belong to the supervisor.
        runner = web.AppRunner(
            _application(self._routes()),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_GRACE,
            lingering_time=_GRACE,
        )
        try:
            await runner.setup()
            await web.SockSite(runner, listener, backlog=_BACKLOG).start()
        except BaseException:
            listener.close()
            self._remove()
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Stop answering, and remove the socket file if it is still this server's; does nothing when not started."""
        runner, self._runner = self._runner, None
        if runner is not None:
            # First the file: nobody new shall connect to what is about to end.
            self._remove()
            await runner.cleanup()

    # What is answered

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/status", self._get_status),
            web.get("/v1/failures", self._get_failures),
            web.get("/v1/folder", self._get_folder),
            web.get("/v1/survey", self._get_survey),
            web.post("/v1/retry", self._retry),
            web.post("/v1/bump", self._bump),
            web.post("/v1/rescan", self._rescan),
            web.post("/v1/reload", self._reload),
            web.post("/v1/locks/clean-up", self._clean_locks),
        ]

    async def _get_status(self, _request: web.Request) -> web.StreamResponse:
        return _json(self._service.status())

    async def _get_failures(self, _request: web.Request) -> web.StreamResponse:
        return _json(self._service.failures())

    async def _get_folder(self, request: web.Request) -> web.StreamResponse:
        try:
            name = msgspec.convert(dict(request.query), FolderName)
        except msgspec.ValidationError as error:
            raise _RefusedError(_BAD_REQUEST, str(error)) from error
        return _json(await self._service.explain(name))

    async def _get_survey(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        asked = Survey(query.get("dataset", ""), query.getall("feature", []), "names" in query)
        return _json(await self._service.survey(asked))

    async def _bump(self, request: web.Request) -> web.StreamResponse:
        return _json(self._service.bump(await self._change(request, FolderName)))

    async def _rescan(self, request: web.Request) -> web.StreamResponse:
        return _json(self._service.rescan(await self._change(request, Rescan)))

    async def _retry(self, request: web.Request) -> web.StreamResponse:
        return _json(await self._service.retry(await self._change(request, RetryFolders)))

    async def _reload(self, request: web.Request) -> web.StreamResponse:
        await self._change(request, Nothing)
        return _json(await self._service.reload())

    async def _clean_locks(self, request: web.Request) -> web.StreamResponse:
        asked = await self._change(request, CleanLocks)
        return _json(await self._service.clean_locks(asked))

    async def _change(self, request: web.Request, kind: type[_Body]) -> _Body:
        """The body of a request that changes something, from somebody who may. Raises _RefusedError."""
        peer = _peer(request)
        if not self._service.may_change(peer.uid):
            raise _RefusedError(_FORBIDDEN, "only root, the daemon's own user and its operators may change anything")
        try:
            body = msgspec.json.decode(await request.read() or b"{}", type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _RefusedError(_BAD_REQUEST, str(error)) from error
        fields = {"request": f"{request.method} {request.path}", "uid": peer.uid, "pid": peer.pid}
        _LOG.info("change-asked", extra={"fields": {**fields, **msgspec.to_builtins(body)}})
        return body

    # The socket file

    def _listen(self) -> socket.socket:
        self._make_parent()
        with _alone_in(self._path.parent) as alone:
            if not alone:
                message = f"cannot listen on {shown(str(self._path))}: another daemon is just starting there"
                raise AlreadyRunningError(message)
            self._clear_place()
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            try:
                # On Linux the file takes the unbound socket's mode, less the umask: at no moment is it open to all.
                os.fchmod(listener.fileno(), _MODE)
                listener.bind(os.fsencode(self._path))
                self._path.chmod(_MODE)
                listener.listen(_BACKLOG)
                self._identity = _identity(self._path)
            except BaseException:
                listener.close()
                raise
        return listener

    def _make_parent(self) -> None:
        parent = self._path.parent
        try:
            parent.mkdir(mode=0o755, exist_ok=True)
        except FileNotFoundError as error:
            raise FileNotFoundError(error.errno, f"there is no directory {shown(str(parent.parent))}") from error

    def _clear_place(self) -> None:
        """Remove what a dead daemon left; raise where anything else is in the way."""
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise FileExistsError(errno.EEXIST, "something that is no socket is there")
        if _answers(self._path):
            message = f"cannot start: another daemon answers on {shown(str(self._path))}"
            raise AlreadyRunningError(message)
        self._path.unlink(missing_ok=True)

    def _remove(self) -> None:
        try:
            with _alone_in(self._path.parent) as alone:
                # Where somebody starts at this moment, the file is theirs to replace.
                if alone and self._identity is not None and _identity(self._path) == self._identity:
                    self._path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            _LOG.warning("socket-left", extra={"fields": {"socket": str(self._path), "reason": error.strerror}})
        self._identity = None


@contextmanager
def _alone_in(directory: Path) -> Iterator[bool]:
    """Whether no other daemon is between looking for a socket in `directory` and making or removing one."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _answers(path: Path) -> bool:
    """Whether somebody listens on the socket. Raises OSError where that cannot be found out."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_TIMEOUT)
        try:
            probe.connect(os.fsencode(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (BlockingIOError, TimeoutError):
            return True  # its backlog is full: it is busy, but there
    return True


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _peer(request: web.Request) -> Peer:
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is None:
        raise _RefusedError(_FORBIDDEN, "the connection is gone")
    return peer_of(connection)


class _RefusedError(Exception):
    """A request that is not carried out: the HTTP status and the reason are its arguments."""


def _application(routes: list[web.RouteDef]) -> web.Application:
    application = web.Application(client_max_size=REQUEST_LIMIT, middlewares=[_errors_as_json])
    application.add_routes(routes)
    return application


@web.middleware
async def _errors_as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        _refuse_too_large(request)
        return await handler(request)
    except _RefusedError as error:
        status, why = error.args
        return _json({"error": why}, status)
    except UnknownFolderError as error:
        return _json({"error": str(error)}, _NOT_FOUND)
    except (UsageError, ConfigError) as error:
        return _json({"error": str(error)}, _BAD_REQUEST)
    except web.HTTPException as error:
        answer = _json({"error": f"{error.reason.lower()}: {request.method} {shown(request.path)}"}, error.status)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except Exception:  # noqa: BLE001  # logged
        # The boundary of a control request: one that fails must not hurt the daemon, nor go unseen.
        _LOG.exception("request-failed", extra={"fields": {"request": f"{request.method} {request.path}"}})
        return _json({"error": "the daemon failed to answer; its log says why"}, 500)


def _refuse_too_large(request: web.Request) -> None:
    """Judge by the header: aiohttp measures a body when somebody reads it, and a GET's nobody reads."""
    size = request.content_length or 0
    if size > REQUEST_LIMIT:
        raise web.HTTPRequestEntityTooLarge(REQUEST_LIMIT, size)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")

"""Everybody else's end of the control socket: asks the daemon, and says plainly why there is no answer.

Only the standard library and msgspec: a command that asks one question should not load a web framework.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec

from audiobatchd.config.places import check_length
from audiobatchd.control.requests import (
    CleanedLocks,
    CleanLocks,
    FolderName,
    Pause,
    Paused,
    Reloaded,
    Rescan,
    Rescanned,
    Resume,
    Retried,
    RetryFolders,
    Survey,
    Surveyed,
)
from audiobatchd.control.status import FolderReport, Status, Trouble
from audiobatchd.errors import AudiobatchError, NoDaemonError
from audiobatchd.vocabulary.names import shown

TIMEOUT = 10.0
"""Seconds that the daemon may be silent."""

SILENCE = 60.0
"""The same for a stream of events, which shows signs of life in between."""

_OK, _NOT_FOUND, _NO_SUCH_METHOD = 200, 404, 405
_Answer = TypeVar("_Answer")


class Message(NamedTuple):
    """An event as it is sent: its number, empty where it has none, its name, and all about it in JSON."""

    id: str
    event: str
    data: bytes


class ControlClient:
    """Asks the daemon behind the socket at `path`; every question is a connection of its own."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout

    def status(self) -> Status:
        """What the daemon tells of itself.

        Raises NoDaemonError where no daemon answers, AudiobatchError where it refuses, UsageError for a path that is
        too long for a socket.
        """
        return self._decoded(self._ask("GET", "/v1/status", "ask for the status"), Status)

    def status_json(self) -> bytes:
        """The same as the JSON that the daemon sent, with what a newer daemon tells beside. Raises as `status`."""
        body = self._ask("GET", "/v1/status", "ask for the status")
        self._decoded(body, Status)
        return body

    def failures(self) -> list[Trouble]:
        """Every folder that failed or is blocked, the latest first. Raises as `status`."""
        return self._decoded(self._ask("GET", "/v1/failures", "ask for the failures"), list[Trouble])

    def explain(self, name: FolderName) -> FolderReport:
        """What the daemon knows of one folder. Raises as `status`, and where there is no such folder."""
        query = urlencode({"dataset": name.dataset, "folder": name.folder})
        return self._decoded(self._ask("GET", f"/v1/folder?{query}", f"explain {name.folder}"), FolderReport)

    def retry(self, request: RetryFolders) -> Retried:
        """Have folders tried again. Raises as `explain`, and where that is not for us."""
        return self._decoded(
            self._ask("POST", "/v1/retry", "have folders tried again", msgspec.json.encode(request)), Retried
        )

    def survey(self, request: Survey) -> Surveyed:
        """What the folders of a dataset have and lack. Raises as `status`, and where it is not the daemon's."""
        query = [("dataset", request.dataset), *(("features", name) for name in request.features)]
        query += [("names", "true")] if request.names else []
        return self._decoded(
            self._ask("GET", f"/v1/survey?{urlencode(query)}", f"survey {request.dataset}", patient=True), Surveyed
        )

    def bump(self, name: FolderName) -> Retried:
        """Have a folder measured before all others. Raises as `explain`, and where that is not for us."""
        return self._decoded(
            self._ask("POST", "/v1/bump", f"put {name.folder} before all others", msgspec.json.encode(name)), Retried
        )

    def pause(self, request: Pause) -> Paused:
        """Have no more jobs given out. Raises as `status`, and where that is not for us."""
        return self._decoded(
            self._ask("POST", "/v1/pause", f"pause {request.dataset or 'the service'}", msgspec.json.encode(request)),
            Paused,
        )

    def resume(self, request: Resume) -> Paused:
        """Have jobs given out again. Raises as `pause`."""
        return self._decoded(
            self._ask("POST", "/v1/resume", f"resume {request.dataset or 'the service'}", msgspec.json.encode(request)),
            Paused,
        )

    def rescan(self, request: Rescan) -> Rescanned:
        """Have a dataset walked. Raises as `status`, and where that is not for us."""
        return self._decoded(
            self._ask("POST", "/v1/rescan", f"have {request.dataset} walked", msgspec.json.encode(request)), Rescanned
        )

    def reload(self) -> Reloaded:
        """Have the configuration read again. Raises as `status`, and where that is not for us or it is invalid."""
        return self._decoded(self._ask("POST", "/v1/reload", "have the configuration read again", b"{}"), Reloaded)

    def clean_locks(self, request: CleanLocks) -> CleanedLocks:
        """Have the daemon remove the locks of the dead. Raises as `status`, and where that is not for us."""
        # It looks through the whole dataset before it answers.
        body = self._ask(
            "POST",
            "/v1/locks/clean-up",
            f"clean up the locks of {request.dataset}",
            msgspec.json.encode(request),
            patient=True,
        )
        return self._decoded(body, CleanedLocks)

    def events(self, since: int | None = None) -> Iterator[Message]:
        """The daemon's log events as they come, without end; with `since` first those that it remembers after that one.

        Raises as `status`, and NoDaemonError when the daemon goes away.
        """
        check_length(self._path)
        connection = _UnixConnection(self._path, SILENCE)
        resource = "/v1/events" if since is None else f"/v1/events?since={since}"
        try:
            connection.request("GET", resource)
            answer = connection.getresponse()
            if answer.status != _OK:
                raise _refused("follow the events", answer.status, answer.read())
            yield from messages(iter(answer.readline, b""))
        except (OSError, HTTPException) as error:
            message = f"no daemon answers on {shown(str(self._path))}: {self._why(error, SILENCE)}"
            raise NoDaemonError(message) from error
        finally:
            connection.close()
        message = f"the daemon on {shown(str(self._path))} has ended"
        raise NoDaemonError(message)

    def _decoded(self, body: bytes, kind: type[_Answer]) -> _Answer:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            message = f"what answers on {shown(str(self._path))} is no audiobatchd of this version: {error}"
            raise NoDaemonError(message) from error

    def _ask(
        self, method: str, resource: str, what: str, content: bytes | None = None, *, patient: bool = False
    ) -> bytes:
        """The body of the answer. `what` is asked for, in words that follow "cannot". Raises as `status`."""
        check_length(self._path)
        connection = _UnixConnection(self._path, None if patient else self._timeout)
        try:
            connection.request(method, resource, content)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            message = f"no daemon answers on {shown(str(self._path))}: {self._why(error, self._timeout)}"
            raise NoDaemonError(message) from error
        finally:
            connection.close()
        if answer.status != _OK:
            raise _refused(what, answer.status, body)
        return body

    def _why(self, error: Exception, patience: float) -> str:
        match error:
            case FileNotFoundError() | NotADirectoryError():
                why = "there is no such socket; is audiobatchd running?"
            case PermissionError():
                why = "permission denied; root and the socket's group may ask"
            case ConnectionRefusedError():
                why = "nobody listens on it any more; audiobatchd has ended or was killed"
            case TimeoutError() | BlockingIOError():
                why = f"no answer within {patience:g} s"
            case ConnectionResetError() | BrokenPipeError():
                why = "it broke off the connection"
            case OSError():
                why = error.strerror or str(error)
            case _:
                why = "what answers there does not speak HTTP"
        return why


def messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """The messages in a stream of server-sent events (WHATWG HTML, 9.2), as far as ours goes; no unfinished one."""
    fields: dict[bytes, bytes] = {}
    data: list[bytes] = []
    for line in lines:
        name, _, value = line.rstrip(b"\r\n").partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name:
            fields[name] = value
        elif not line.strip():
            if data:
                yield Message(fields.get(b"id", b"").decode(), fields.get(b"event", b"").decode(), b"\n".join(data))
            fields, data = {}, []


class _UnixConnection(HTTPConnection):
    """HTTP to a unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fsencode(self._path))


class _Refusal(msgspec.Struct):
    error: str


def _refused(what: str, status: int, body: bytes) -> AudiobatchError:
    """The refusal of a request, as a sentence for people: none of them asked for a method and a path."""
    why = _refusal(body)
    if status == _NO_SUCH_METHOD or (status == _NOT_FOUND and why.startswith("not found: ")):
        why = "the service that answers is of another version, which does not know how"
    return AudiobatchError(f"cannot {what}: {why or f'the service answers with HTTP status {status}'}")


def _refusal(body: bytes) -> str:
    try:
        return shown(msgspec.json.decode(body, type=_Refusal).error)
    except msgspec.MsgspecError:
        return ""

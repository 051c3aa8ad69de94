"""The client's end of the control socket: asks the service, and says plainly why there is no answer.

Only the standard library and msgspec: a command that asks one question should not load a web framework.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec

from audiobatchd.config.places import SERVICE_SOCKET, check_length
from audiobatchd.control import unanswered
from audiobatchd.control.operations import EVENTS, STATUS, Asked, Operation, Told
from audiobatchd.control.requests import Nothing, Since
from audiobatchd.control.status import Status
from audiobatchd.errors import AudiobatchError, NoDaemonError
from audiobatchd.vocabulary.names import shown

TIMEOUT = 10.0
"""Seconds that the service may be silent."""

SILENCE = 60.0
"""The same for a stream of events, which shows signs of life in between."""

_OK, _FORBIDDEN, _NOT_FOUND, _NO_SUCH_METHOD = 200, 403, 404, 405
_PIECE = 1 << 16
"""Bytes of an answer that are read at once."""
_Answer = TypeVar("_Answer")


class Message(NamedTuple):
    """An event as it is sent: its number, empty where it has none, its name, and all about it in JSON."""

    id: str
    event: str
    data: bytes


class ControlClient:
    """Asks the service behind the socket at `path`; every question is a connection of its own."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout

    def ask(self, operation: Operation[Asked, Told], asked: Asked) -> Told:
        """Ask for an operation, and decode the answer.

        Raises NoDaemonError where no service answers, AudiobatchError where it refuses, UsageError for a path that is
        too long for a socket.
        """
        return self._decoded(self._body(operation, asked), operation.told)

    def status(self) -> Status:
        """Ask for the status. Raises as `ask`."""
        return self.ask(STATUS, Nothing())

    def status_json(self) -> bytes:
        """Ask for the status as the JSON that the service sent, with what a newer one tells beside. Raises as `ask`."""
        body = self._body(STATUS, Nothing())
        self._decoded(body, Status)
        return body

    def lines(self, operation: Operation[Asked, Any], asked: Asked) -> Generator[bytes, None, None]:
        """Ask for an operation that answers line by line, and yield each as it comes. Raises as `ask`."""
        check_length(self._path)
        patience = None if operation.takes_time else SILENCE
        connection = _UnixConnection(self._path, patience)
        try:
            connection.request(operation.method, _resource(operation, asked))
            answer = connection.getresponse()
            if answer.status != _OK:
                raise self._refused(operation.action(asked), answer.status, answer.read())
            yield from _lines(answer)
        except (OSError, HTTPException) as error:
            raise self._silent(error, SILENCE) from error
        finally:
            connection.close()

    def events(self, since: int | None = None) -> Iterator[Message]:
        """Follow the log events as they come, without end; with `since` first those that are kept after that one.

        Raises as `ask`, and NoDaemonError when the service goes away.
        """
        check_length(self._path)
        connection = _UnixConnection(self._path, SILENCE)
        try:
            connection.request(EVENTS.method, _resource(EVENTS, Since(since)))
            answer = connection.getresponse()
            if answer.status != _OK:
                raise self._refused(EVENTS.action(Since()), answer.status, answer.read())
            yield from messages(_lines(answer))
        except (OSError, HTTPException) as error:
            raise self._silent(error, SILENCE) from error
        finally:
            connection.close()
        message = f"the daemon on {shown(str(self._path))} has ended"
        raise NoDaemonError(message)

    def _decoded(self, body: bytes, kind: type[_Answer]) -> _Answer:
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise NoDaemonError(other_version(str(self._path), body, kind, error)) from error

    def _body(self, operation: Operation[Asked, Told], asked: Asked) -> bytes:
        """Ask, and read the body of the answer. Raises as `ask`."""
        check_length(self._path)
        connection = _UnixConnection(self._path, None if operation.takes_time else self._timeout)
        content = msgspec.json.encode(asked) if operation.method == "POST" else None
        try:
            connection.request(operation.method, _resource(operation, asked), content)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            raise self._silent(error, self._timeout) from error
        finally:
            connection.close()
        if answer.status != _OK:
            raise self._refused(operation.action(asked), answer.status, body)
        return body

    def _silent(self, error: Exception, patience: float) -> NoDaemonError:
        reason, cure = unanswered.why(self._path, error, patience)
        return NoDaemonError(f"no daemon answers on {shown(str(self._path))}: {reason}", cure)

    def _refused(self, what: str, status: int, body: bytes) -> AudiobatchError:
        """The refusal of a request, as a sentence for people: none of them asked for a method and a path."""
        reason = _refusal(body)
        if status == _FORBIDDEN and self._path == SERVICE_SOCKET:
            reason = "; ".join(unanswered.no_operator())
        elif status == _NO_SUCH_METHOD or (status == _NOT_FOUND and reason.startswith("not found: ")):
            reason = "the service that answers is of another version, which does not know how"
        return AudiobatchError(
            f"cannot {what}: {reason or 'the service refuses it and gives no reason; its log may have one'}"
        )


def other_version(path: str, body: bytes, kind: Any, error: Exception) -> str:  # noqa: ANN401  # the type of any answer
    """Say of a `body` that is no answer of this `kind` that another program must have given it, and what is odd."""
    from audiobatchd.vocabulary.expectations import why_not_json  # noqa: PLC0415  # nearly all answers are right

    why = why_not_json(kind, body, error)
    return f"what answers on {shown(path)} is no audiobatchd of this version: {shown(why)}"


def _lines(answer: HTTPResponse) -> Generator[bytes, None, None]:
    """Yield each line as it comes, and of an answer that breaks off no part of one.

    `HTTPResponse.readline` takes three times as long where there are many.
    """
    rest = b""
    with suppress(IncompleteRead):
        while piece := answer.read1(_PIECE):
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line + b"\n" for line in lines)
        if rest:
            yield rest


def _resource(operation: Operation[Asked, Any], asked: Asked) -> str:
    """The path of an operation, with what is asked in the query where it only reads."""
    if operation.method != "GET":
        return operation.path
    told = msgspec.to_builtins(asked)
    query = urlencode({name: "true" if value is True else value for name, value in told.items()}, doseq=True)
    return f"{operation.path}?{query}" if query else operation.path


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


def _refusal(body: bytes) -> str:
    try:
        return shown(msgspec.json.decode(body, type=_Refusal).error)
    except msgspec.MsgspecError:
        return ""

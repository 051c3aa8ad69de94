"""Messages: what a hook is told, as JSON, and for a command as variables of its environment too."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import PurePath

import msgspec
from msgspec import Struct

from audiobatchd.core.actions import Tell
from audiobatchd.plugin_api import Value
from audiobatchd.vocabulary.hook_events import TEST
from audiobatchd.vocabulary.names import folder_at, folder_shown, parsed, shown

LIMIT = 256 << 10
"""Bytes of a body, beyond which its values are left out: the record has them."""
_LONGEST_REASON = 8192
_LONGEST_VARIABLE, _MOST_VARIABLES = 4096, 64 << 10
"""Bytes of a variable, and of all of them: the kernel takes 128 KiB for one, and 2 MiB in all."""
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_NOT_THEIRS = re.compile(r"(NOTIFY_SOCKET|WATCHDOG_(PID|USEC)|LISTEN_[A-Z]+|JOURNAL_STREAM|AUDIOBATCH_.*)\Z")
"""Variables of the service that a command does not get: they are about the service's own process."""


class Message(Struct, frozen=True, omit_defaults=True):
    """The body. Names are as `names.shown` gives them; what has nothing to say is left out."""

    id: str
    """The same however often it is sent; no two messages have the same."""
    event: str
    """A `HookEvent`, or "test"."""
    time: str
    """The time of day when it happened, ISO 8601 in UTC."""
    dataset: str = ""
    """The dataset's path."""
    folder: str = ""
    """The folder's path below it; "." for the dataset itself."""
    path: str = ""
    """The folder's whole path."""
    record: str = ""
    """The path of its record."""
    found: bool = False
    """True where the job's own word was lost, and with it the values."""
    reason: str = ""
    """Reason why the folder failed, or the dataset is paused."""
    values: Mapping[str, Value] = {}
    """Features that the job has measured."""
    unmeasurable: Mapping[str, str] = {}
    """Features that have no value, with the reason of each."""
    left_out: bool = False
    """True where these two are too long, and so not here."""
    folders: Mapping[str, int] = {}
    """Folders of the dataset by state."""


def body_of(told: Tell, identity: str, time: str) -> bytes:
    """Write what is told as JSON, of `LIMIT` bytes at most."""
    message = Message(
        identity,
        told.event.value,
        time,
        shown(told.dataset),
        found=told.found,
        reason=told.reason[:_LONGEST_REASON].encode(errors="backslashreplace").decode(),
        values=told.values,
        unmeasurable=told.unmeasurable,
        folders={state.value: number for state, number in told.folders.items() if number},
    )
    if told.path is not None:
        path = folder_at(told.dataset, told.path)
        record = os.path.join(path, f"{PurePath(path).name}.INFO")
        message = msgspec.structs.replace(
            message, folder=folder_shown(told.path), path=shown(path), record=shown(record)
        )
    try:
        body = msgspec.json.encode(message)
    except (UnicodeEncodeError, ValueError):  # half of a character, from a tag
        body = b""
    if body and len(body) <= LIMIT:
        return body
    return msgspec.json.encode(msgspec.structs.replace(message, values={}, unmeasurable={}, left_out=True))


def trial_body(identity: str, time: str, dataset: str) -> bytes:
    """Write the message by which an operator tries a hook."""
    return msgspec.json.encode(Message(identity, TEST, time, shown(dataset)))


def identity_of(body: bytes) -> str:
    """Read the `id` of a message."""
    return msgspec.json.decode(body, type=Message).id


def environment(body: bytes, service: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Make the environment of a command, out of the service's and of the message: names are the bytes on the disk.

    Values that are too long, or of which there are too many, are in the message alone.
    """
    message = msgspec.json.decode(body, type=Message)
    plain = {name: value for name, value in service.items() if not _NOT_THEIRS.match(name.decode(errors="replace"))}
    told: dict[str, str] = {
        "ID": message.id,
        "EVENT": message.event,
        "TIME": message.time,
        "DATASET": parsed(message.dataset),
        "FOLDER": parsed(message.folder),
        "PATH": parsed(message.path),
        "RECORD": parsed(message.record),
        "FOUND": "1" if message.found else "",
        "REASON": message.reason,
    }
    told |= {f"FOLDERS_{state.upper()}": str(number) for state, number in message.folders.items()}
    for name, value in message.values.items():
        if isinstance(value, str | int | float):
            told[f"VALUE_{name.upper()}"] = msgspec.json.encode(value).decode() if value is not str(value) else value
    found: dict[bytes, bytes] = {}
    room = _MOST_VARIABLES
    for name, text in told.items():
        content = os.fsencode(text).replace(b"\0", b"")[:_LONGEST_VARIABLE]
        room -= len(name) + len(content)
        if content and room >= 0 and _VARIABLE.fullmatch(name):
            found[f"AUDIOBATCH_{name}".encode()] = content
    return plain | found

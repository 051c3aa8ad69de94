"""`audiobatchctl follow`: the service's log events as they come."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from audiobatchd.cli.named import dataset_named, datasets_of
from audiobatchd.cli.terminal.output import Say, colour
from audiobatchd.cli.terminal.text import Span, Tone, as_ansi, harmless_json
from audiobatchd.control.client import ControlClient, Message, other_version
from audiobatchd.control.events import event_line
from audiobatchd.errors import NoDaemonError, UsageError
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.names import parsed, printable
from audiobatchd.vocabulary.suggestions import cannot_find

_TONES = {"warning": Tone.CAUTION, "error": Tone.BAD, "critical": Tone.BAD}


_EVENTS = frozenset(event.value for event in LogEvent)


class Told(Struct, frozen=True):
    """An event as the service tells it."""

    at: str
    """ISO 8601."""
    event: str
    level: str = "info"
    """As `logging` calls it."""
    fields: dict[str, Any] = {}


def follow(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show each event in a line of its own, until the service goes away or Ctrl-C."""
    wanted = frozenset(arguments.event or ())
    for name in sorted(wanted - _EVENTS):
        raise UsageError(cannot_find("the event", name, _EVENTS))
    dataset = None
    if arguments.dataset:
        dataset = dataset_named(arguments.dataset, datasets_of(client))
    coloured = colour(os.environ)
    for message, told in _events(client, arguments.since):
        if wanted and told.event not in wanted:
            continue
        if dataset is not None and parsed(str(told.fields.get("dataset", ""))) != dataset:
            continue
        if arguments.json:
            say(in_json(message))
        else:
            tone = _TONES.get(told.level.lower(), Tone.PLAIN)
            say(as_ansi((Span(in_words(told, datetime.now().astimezone()), tone),), colour=coloured))
    return 0


def in_words(told: Told, now: datetime) -> str:
    """The event as the log has it: by the clock of `now`, and with the date where that is another than today's."""
    try:
        at = datetime.fromisoformat(told.at).astimezone(now.tzinfo)
    except ValueError:
        clock = printable(told.at)
    else:
        clock = f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S}"
    return f"{clock} {event_line(told.event, told.fields)}"


def in_json(message: Message) -> str:
    """Give all that the service told in one line, with the event's number as `id`."""
    told: dict[str, object] = msgspec.json.decode(message.data)
    number = {"id": int(message.id)} if message.id.isdecimal() else {}
    return harmless_json(msgspec.json.encode({**number, **told}), indent=0)


def _events(client: ControlClient, since: int | None) -> Iterator[tuple[Message, Told]]:
    for message in client.events(since):
        try:
            yield message, msgspec.json.decode(message.data, type=Told)
        except msgspec.MsgspecError as error:
            raise NoDaemonError(other_version("the socket", message.data, Told, error)) from error

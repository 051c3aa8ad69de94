"""`audiobatchctl help`: the help of all commands, or of one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator

from audiobatchd.cli.grammar import COMMANDS, THEMES, Group
from audiobatchd.cli.parser import parser, parser_of
from audiobatchd.cli.terminal.output import Say, width
from audiobatchd.cli.terminal.text import as_json, worded
from audiobatchd.control.client import ControlClient

_COLUMN = len("models verify")
_NARROWEST = 40


def show_help(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Show the help of the command that the words name; of all where there are none."""
    whole = parser("audiobatchctl")
    if arguments.all and not arguments.command:
        text = "\n".join(_a_line_each(max(_NARROWEST, width(sys.stdout, os.environ))))
    else:
        text = parser_of(arguments.command, whole).format_help().removesuffix("\n")
    say(as_json({"help": text}) if arguments.json else text)
    return 0


def _a_line_each(room: int) -> Iterator[str]:
    by_name = {each.name: each for each in COMMANDS}
    for theme, names in THEMES.items():
        yield f"{theme}:"
        for command in map(by_name.__getitem__, names):
            yield from _line(command.name, command.summary, room)
            if isinstance(command, Group):
                for action in command.actions:
                    yield from _line(f"{command.name} {action.name}", action.summary, room)


def _line(name: str, summary: str, room: int) -> Iterator[str]:
    first, *others = worded(summary, room - _COLUMN - 4)
    yield f"  {name:{_COLUMN}}  {first}"
    yield from (" " * (_COLUMN + 4) + line for line in others)

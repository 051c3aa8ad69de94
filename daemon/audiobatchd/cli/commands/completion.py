"""`audiobatchctl completion`: prints what a shell needs to complete command lines of both programs."""

from __future__ import annotations

import argparse

from audiobatchd.cli.completion import scripts
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.control.client import ControlClient


def completion(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Print the completion of a program."""
    script = scripts.script(arguments.shell, arguments.program)
    say(as_json({"script": script}) if arguments.json else script.rstrip())
    return 0

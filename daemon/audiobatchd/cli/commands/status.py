"""`audiobatchctl status`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from audiobatchd.cli.terminal.output import Say, colour
from audiobatchd.cli.terminal.text import harmless_json
from audiobatchd.control.client import ControlClient

_DEFAULT_WIDTH = 80


def status(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show what the service tells of itself."""
    if arguments.json:
        say(harmless_json(client.status_json()))
    else:
        from audiobatchd.cli.terminal.status import status_text  # noqa: PLC0415  # scripts ask again and again, and never see it

        say(status_text(client.status(), _width(os.environ), colour=colour(os.environ)))
    return 0


def _width(environ: Mapping[str, str]) -> int:
    if environ.get("COLUMNS", "").isdecimal():
        return int(environ["COLUMNS"])
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _DEFAULT_WIDTH
    except (OSError, ValueError):  # not a terminal; not even a file
        return _DEFAULT_WIDTH

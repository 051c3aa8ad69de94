"""`audiobatchctl status`."""

from __future__ import annotations

import argparse
import os
import sys

from audiobatchd.cli.terminal.output import Say, colour, width
from audiobatchd.cli.terminal.text import harmless_json
from audiobatchd.control.client import ControlClient


def status(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show what the service tells of itself."""
    if arguments.json:
        say(harmless_json(client.status_json()))
    else:
        from audiobatchd.cli.terminal.status import status_text  # noqa: PLC0415  # scripts ask again and again, and never see it

        say(status_text(client.status(), width(sys.stdout, os.environ), colour=colour(os.environ)))
    return 0

"""`audiobatchctl web`: a link to the page, good once, and how to reach it from another machine."""

from __future__ import annotations

import argparse
import os
import socket
import webbrowser

from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.config.file import find_config
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import WEB_LINK
from audiobatchd.control.requests import Nothing, WebLink
from audiobatchd.errors import AudiobatchError, NoDaemonError
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.quantities import duration

OFF = "the page is off"
"""The service's reason where nothing is wrong, and no page asked for."""


def web(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Ask the service for a link, and say or open it. Raises AudiobatchError where there is no page."""
    try:
        link = client.ask(WEB_LINK, Nothing())
    except NoDaemonError:
        raise
    except AudiobatchError as error:
        if not str(error).endswith(OFF):
            raise
        file = shown(str(arguments.config or find_config(os.environ) or "the configuration"))
        message = f'{error}: set [web] listen = "127.0.0.1:8787" in {file}, and: audiobatchctl reload'
        raise AudiobatchError(message) from error
    if arguments.json:
        say(as_json(link))
        return 0
    if arguments.open and webbrowser.open(link.url):
        say("Opened in your browser.")
        return 0
    for line in told(link):
        say(printable(line))
    return 0


def told(link: WebLink) -> list[str]:
    """Say the link, what it is good for, and how to come to it from elsewhere."""
    rights = "look and change things" if link.operator else "look, and not change anything"
    lines = [link.url, f"Good once, within {duration(link.seconds)}. It has your rights: to {rights}."]
    if link.tunnel:
        port = link.tunnel.rpartition(":")[2]
        lines += ["On another machine, before the link is opened there:"]
        lines += [f"  ssh -L {port}:{link.tunnel} {socket.gethostname()}"]
    return lines

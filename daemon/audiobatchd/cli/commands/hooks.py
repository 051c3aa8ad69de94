"""`audiobatchctl hooks list` and `test`: what is told to whom, whether it is taken, and a try."""

from __future__ import annotations

import argparse
import os

from audiobatchd.cli.terminal.output import Say, colour, room
from audiobatchd.cli.terminal.status import NARROWEST, hook_lines
from audiobatchd.cli.terminal.text import Line, Span, Tone, as_ansi, as_json
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import TEST_HOOK
from audiobatchd.control.requests import HookTest
from audiobatchd.control.status import HookStatus
from audiobatchd.vocabulary.names import printable


def list_hooks(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show every hook. Exit code 1 where one fails."""
    hooks = client.status().hooks
    if arguments.json:
        say(as_json({"hooks": hooks}))
    elif not hooks:
        say("The service has no hooks: a [[hook]] in its configuration makes one.")
    else:
        width = max(NARROWEST, room(os.environ))
        for line in [line for hook in hooks for line in _lines(hook, width)]:
            say(as_ansi(line, colour=colour(os.environ)))
    return 1 if any(hook.remark for hook in hooks) else 0


def test(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Try a hook. Exit code 1 where it does not take the message."""
    tested = client.ask(TEST_HOOK, HookTest(arguments.name))
    if arguments.json:
        say(as_json(tested))
    elif tested.trouble:
        say(printable(f"The hook {tested.name} ({tested.target}) did not take it: {tested.trouble}"))
    else:
        say(printable(f"The hook {tested.name} ({tested.target}) took it, in {tested.seconds:.2f} s."))
    return 1 if tested.trouble else 0


def _lines(hook: HookStatus, width: int) -> list[Line]:
    first, *others = hook_lines(hook, width)
    told = ", ".join(hook.on) + (f"  of {', '.join(map(printable, hook.datasets))}" if hook.datasets else "")
    return [first, (Span(f"  {told}", Tone.FAINT),), *others]

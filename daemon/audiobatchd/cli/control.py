"""`audiobatchctl`: runs the command that was asked for, and makes an exit code of what comes of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from audiobatchd.cli.parser import parser
from audiobatchd.cli.terminal import output
from audiobatchd.config.places import default_socket
from audiobatchd.control.client import ControlClient
from audiobatchd.errors import AudiobatchError, ConfigError, NoDaemonError, OutputLostError, UsageError
from audiobatchd.vocabulary.exits import ControlExit
from audiobatchd.vocabulary.names import shown

_PROGRAM = "audiobatchctl"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    output.open_closed()
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["complete"]:
        from audiobatchd.cli.commands import complete  # noqa: PLC0415  # people never ask for it

        return complete.main(words[1:])
    say = output.Voice()
    try:
        code = _run(argv, say)
    except SystemExit as left:  # --help, a wrong command line, a signal that ends `top`
        code = left.code if isinstance(left.code, int) else 0
        raise SystemExit(output.end(_PROGRAM, code, say.lost)) from None
    return output.end(_PROGRAM, code, say.lost)


def _run(argv: Sequence[str] | None, say: output.Voice) -> int:
    arguments = output.parsed(_parser(), argv, say)
    path = arguments.socket or default_socket(os.environ, os.getuid())
    say.endless = arguments.endless
    module, _, function = arguments.run.partition(":")
    try:
        run = getattr(import_module(f"audiobatchd.cli.commands.{module}"), function)
        code: int = run(arguments, ControlClient(path), say)
    except NoDaemonError as error:
        return _refuse(error, ControlExit.NO_DAEMON)
    except (UsageError, ConfigError) as error:
        return _refuse(error, ControlExit.USAGE)
    except OutputLostError as error:
        say.lost = error.cause
        return ControlExit.NO
    except AudiobatchError as error:
        return _refuse(error, ControlExit.NO)
    except OSError as error:
        where = f"cannot use {shown(str(error.filename))}: " if error.filename else ""
        return _refuse(f"{where}{error.strerror or error}", ControlExit.NO)
    except KeyboardInterrupt:
        return ControlExit.INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    return parser(_PROGRAM)


def _refuse(error: Exception | str, code: int) -> int:
    output.complain(_PROGRAM, str(error))
    return code


if __name__ == "__main__":
    sys.exit(main())

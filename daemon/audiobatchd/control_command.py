"""`audiobatchctl`: asks a running daemon. It loads nothing of the daemon but the shape of its answers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from audiobatchd import __version__
from audiobatchd.control.client import ControlClient
from audiobatchd.control.place import default_socket
from audiobatchd.errors import AudiobatchError, NoDaemonError, UsageError
from audiobatchd.statusview import status_text
from audiobatchd.terminal_text import printable

_FINE, _NO, _USAGE, _NO_DAEMON = 0, 1, 2, 3
_INTERRUPTED, _BROKEN_PIPE = 130, 141
_DEFAULT_WIDTH = 80
# What the view draws with, for terminals and files that are not UTF-8.
_PLAIN_SIGNS = str.maketrans({"█": "#", "▓": "!", "░": ".", "…": "~"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    arguments = _parser().parse_args(argv)
    path = arguments.socket or default_socket(os.environ, os.getuid())
    try:
        answer: str = arguments.command(ControlClient(path), arguments)
        _write(answer)
    except NoDaemonError as error:
        return _refuse(error, _NO_DAEMON)
    except UsageError as error:
        return _refuse(error, _USAGE)
    except AudiobatchError as error:
        return _refuse(error, _NO)
    except BrokenPipeError:
        # Python writes what is left when it ends, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        return _INTERRUPTED
    return _FINE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="audiobatchctl",
        description="Ask a running audiobatchd.",
        epilog='Exit codes: 0 fine; 1 the answer is "no"; 2 wrong usage; 3 no daemon answers.',
    )
    parser.add_argument("--version", action="version", version=f"audiobatchctl {__version__}")
    _add_socket(parser, default=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    status = commands.add_parser(
        "status",
        help="what is done, what is missing, what failed and why",
        description="Show each dataset's folders by state, what the workers do, the rate, and what failed.",
    )
    status.add_argument("--json", action="store_true", help="as JSON, as the daemon tells it")
    # After the command, too; but an absent one must not undo what stood before it.
    _add_socket(status, default=argparse.SUPPRESS)
    status.set_defaults(command=_status)
    return parser


def _add_socket(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("--socket", metavar="PATH", type=Path, default=default, help="the daemon's control socket")


def _status(client: ControlClient, arguments: argparse.Namespace) -> str:
    if arguments.json:
        return _harmless_json(msgspec.json.format(client.status_json(), indent=2).decode())
    status = client.status()
    return status_text(status, _width(os.environ), colour=_colour(os.environ))


def _harmless_json(text: str) -> str:
    r"""The same JSON with `\uNNNN` for every character that a terminal might act on."""
    return "".join(char if char.isprintable() or char == "\n" else _json_escape(char) for char in text)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _width(environ: Mapping[str, str]) -> int:
    if environ.get("COLUMNS", "").isdecimal():
        return int(environ["COLUMNS"])
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _DEFAULT_WIDTH
    except (OSError, ValueError):  # not a terminal; not even a file
        return _DEFAULT_WIDTH


def _colour(environ: Mapping[str, str]) -> bool:
    return sys.stdout.isatty() and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


def _write(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN_SIGNS).encode(encoding, errors="backslashreplace").decode(encoding)
    print(text, flush=True)


def _refuse(error: Exception, code: int) -> int:
    print(f"audiobatchctl: {printable(str(error))}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

"""The parser of `audiobatchctl`, made of the table of commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from audiobatchd import __version__
from audiobatchd.cli.grammar import COMMANDS, Argument, Command, Group

_Commands = argparse._SubParsersAction  # noqa: SLF001  # the only name that argparse has for it


class _Parser(argparse.ArgumentParser):
    """Parser that names the nearest command for one that there is not."""

    def parse_known_args(  # type: ignore[override]  # as argparse itself calls it
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and take what follows `--sort` for its value also where it begins with a dash."""
        words = list(sys.argv[1:] if args is None else args)
        for place in reversed(range(len(words) - 1)):
            if words[place] == "--sort" and not words[place + 1].startswith("--"):
                words[place : place + 2] = [f"--sort={words[place + 1]}"]
        return super().parse_known_args(words, namespace)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if isinstance(action, _Commands) and value not in action.choices:
            from audiobatchd.vocabulary.suggestions import cannot_find  # noqa: PLC0415  # nearly no line is wrong

            raise argparse.ArgumentError(action, cannot_find("the command", str(value), action.choices))
        super()._check_value(action, value)


def parser(program: str) -> argparse.ArgumentParser:
    """Make the parser of all commands; an argument vector that it takes has `run`, `endless`, `json` and `socket`."""
    made: argparse.ArgumentParser = _Parser(
        prog=program,
        description="Ask a running audiobatchd, and the records and locks of a dataset.",
        epilog='Exit codes: 0 fine; 1 the answer is "no"; 2 wrong usage; 3 no daemon answers; 74 the answer cannot be '
        "written; 130 interrupted; 141 the reader of the answer has left.",
    )
    made.add_argument("--version", action="version", version=f"{program} {__version__}")
    _add_socket(made, default=None)
    _add(COMMANDS, _commands_of(made, "commands", "COMMAND"))
    return made


def _add(table: Iterable[Command | Group], commands: _Commands[argparse.ArgumentParser]) -> None:
    for each in table:
        if isinstance(each, Group):
            group = commands.add_parser(each.name, help=each.summary)
            _add(each.actions, _commands_of(group, "actions", "ACTION"))
        else:
            description = each.description or f"{each.summary.capitalize()}."
            _fill(commands.add_parser(each.name, help=each.summary, description=description), each)


def _commands_of(made: argparse.ArgumentParser, title: str, name: str) -> _Commands[argparse.ArgumentParser]:
    return made.add_subparsers(title=title, metavar=name, required=True)


def _fill(made: argparse.ArgumentParser, command: Command) -> None:
    made.add_argument("--json", action="store_true", help="answer as JSON")
    # After the command, too; but an absent one must not undo what stood before it.
    _add_socket(made, default=argparse.SUPPRESS)
    for argument in command.arguments:
        if isinstance(argument, Argument):
            made.add_argument(*argument.names, **argument.settings)
            continue
        either = made.add_mutually_exclusive_group()
        for each in argument:
            either.add_argument(*each.names, **each.settings)
    made.set_defaults(run=command.run, endless=command.endless)


def _add_socket(made: argparse.ArgumentParser, default: object) -> None:
    made.add_argument("--socket", metavar="PATH", type=Path, default=default, help="the daemon's control socket")

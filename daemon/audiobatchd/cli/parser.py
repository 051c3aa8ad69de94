"""The parser of `audiobatchctl`, made of the table of commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from audiobatchd import __version__
from audiobatchd.cli.grammar import COMMANDS, THEMES, Argument, Command, Group
from audiobatchd.errors import UsageError

_Commands = argparse._SubParsersAction  # noqa: SLF001  # the only name that argparse has for it
_EXITS = 'Exit codes: 0 fine; 1 the answer is "no"; 2 wrong usage; 3 no daemon answers'
_NO_COMMAND = "the following arguments are required: COMMAND"
"""Message of argparse where a line names no command."""
_JSON: dict[str, Any] = {"action": "store_true", "help": "answer as JSON"}
_CONFIG: dict[str, Any] = {"metavar": "FILE", "type": Path, "help": "the configuration file"}
_SOCKET: dict[str, Any] = {"metavar": "PATH", "type": Path, "help": "the service's control socket"}


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
            raise argparse.ArgumentError(action, _no_command(str(value), action.choices))
        super()._check_value(action, value)


class _WholeParser(_Parser):
    """Parser of all commands: its help names them by theme, so that it fits on a screen."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, or the whole help where no command is given."""
        if message == _NO_COMMAND:
            self.exit(2, self.format_help())
        super().error(message)

    def format_help(self) -> str:
        """Make the help: usage, the commands of each theme, the options, the exit codes that scripts ask for."""
        widest = max(map(len, THEMES))
        options = self._get_formatter()
        options.start_section("options")
        options.add_arguments(each for each in self._actions if not isinstance(each, _Commands))
        options.end_section()
        lines = [
            f"{self.format_usage()}\n{self.description}\n",
            *(f"  {theme:{widest}}  {', '.join(names)}" for theme, names in THEMES.items()),
            f"\n{self.prog} help COMMAND tells all about one, help --all a line about each.\n",
            options.format_help(),
            f"{_EXITS}.\n",
        ]
        return "\n".join(lines)


def parser(program: str) -> argparse.ArgumentParser:
    """Make the parser of all commands.

    An argument vector that it takes has `run`, `endless`, `json`, `socket` and `config`.
    """
    made: argparse.ArgumentParser = _WholeParser(
        prog=program,
        description="Ask a running audiobatchd, and the records and locks of a dataset.",
        epilog=f"{_EXITS}; 74 the answer cannot be written; 130 interrupted; 141 the reader of the answer has left.",
    )
    made.add_argument("--version", action="version", version=f"{program} {__version__}")
    made.add_argument("--json", **_JSON)
    made.add_argument("--socket", default=None, **_SOCKET)
    made.add_argument("--config", default=None, **_CONFIG)
    _add(COMMANDS, _commands_of(made, "commands", "COMMAND"))
    return made


def parser_of(words: Iterable[str], whole: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Find the parser of a command, or of an action of a group, in the whole. Raises UsageError where there is none."""
    found = whole
    for word in words:
        actions = [each for each in found._actions if isinstance(each, _Commands)]  # noqa: SLF001  # no other way
        choices: Mapping[str, argparse.ArgumentParser] = actions[0].choices if actions else {}
        if word not in choices:
            raise UsageError(_no_command(word, choices))
        found = choices[word]
    return found


def _no_command(name: str, known: Iterable[str]) -> str:
    from audiobatchd.vocabulary.suggestions import cannot_find  # noqa: PLC0415  # nearly no line is wrong

    return cannot_find("the command", name, known)


def _add(table: Iterable[Command | Group], commands: _Commands[argparse.ArgumentParser]) -> None:
    for each in table:
        if isinstance(each, Group):
            group = commands.add_parser(each.name, help=each.summary, description=f"{each.summary.capitalize()}.")
            _add_general(group, set())
            _add(each.actions, _commands_of(group, "actions", "ACTION"))
        else:
            description = each.description or f"{each.summary.capitalize()}."
            _fill(commands.add_parser(each.name, help=each.summary, description=description), each)


def _commands_of(made: argparse.ArgumentParser, title: str, name: str) -> _Commands[argparse.ArgumentParser]:
    return made.add_subparsers(title=title, metavar=name, required=True, parser_class=_Parser)


def _fill(made: argparse.ArgumentParser, command: Command) -> None:
    _add_general(made, {name for each in command.arguments if isinstance(each, Argument) for name in each.names})
    for argument in command.arguments:
        if isinstance(argument, Argument):
            made.add_argument(*argument.names, **argument.settings)
            continue
        either = made.add_mutually_exclusive_group()
        for each in argument:
            either.add_argument(*each.names, **each.settings)
    made.set_defaults(run=command.run, endless=command.endless)


def _add_general(made: argparse.ArgumentParser, own: Collection[str]) -> None:
    """Let the options of all commands stand after the command, too: an absent one does not undo one before it.

    The configuration is taken everywhere, and told of where a command goes by it and has it among its `own`.
    """
    made.add_argument("--json", default=argparse.SUPPRESS, **_JSON)
    made.add_argument("--socket", default=argparse.SUPPRESS, **_SOCKET)
    if "--config" not in own:
        made.add_argument("--config", default=argparse.SUPPRESS, **{**_CONFIG, "help": argparse.SUPPRESS})

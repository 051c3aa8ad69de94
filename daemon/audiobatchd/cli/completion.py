"""The shell completions of both programs, made of their parsers by shtab.

`audiobatchctl completion` prints them, and the wheel carries them as files: packaging/documents.py.
"""

from __future__ import annotations

import argparse
from importlib import import_module

import shtab

SHELLS = ("bash", "zsh", "fish")
"""The shells that there are completions for."""

PROGRAMS = {"audiobatchctl": "audiobatchd.cli.control", "audiobatchd": "audiobatchd.cli.daemon"}
"""The programs, each with the module that has its parser. By name: this is loaded with a client, which knows no service."""

_FILES = frozenset({"again", "config", "file", "metadata", "path", "socket"})
_DIRECTORIES = frozenset({"dataset", "folder", "state_dir", "to"})


def script(shell: str, program: str = "audiobatchctl") -> str:
    """Return the completion of a program for one of SHELLS, which that shell evaluates or has in a file."""
    made = parser_of(program)
    _add_completers(made)
    return f"{shtab.complete(made, shell=shell).rstrip()}\n"


def parser_of(program: str) -> argparse.ArgumentParser:
    """Make the parser that a program goes by."""
    made: argparse.ArgumentParser = import_module(PROGRAMS[program])._parser()  # noqa: SLF001  # no other has it
    return made


def _add_completers(parser: argparse.ArgumentParser) -> None:
    """Have every argument that takes a file or a directory say so."""
    for action in parser._actions:  # noqa: SLF001  # argparse has no other way to them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                _add_completers(command)
        elif action.dest in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # an attribute of shtab's own
        elif action.dest in _DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]  # likewise

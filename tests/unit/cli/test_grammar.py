"""The grammar of `audiobatchctl`: what its table promises is there."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module

import pytest

from audiobatchd.cli.grammar import COMMANDS, THEMES, Command, Group


def commands() -> Iterator[Command]:
    for each in COMMANDS:
        yield from each.actions if isinstance(each, Group) else (each,)


@pytest.mark.parametrize("command", [*commands()], ids=lambda command: command.run)
def test_a_command_is_a_function_of_three(command: Command) -> None:
    module, _, function = command.run.partition(":")
    run = getattr(import_module(f"audiobatchd.cli.commands.{module}"), function)
    assert [each.lstrip("_") for each in inspect.signature(run).parameters] == ["arguments", "client", "say"]


def test_no_function_is_two_commands() -> None:
    runs = [command.run for command in commands()]
    assert len(runs) == len(set(runs)) > 20


def test_every_command_has_one_theme() -> None:
    themed = [name for names in THEMES.values() for name in names]
    assert sorted(themed) == sorted(each.name for each in COMMANDS)

"""The forms of exports: each is written, and its choice stands on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.cli import grammar
from audiobatchd.exports.forms import FORMS
from support.export_rig import export, make_dataset


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_written(tmp_path: Path, form: str) -> None:
    target = tmp_path / "out"
    export(make_dataset(tmp_path / "music"), form, target)
    assert target.exists()


def test_command_line_offers_every_form() -> None:
    (command,) = (each for each in grammar.COMMANDS if each.name == "export")
    assert isinstance(command, grammar.Command)
    choices = [
        argument.settings["choices"]
        for argument in command.arguments
        if isinstance(argument, grammar.Argument) and "--format" in argument.names
    ]
    assert choices == [FORMS]

"""`audiobatchctl help`: what `--help` tells, as a command, without a service."""

from __future__ import annotations

import json

import pytest

from audiobatchd.cli.control import main
from audiobatchd.cli.grammar import COMMANDS


@pytest.mark.parametrize("words", [[], ["retry"], ["models", "fetch"], ["locks"]])
def test_help_is_what_the_option_tells(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    told = capsys.readouterr().out
    assert main(["help", *words]) == 0
    assert capsys.readouterr().out == told != ""
    assert main(["help", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"help": told.removesuffix("\n")}


def test_all_commands_have_a_line_that_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["help", "--all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    for each in COMMANDS:
        assert any(line.startswith(f"  {each.name} ") for line in lines)


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "retri"]) == 2
    assert 'cannot find the command "retri": did you mean "retry"?' in capsys.readouterr().err

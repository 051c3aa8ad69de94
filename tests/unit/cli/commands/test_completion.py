"""`audiobatchctl completion`: what it prints is what a shell is given as a file."""

from __future__ import annotations

import json

import pytest

from audiobatchd.cli.completion.scripts import SHELLS, script
from audiobatchd.cli.control import main


@pytest.mark.parametrize("shell", SHELLS)
def test_the_completion_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == script(shell)


def test_the_other_program_s_is_printed_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh", "audiobatchd", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"script": script("zsh", "audiobatchd")}


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["completion", "tcsh"])
    assert left.value.code == 2

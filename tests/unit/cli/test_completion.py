"""Completions of both programs: each shell takes its own, and bash completes by it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from audiobatchd.cli.completion import PROGRAMS, SHELLS, parser_of, script
from audiobatchd.cli.grammar import COMMANDS

_ASKED = """
set -eu
eval "$1"
COMP_WORDS=($2) COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
function=$(complete -p "${COMP_WORDS[0]}" | sed -E 's/.*-F ([^ ]+) .*/\\1/')
"$function" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("audiobatchctl mod", {"models"}),
        ("audiobatchctl models f", {"fetch"}),
        ("audiobatchctl setup --un", {"--undo"}),
        ("audiobatchctl completion f", {"fish"}),
        ("audiobatchd --dry", {"--dry-run"}),
    ],
)
def test_bash_completes_a_line(line: str, offered: set[str]) -> None:
    made = script("bash", line.split()[0])
    done = subprocess.run(["bash", "-c", _ASKED, "bash", made, line], capture_output=True, text=True, check=True)
    assert {each.strip() for each in done.stdout.split()} == offered


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_takes_its_completion(shell: str, program: str) -> None:
    made = script(shell, program)
    assert program in made.splitlines()[0] + made
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} is here to read it")
    done = subprocess.run([shell, "-n"], input=made, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_is_completed(shell: str) -> None:
    made = script(shell)
    assert [each.name for each in COMMANDS if each.name not in made] == []


def test_parsers_are_those_of_the_programs() -> None:
    assert {name: parser_of(name).prog for name in PROGRAMS} == {name: name for name in PROGRAMS}

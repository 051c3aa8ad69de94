"""Completions of both programs: each shell takes its own, and real ones complete by them what was meant."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.completion.scripts import PROGRAMS, SHELLS, parser_of, script
from audiobatchd.control.status import Status
from support.control_rig import serving
from support.service import PROGRAMS as HERE
from support.terminal import Terminal, on_a_terminal

_ASKED = """
set -eu
eval "$1"
COMP_WORDS=($2) COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
function=$(complete -p "${COMP_WORDS[0]}" | sed -E 's/.*-F ([^ ]+) .*/\\1/')
"$function" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_completes_a_line_of_the_service() -> None:
    made = script("bash", "audiobatchd")
    command = ["bash", "-c", _ASKED, "bash", made, "audiobatchd --dry"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--dry-run"]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_takes_its_completion(shell: str, program: str) -> None:
    made = script(shell, program)
    assert program in made.splitlines()[0] + made
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} is here to read it")
    done = subprocess.run([shell, "-n"], input=made, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_parsers_are_those_of_the_programs() -> None:
    assert {name: parser_of(name).prog for name in PROGRAMS} == {name: name for name in PROGRAMS}


# Real shells: what the program is given in the end

_PROGRAM = """#!/bin/sh
[ "$1" = complete ] && exec {program} "$@"
printf '<%s>' "$@"
echo
"""
_RUN_ONCE = {
    "bash": 'PS1="@ "\n{script}',
    "zsh": 'PS1="@ "\nautoload -Uz compinit\ncompinit -u -D\n{script}',
    "fish": 'function fish_prompt; echo "@ "; end\n{script}',
}
NAMES = ["Single", 'It\'s "best" $HOME', "Colon: a=b", "New\nline", os.fsdecode(b"caf\xe9"), "Album/Track one"]


def in_a_shell(shell: str, place: Path, path: Path) -> tuple[list[str], dict[str, str]]:
    """The command that starts a shell which has the completion, and its environment."""
    (place / "bin").mkdir()
    program = place / "bin" / "audiobatchctl"
    program.write_text(_PROGRAM.format(program=HERE / "audiobatchctl"))
    program.chmod(0o755)
    (place / ".zshrc").write_text(_RUN_ONCE[shell].format(script=script(shell)))
    commands = {
        "bash": ["bash", "--noprofile", "--rcfile", str(place / ".zshrc"), "-i"],
        "zsh": ["zsh", "-d", "-i"],
        "fish": ["fish", "--no-config", "-C", f"source {place / '.zshrc'}", "-i"],
    }
    environ = {
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "HOME": str(place),
        "ZDOTDIR": str(place),
        "XDG_DATA_HOME": str(place),
        "XDG_CONFIG_HOME": str(place),
        "INPUTRC": "/dev/null",
        "AUDIOBATCHD_SOCKET": str(path),
        "LC_ALL": "C.UTF-8",
    }
    return commands[shell], environ


def typed(on: Terminal, line: str, given: str) -> None:
    """Type a line with tabs in it, and see what the program is given."""
    on.press(f"{line}\n")
    on.until(f"{given}\r\n")
    on.until("@ ")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes_and_quotes(shell: str, tmp_path: Path, busy: Status) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} is here")
    for name in NAMES:
        (tmp_path / "music" / name).mkdir(parents=True)
        (tmp_path / "music" / name / "full_mix.flac").touch()
    path = tmp_path / "c.sock"
    dataset = msgspec.structs.replace(busy.datasets[0], path=str(tmp_path / "music"))
    trouble = msgspec.structs.replace(busy.troubles[0], folder="Single")
    status = msgspec.structs.replace(busy, datasets=[dataset], workers=[], troubles=[trouble])
    command, environ = in_a_shell(shell, tmp_path, path)
    with serving(path, lambda: status), on_a_terminal(command, 200, 50, environ) as on:
        on.until("@ ")
        typed(on, "audiobatchctl explain It\t", '<explain><It\'s "best" $HOME>')
        typed(on, "audiobatchctl explain 'It\t", '<explain><It\'s "best" $HOME>')
        typed(on, 'audiobatchctl explain "It\t', '<explain><It\'s "best" $HOME>')
        typed(on, "audiobatchctl explain Colon:\\ a\t", "<explain><Colon: a=b>")
        typed(on, "audiobatchctl explain New\t", "<explain><New\\x0aline>")
        typed(on, "audiobatchctl explain caf\t", "<explain><caf\\xe9>")
        typed(on, "audiobatchctl explain Alb\tTr\t", "<explain><Album/Track one>")
        typed(on, "audiobatchctl retry \t", "<retry><Single>")
        typed(on, "audiobatchctl models fe\tmood_sad-msd\t", "<models><fetch><mood_sad-msd-musicnn-1>")

"""The program that becomes a command: its signals are as at a shell, and it ends with the service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audiobatchd.hooks import starter
from support.service import eventually


def test_a_command_gets_its_arguments_as_bytes() -> None:
    odd = os.fsdecode(b"caf\xe9 $HOME `x` \n")
    done = subprocess.run(starter.command("printf", "%s|%s", odd, ""), capture_output=True, check=True)
    assert done.stdout == os.fsencode(odd) + b"|"


@pytest.mark.parametrize("program", ["/nowhere/at/all", "/etc/passwd", "no-such-program-anywhere"])
def test_a_program_that_cannot_be_started_is_named(program: str) -> None:
    done = subprocess.run(starter.command(program), capture_output=True, text=True, check=False)
    assert done.returncode == starter.CANNOT_START
    assert done.stderr.startswith(f"cannot start {program}: ")


def test_no_signal_is_ignored_or_held_back() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    status = subprocess.run(starter.command("cat", "/proc/self/status"), capture_output=True, text=True, check=True)
    masks = dict(line.split(":\t") for line in status.stdout.splitlines() if line.startswith("Sig"))
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ):
        assert not (int(masks["SigIgn"], 16) | int(masks["SigBlk"], 16)) >> (number - 1) & 1


def test_a_command_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; from audiobatchd.hooks import starter\n"
        "print(subprocess.Popen(starter.command('sleep', '60')).pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    eventually(lambda: Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep"))
    parent.kill()
    parent.communicate()
    eventually(lambda: not Path(f"/proc/{pid}").exists() or b"State:\tZ" in Path(f"/proc/{pid}/status").read_bytes())

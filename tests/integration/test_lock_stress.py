"""The locks' stress test in its short form: many processes on few folders, kills, and no folder with two holders."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "stress" / "lock_stress.py"
SECONDS = 10.0
FIGURES = re.compile(
    r"16 processes x 2000 cycles on 8 folders.*: cycles (\d+), kills (\d+), busy \d+, gates \d+, reaped \d+, "
    r"double holders 0, lost 0, troubles 0, seconds [\d.]+\n"
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("options", [(), ("--guide-peers",)], ids=["ours alone", "with scripts of the guide"])
def test_no_folder_has_two_holders(options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, "--seconds-limit", str(SECONDS), *options],
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    figures = FIGURES.fullmatch(done.stdout)
    assert figures is not None, done.stdout
    cycles, kills = map(int, figures.groups())
    assert cycles > 0
    assert kills > 0

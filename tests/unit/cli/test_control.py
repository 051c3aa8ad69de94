"""`audiobatchctl` as a whole: exit codes, what it loads, and where its answer goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiobatchd.cli.control import main
from audiobatchd.control.status import Status
from support.control_rig import serving


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--socket", str(tmp_path / "none.sock"), "status"]) == 3
    assert capsys.readouterr().err.startswith("audiobatchctl: no daemon answers on ")
    assert main(["--socket", "/" + "x" * 200, "status"]) == 2
    for wrong in ([], ["frobnicate"], ["status", "--frobnicate"]):
        with pytest.raises(SystemExit) as left:
            main(wrong)
        assert left.value.code == 2


def test_status_json_loads_nothing_heavy(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    program = (
        "import sys\n"
        "from audiobatchd.cli.control import main\n"
        "code = main(sys.argv[1:])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "print(*(name for name in sys.modules if name.startswith('audiobatchd.')), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    command = [sys.executable, "-c", program, "status", "--json", "--socket", str(path)]
    with serving(path, lambda: busy):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["datasets"][0]["folders"]["complete"] == 6240
    loaded, ours = map(str.split, done.stderr.splitlines()[-2:])
    heavy = {"rich", "aiohttp", "asyncio", "numpy", "av", "scipy", "watchdog", "fasteners", "systemd", "logging"}
    assert not heavy & set(loaded)
    rooms = {"cli", "cli.commands", "cli.terminal", "config", "control", "vocabulary"}
    modules = {
        *(
            "cli.commands.status",
            "cli.control",
            "cli.grammar",
            "cli.parser",
            "cli.terminal.output",
            "cli.terminal.text",
            "config.places",
        ),
        *("control.client", "control.operations", "control.requests", "control.results", "control.status"),
        *("errors", "plugin_api"),
        *("vocabulary.exits", "vocabulary.files", "vocabulary.names", "vocabulary.states"),
    }
    assert set(ours) <= {f"audiobatchd.{name}" for name in rooms | modules}


def test_reader_that_leaves_is_no_error(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    reader, writer = os.pipe()
    os.close(reader)
    program = "import sys; from audiobatchd.cli.control import main; sys.exit(main(sys.argv[1:]))"
    try:
        with serving(path, lambda: busy):
            done = subprocess.run(
                [sys.executable, "-c", program, "status", "--socket", str(path)],
                stdout=writer,
                stderr=subprocess.PIPE,
                timeout=60,
                check=False,
            )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_locale_without_the_signs_gets_plain_ones(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    program = "import sys; from audiobatchd.cli.control import main; sys.exit(main(sys.argv[1:]))"
    with serving(path, lambda: busy):
        done = subprocess.run(
            [sys.executable, "-c", program, "status", "--socket", str(path)],
            capture_output=True,
            timeout=60,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            check=True,
        )
    assert "#" * 30 + "!" in done.stdout.decode("ascii")

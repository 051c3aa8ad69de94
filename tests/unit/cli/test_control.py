"""`audiobatchctl` as a whole: exit codes, what it loads, and where its answer goes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiobatchd.cli.commands import settings
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


def test_help_is_shown_where_no_command_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([])
    told = capsys.readouterr()
    assert (left.value.code, told.out) == (2, "")
    assert "help COMMAND tells all about one" in told.err


WHOLE, SECONDS = "expected a whole number, got", "expected a number of seconds, got"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("follow --since x", f"argument --since: {WHOLE} 'x'"),
        ("follow --since -1", f"argument --since: {WHOLE} '-1'"),
        ("follow --since 1.5", f"argument --since: {WHOLE} '1.5'"),
        ("locks test . --wait x", f"argument --wait: {SECONDS} 'x'"),
        ("locks test . --wait nan", f"argument --wait: {SECONDS} 'nan'"),
        ("locks cleanup . --timeout inf", f"argument --timeout: {SECONDS} 'inf'"),
        ("locks cleanup . --timeout 1e999", f"argument --timeout: {SECONDS} '1e999'"),
        ("wait --timeout soon", 'argument --timeout: expected a duration like "30s", "90 min" or "2h", got \'soon\''),
        ("pause --for x", 'argument --for: expected a duration like "30s", "90 min" or "2h", got \'x\''),
        ("statsu", 'cannot find the command "statsu": did you mean "status"?'),
        ("locks lst", 'cannot find the command "lst": did you mean "list"? There are: '),
    ],
)
def test_wrong_argument_is_told_without_types(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(line.split())
    assert left.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/m/A\n"), r"cannot use /m/A\x0a: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_error_of_the_system_is_told_without_its_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, said: str
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(settings, "check", fail)
    assert main(["config", "check"]) == 1
    assert capsys.readouterr().err == f"audiobatchctl: {said}\n"


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
        *(
            "control.client",
            "control.history",
            "control.operations",
            "control.requests",
            "control.results",
            "control.status",
            "control.unanswered",
        ),
        *("errors", "plugin_api"),
        *("vocabulary.exits", "vocabulary.files", "vocabulary.names", "vocabulary.quantities", "vocabulary.states"),
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

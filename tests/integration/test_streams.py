"""Both programs with standard streams that are closed, full or gone, and on a terminal that is closed under them."""

from __future__ import annotations

import argparse
import logging
import os
import pty
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli import control
from audiobatchd.control.client import ControlClient
from audiobatchd.control.status import Status
from audiobatchd.errors import NoDaemonError
from audiobatchd.vocabulary.states import FolderState
from support import statuses
from support.audio_files import make_track
from support.control_rig import serving
from support.plugins import install_gate
from support.service import (
    PROGRAMS,
    TIMEOUT,
    configuration,
    descriptors_of,
    eventually,
    leftovers,
    record_of,
    service,
)
from support.terminal import Terminal, on_a_terminal

LOST = 74
# Standard output as a shell gives it to a program, and what the program is to say of it.
OUTPUTS = {
    ">&-": "cannot write to standard output: it is closed",
    ">/dev/full": "cannot write to standard output: No space left on device",
}
ENDLESS = {"follow", "top"}
# What each command is given beside its name; D is the dataset, T a track folder in it, C the configuration.
COMMANDS = {
    "status": "",
    "top": "",
    "follow": "--since 0",
    "wait": "--timeout 0.1s",
    "workers": "",
    "failures": "",
    "retry": "--all",
    "explain": "T",
    "bump": "T",
    "rescan": "D",
    "pause": "",
    "resume": "",
    "drain": "--timeout 0.1s",
    "reload": "",
    "config check": "C",
    "config show": "",
    "doctor": "",
    "setup": "D --user --no-restart",
    "progress": "D --disk",
    "check": "D --disk",
    "missing": "D --features lufs --disk",
    "list": "D --disk",
    "summary": "D --disk",
    "history": "",
    "export": "D --disk --format csv -o -",
    "report": "D --disk -o C",  # which is there already: a report is made once
    "web": "",
    "audit": "D",
    "duplicates": "D --near",
    "verify": "D",
    "import": "--list D",
    "analyze": "T --features lufs",
    "features": "",
    "locks list": "D",
    "locks cleanup": "D",
    "locks test": "D --wait 0",
    "models list": "",
    "models fetch": "--from http://127.0.0.1:9",
    "models add": "nothing.pb",
    "models verify": "",
    "completion": "bash",
    "help": "retry",
}


def names_of(parser: argparse.ArgumentParser, before: str = "") -> Iterator[str]:
    """The name of every command that a parser knows."""
    actions = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not actions:
        yield before.strip()
    for action in actions:
        for name, each in action.choices.items():
            yield from names_of(each, f"{before} {name}")


def test_every_command_is_tried() -> None:
    assert set(COMMANDS) == set(names_of(control._parser())), "COMMANDS has one entry for each command of cli/grammar"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a dataset of one track that lacks everything, and a configuration."""
    place = tmp_path_factory.mktemp("place")
    make_track(place / "D" / "T", seconds=1, stems=())
    configuration(place / "C", place / "D")
    return place


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """A track folder in a dataset of its own."""
    return make_track(tmp_path / "dataset" / "Track", seconds=1, stems=())


def status_of(place: Path) -> Status:
    """A status with nothing left to do in the dataset."""
    idle = statuses.idle()
    return msgspec.structs.replace(idle, datasets=[msgspec.structs.replace(idle.datasets[0], path=str(place / "D"))])


def run(
    place: Path, command: Sequence[object], streams: str = "", unbuffered: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run an installed program with its streams as a shell makes them."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", *map(str, command)],
        capture_output=True,
        cwd=place,
        env={
            **os.environ,
            "HOME": str(place),
            "XDG_CONFIG_HOME": str(place / "config"),
            "PYTHONUNBUFFERED": unbuffered,
        },
        timeout=TIMEOUT,
        check=False,
    )


def command_line(place: Path, name: str, socket: Path) -> list[object]:
    """A command of `audiobatchctl`, with what it is given."""
    places = {"D": place / "D", "T": place / "D" / "T", "C": place / "C"}
    given = [places.get(word, word) for word in COMMANDS[name].split()]
    return [PROGRAMS / "audiobatchctl", *name.split(), *given, "--socket", socket]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_lost_answer_is_told_and_is_no_success(tmp_path: Path, place: Path, name: str) -> None:
    socket, status = tmp_path / "c.sock", status_of(place)
    with serving(socket, lambda: status) as server:
        server._feed.handle(logging.LogRecord("a", logging.INFO, "", 1, "folder-done", (), None))
        command = command_line(place, name, socket)
        usual = None if name in ENDLESS else run(place, command)
        for number, (streams, told) in enumerate(OUTPUTS.items()):
            done = run(place, command, streams, unbuffered="1" * (number % 2))
            said = done.stderr.decode()
            assert "Traceback" not in said
            assert "Exception ignored" not in said
            if usual is None or usual.stdout:
                assert (done.returncode, said.count(told)) == (LOST, 1), said
            else:
                assert done.returncode == usual.returncode
        for streams in ("2>/dev/full", "<&- 2>&-"):
            if usual is not None:
                done = run(place, command, streams)
                assert (done.returncode, bool(done.stdout)) == (usual.returncode, bool(usual.stdout))
        with gone() as terminal:
            ended = subprocess.run(
                [*map(str, command)], stdin=terminal, stdout=terminal, stderr=terminal, timeout=TIMEOUT, check=False
            )
        expected = LOST if usual is None or usual.stdout else usual.returncode
        assert ended.returncode == expected


@contextmanager
def gone() -> Iterator[int]:
    """A terminal that was closed: whatever is written there fails with EIO."""
    master, slave = pty.openpty()
    os.close(master)
    try:
        yield slave
    finally:
        os.close(slave)


@pytest.mark.parametrize("program", ["audiobatchctl", "audiobatchd"])
@pytest.mark.parametrize("streams", OUTPUTS)
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_a_lost_help_is_told(tmp_path: Path, program: str, streams: str, option: str) -> None:
    done = run(tmp_path, [PROGRAMS / program, option], streams)
    assert (done.returncode, done.stderr.decode()) == (LOST, f"{program}: {OUTPUTS[streams]}\n")


@pytest.mark.parametrize("program", ["audiobatchctl", "audiobatchd"])
@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_wrong_usage_is_wrong_usage_whatever_the_streams(tmp_path: Path, program: str, streams: str) -> None:
    assert run(tmp_path, [PROGRAMS / program, "--frobnicate"], streams).returncode == 2


# One pass


@pytest.mark.parametrize("streams", [*OUTPUTS, "2>&-", "2>/dev/full", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_pass_that_did_its_work_ends_well(tmp_path: Path, track: Path, streams: str) -> None:
    root = track.parent
    config = configuration(tmp_path / "c.toml", root, settle=0.0)
    done = run(tmp_path, [PROGRAMS / "audiobatchd", "--config", config, "--once", root], streams)
    said = done.stderr.decode()
    assert (done.returncode, "lufs" in record_of(track)) == (0, True), said
    assert "Traceback" not in said
    if streams in OUTPUTS:
        assert said.count(OUTPUTS[streams]) == 1
    dry = run(tmp_path, [PROGRAMS / "audiobatchd", "--config", config, "--once", root, "--dry-run"], streams)
    assert dry.returncode == (LOST if ">&-" in streams.split() or streams.startswith(">/") else 0)


def test_a_pass_whose_reader_has_left_ends_well(tmp_path: Path, track: Path) -> None:
    config = configuration(tmp_path / "c.toml", track.parent, settle=0.0)
    reader, writer = os.pipe()
    os.close(reader)
    command = [PROGRAMS / "audiobatchd", "--config", config, "--once", track.parent]
    done = subprocess.run([*map(str, command)], stdout=writer, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr.decode().count("cannot write to standard output: Broken pipe")) == (0, 1)


# The service


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", "<&-", "2>&-", ">/dev/full 2>/dev/full"])
def test_the_service_works_without_streams(tmp_path: Path, track: Path, streams: str) -> None:
    config = configuration(tmp_path / "c.toml", track.parent, settle=0.0)
    prefix = ("sh", "-c", f'exec "$@" {streams}', "sh")
    with service(tmp_path / "d", config, prefix=prefix) as daemon:
        daemon.becomes(complete=1)
        opened = descriptors_of(daemon.process.pid)
        standard = [opened[number] for number in range(3)]
        assert all(each.startswith("/dev/") or each.endswith("/d/log") for each in standard), standard
        assert any("catalog.sqlite" in each for each in opened.values())
        assert daemon.stop() == 0
    assert b"Traceback" not in daemon.log_path.read_bytes()
    assert "lufs" in record_of(track)
    assert leftovers(track.parent) == []


# A terminal that is stopped

STOP, GO_ON = "\x13", "\x11"
"""Ctrl-S and Ctrl-Q."""


def test_stopped_terminal_holds_up_nothing(tmp_path: Path, track: Path) -> None:
    gate = tmp_path / "gate"
    socket = tmp_path / "c.sock"
    with on_a_terminal(command_of(tmp_path, track.parent), environ=install_gate(gate)) as terminal:
        terminal.until("gate of full_mix")
        terminal.press(STOP)
        for number in range(3):
            shutil.copytree(track, track.parent / f"More {number}")
        # Each status that answers was made by the loop that has drawn, or has not, the ones before.
        eventually(lambda: (status := answers(socket)) and sum(status.datasets[0].folders.values()) == 4)
        (gate / "go").touch()
        eventually(lambda: (status := answers(socket)) and status.datasets[0].folders[FolderState.COMPLETE] == 4)
        terminal.press(GO_ON)
        terminal.until("4 complete")
        terminal.press(STOP)
        terminal.process.terminate()
        assert terminal.process.wait(60) == 0
    assert leftovers(track.parent) == []


# A terminal that is closed


def command_of(tmp_path: Path, dataset: Path, *options: object) -> list[object]:
    """`audiobatchd`, held up by the gate in its first job."""
    config = configuration(tmp_path / "c.toml", dataset, plugins=["gate"], settle=0.0, workers=1)
    places = ["--state-dir", tmp_path / "state", "--socket", tmp_path / "c.sock"]
    return [PROGRAMS / "audiobatchd", "--config", config, *places, *options]


def answers(socket: Path) -> Status | None:
    """The service's status; None where none answers."""
    try:
        return ControlClient(socket).status()
    except NoDaemonError:
        return None


def hang_up_at_work(terminal: Terminal, gate: Path) -> None:
    """Close the terminal while a job runs, twice told: by the kernel, and by a shell in its own last moments."""
    eventually((gate / "at-full_mix").exists)
    terminal.hang_up()
    terminal.process.send_signal(signal.SIGHUP)


@pytest.mark.parametrize("term", ["xterm", "dumb"], ids=["live view", "lines"])
def test_a_closed_terminal_drains_the_service(tmp_path: Path, track: Path, term: str) -> None:
    gate = tmp_path / "gate"
    env = {**install_gate(gate), "TERM": term}
    with on_a_terminal(command_of(tmp_path, track.parent), environ=env) as terminal:
        hang_up_at_work(terminal, gate)
        eventually(lambda: (status := answers(tmp_path / "c.sock")) is not None and status.state == "draining")
        (gate / "go").touch()
        assert terminal.end() == 0
    assert "lufs" in record_of(track)
    assert leftovers(track.parent) == []


@pytest.mark.parametrize("term", ["xterm", "dumb"], ids=["live view", "lines"])
def test_a_closed_terminal_drains_a_pass(tmp_path: Path, track: Path, term: str) -> None:
    gate = tmp_path / "gate"
    env = {**install_gate(gate), "TERM": term}
    shutil.copytree(track, track.parent / "Second")
    with on_a_terminal(command_of(tmp_path, track.parent, "--once", track.parent), environ=env) as terminal:
        hang_up_at_work(terminal, gate)
        (gate / "go").touch()
        assert terminal.end() == 130
    assert leftovers(track.parent) == []
    assert 1 <= sum("lufs" in record_of(each) for each in track.parent.iterdir()) <= 2


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path: Path, track: Path) -> None:
    gate = tmp_path / "gate"
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command_of(tmp_path, track.parent)]
    with on_a_terminal(command, environ=install_gate(gate)) as terminal:
        hang_up_at_work(terminal, gate)
        (gate / "go").touch()
        eventually(lambda: "lufs" in record_of(track))
        status = answers(tmp_path / "c.sock")
        assert status is not None
        assert status.state == "running"
        terminal.process.terminate()
        assert terminal.end() == 0


def test_hang_up_reloads_where_there_is_no_terminal(tmp_path: Path, track: Path) -> None:
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", track.parent, settle=0.0)) as daemon:
        daemon.becomes(complete=1)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("configuration-reloaded")
        assert daemon.stop() == 0


# Who has the state directory


def test_the_one_that_has_the_state_directory_is_named(tmp_path: Path, track: Path) -> None:
    config = configuration(tmp_path / "c.toml", track.parent)
    state = tmp_path / "d" / "state"
    state.mkdir(parents=True)
    stale = '{"pid": 1, "socket": "/run/of/the/dead.sock"}'
    (state / "instance.lock").write_text(stale)
    second = [PROGRAMS / "audiobatchd", "--config", config, "--state-dir", state, "--socket", tmp_path / "other.sock"]
    with service(tmp_path / "d", config) as daemon:
        daemon.says("service-started")
        done = run(tmp_path, second)
        told = f"another audiobatchd works with {state}: process {daemon.process.pid}, which answers on {daemon.socket}"
        assert (done.returncode, done.stderr.decode()) == (1, f"audiobatchd: cannot start: {told}\n")
        # Words that another left are not believed; the kernel's are.
        (state / "instance.lock").write_text(stale)
        done = run(tmp_path, second)
        told = f"another audiobatchd works with {state}: process {daemon.process.pid}"
        assert done.stderr.decode() == f"audiobatchd: cannot start: {told}\n"
        (state / "instance.lock").write_bytes(b"\xff" * 100_000)
        assert run(tmp_path, second).stderr.decode() == f"audiobatchd: cannot start: {told}\n"
        assert daemon.stop() == 0
    with service(tmp_path / "d", config) as daemon:
        daemon.says("service-started")

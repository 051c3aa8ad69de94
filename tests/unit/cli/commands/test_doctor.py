"""`audiobatchctl doctor`: what it looks at on a machine, and what it says of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.commands import doctor
from audiobatchd.cli.control import main
from audiobatchd.cli.diagnosis import Level
from audiobatchd.config.file import DatasetConfig
from audiobatchd.control.status import AnalyzerStatus, DatasetStatus, Status
from audiobatchd.scan.watch import limits, trial
from audiobatchd.worker import questions
from support.control_rig import serving
from support.namespaces import with_inotify
from support.service import PROGRAMS, configuration

LIMITS = {"max_user_watches": 524_288, "max_user_instances": 512, "max_queued_events": 16_384}


def with_dataset(status: Status, **changes: object) -> Status:
    dataset: DatasetStatus = msgspec.structs.replace(status.datasets[0], **changes)
    return msgspec.structs.replace(status, datasets=[dataset])


@pytest.mark.parametrize(
    ("limits_here", "what"),
    [({"instances": 0}, "user.max_inotify_instances is 0"), ({"watches": 0}, "user.max_inotify_watches is 0")],
)
def test_doctor_tries_inotify(tmp_path: Path, limits_here: dict[str, int], what: str) -> None:
    settings = configuration(tmp_path / "c.toml", tmp_path)
    command = [PROGRAMS / "audiobatchctl", "--socket", tmp_path / "none", "doctor", "--json", "--config", settings]
    done = subprocess.run(
        [*with_inotify(**limits_here), *map(str, command)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    found = [each for each in json.loads(done.stdout)["findings"] if "cannot watch" in each["what"]]
    assert [(each["level"], what in each["what"]) for each in found] == [("act", True)]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle: Status) -> Status:
    """One that is well, with a dataset that is there; models and limits are whatever the test says."""
    root = tmp_path / "music"
    (root / "A").mkdir(parents=True)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("ESSENTIA_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(limits, "limit", LIMITS.__getitem__)
    monkeypatch.setattr(trial, "tried", lambda paths, *_: dict.fromkeys(paths, 0))
    monkeypatch.setattr(doctor, "find_config", lambda _: None)
    return msgspec.structs.replace(with_dataset(idle, path=str(root)), pid=os.getpid())


def test_a_machine_that_is_well(tmp_path: Path, machine: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: machine):
        assert main(["doctor", "--socket", str(path)]) == 0
        out = capsys.readouterr().out
        assert main(["doctor", "--json", "--socket", str(path)]) == 0
        told = json.loads(capsys.readouterr().out)
    assert out.endswith("Nothing has to be done.\n")
    assert f"[ok] the service can write in {tmp_path / 'music'}" in out
    assert "act" not in {each["level"] for each in told["findings"]}


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setfacl"), reason="it takes root and Debian's package acl")
def test_rights_by_an_acl_count_as_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert not doctor._may_work(str(tmp_path), 65534)
    subprocess.run(["setfacl", "-m", "u:65534:rwx", tmp_path], check=True)
    assert doctor._may_work(str(tmp_path), 65534)
    subprocess.run(["setfacl", "-m", "u:65534:r-x", tmp_path], check=True)
    assert not doctor._may_work(str(tmp_path), 65534)


def test_a_machine_that_is_not(tmp_path: Path, machine: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.sock"
    (tmp_path / "a.toml").write_text("worker = 2")
    (tmp_path / "models").mkdir()
    for suffix in (".pb", ".json"):
        (tmp_path / "models" / f"mine{suffix}").write_text("nothing")
    lacking = AnalyzerStatus(available=False, reason="no essentia", version=1, models={})
    gone = with_dataset(msgspec.structs.replace(machine, analyzers={"rhythm": lacking}), path="/srv/nowhere")
    with serving(path, lambda: gone):
        assert main(["doctor", "--socket", str(path), "--config", str(tmp_path / "a.toml")]) == 1
    out = capsys.readouterr().out
    for wanted in ("unknown key `worker`", "cannot read /srv/nowhere", "rhythm is unavailable", "the model mine: "):
        assert re.search(rf"\[!!\] .*{re.escape(wanted)}", out)
    assert "4 things to be done" in out


def test_a_directory_that_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "A").mkdir()
    tmp_path.chmod(0o755)
    assert doctor._may_work(str(tmp_path), os.geteuid())
    assert not doctor._may_work(str(tmp_path), 65534)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    dataset = DatasetConfig(str(tmp_path))
    (_, permissions, _) = doctor._dataset(dataset, None, of_machine=False, barred=False)
    assert permissions.what == f"you cannot write in {tmp_path} and in 1 other place"
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    (_, permissions, _) = doctor._dataset(dataset, None, of_machine=True, barred=False)
    assert (permissions.level, permissions.todo) == (Level.NOTE, "sudo audiobatchctl doctor")
    assert permissions.what == f"only root can tell whether the service can write in {tmp_path}"


@pytest.mark.skipif(not shutil.which("setfacl"), reason="it takes Debian's package acl")
def test_an_acl_is_not_read_off_the_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    dataset, service = DatasetConfig(str(tmp_path)), 65533
    (_, permissions, _) = doctor._dataset(dataset, service, of_machine=True, barred=False)
    assert permissions.what == f"the service cannot write in {tmp_path}"
    subprocess.run(["setfacl", "-m", f"u:{service}:rwx", tmp_path], check=True)
    tmp_path.chmod(0o755)
    (_, permissions, _) = doctor._dataset(dataset, service, of_machine=True, barred=False)
    assert permissions.what == f"only root can tell whether the service can write in {tmp_path}"


def test_without_a_daemon_the_analyzers_are_asked(
    tmp_path: Path, machine: Status, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(questions, "offers", lambda _: ())
    assert main(["doctor", "--socket", str(tmp_path / "none.sock")]) == 1
    out = capsys.readouterr().out
    assert "[!!] no daemon answers" in out
    assert "1 thing to be done" in out


@pytest.mark.parametrize("there", [True, False])
def test_inboxes_are_looked_at(
    tmp_path: Path, machine: Status, capsys: pytest.CaptureFixture[str], there: bool
) -> None:
    root, inbox = tmp_path / "music", tmp_path / "inbox"
    if there:
        inbox.mkdir()
    config = configuration(tmp_path / "c.toml", root)
    with config.open("a") as file:
        file.write(f"[[inbox]]\npath = '{inbox}'\ndataset = '{root}'\n")
    with serving(tmp_path / "c.sock", lambda: machine):
        assert main(["doctor", "--config", str(config), "--socket", str(tmp_path / "c.sock")]) == (0 if there else 1)
    out = capsys.readouterr().out
    if there:
        assert f"{inbox} is an inbox of {root}: files move without a copy" in out
        assert f"can write in {inbox}" in out
    else:
        assert f"cannot read the inbox {inbox}: No such file or directory" in out

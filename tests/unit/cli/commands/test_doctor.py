"""`audiobatchctl doctor`: what each thing that is found comes to, and the command on a machine that is well or not."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement

from audiobatchd.cli import diagnosis
from audiobatchd.cli.commands import doctor
from audiobatchd.cli.control import main
from audiobatchd.cli.diagnosis import Finding, Level
from audiobatchd.config.file import DatasetConfig
from audiobatchd.control.status import AnalyzerStatus, DatasetStatus, Status
from audiobatchd.core.dataset import BARRED
from audiobatchd.disk.filesystems import Kind
from audiobatchd.scan.watch import limits, trial
from audiobatchd.vocabulary.states import DatasetState, FolderState
from audiobatchd.worker import questions
from support.control_rig import serving
from support.namespaces import with_inotify
from support.service import PROGRAMS, configuration

LIMITS = {"max_user_watches": 524_288, "max_user_instances": 512, "max_queued_events": 16_384}


def levels(findings: Iterable[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


def with_dataset(status: Status, **changes: object) -> Status:
    dataset: DatasetStatus = msgspec.structs.replace(status.datasets[0], **changes)
    return msgspec.structs.replace(status, datasets=[dataset])


def test_versions() -> None:
    installed = dict.fromkeys(diagnosis.NEEDED, "1") | dict.fromkeys(diagnosis.WELCOME, "2")
    assert levels(diagnosis.versions(installed)) == [Level.OK]
    lacking = list(diagnosis.versions(installed | {"av": None, "essentia-tensorflow": None}))
    assert [(each.level, each.what) for each in lacking[1:]] == [
        (Level.ACT, "av is not installed"),
        (Level.NOTE, "essentia-tensorflow is not installed"),
    ]
    assert all(each.todo for each in lacking[1:])


def test_every_name_of_a_distribution_is_one_of_ours() -> None:
    project = tomllib.loads((Path(diagnosis.__file__).parents[3] / "pyproject.toml").read_text())["project"]
    declared = {Requirement(line).name for line in project["dependencies"]}
    assert declared >= {*diagnosis.NEEDED, *diagnosis.WELCOME}


def test_a_service_that_is_well(idle: Status) -> None:
    assert levels(diagnosis.service(idle, "")) == [Level.OK]


@pytest.mark.parametrize(("free", "level"), [(1 << 30, Level.OK), ((1 << 30) - 1, Level.NOTE), (0, Level.NOTE)])
def test_memory_for_the_workers(free: int, level: Level) -> None:
    finding = diagnosis.machine(1.25, 2, free, 16 << 30, None)
    assert finding.level is level
    assert finding.what.startswith("the machine: load 1.2 for 2 workers, ")
    assert bool(finding.todo) == (level is Level.NOTE)


def test_memory_that_workers_have_already_counts_as_theirs(idle: Status) -> None:
    (worker, *_) = idle.workers
    status = msgspec.structs.replace(idle, workers=(msgspec.structs.replace(worker, resident=1 << 30),))
    assert diagnosis.machine(0, 2, 0, 16 << 30, status).level is Level.OK


def test_no_service() -> None:
    (finding,) = diagnosis.service(None, "no daemon answers")
    assert (finding.level, finding.what) == (Level.ACT, "no daemon answers")
    assert "systemctl start" in finding.todo


def test_what_a_service_says_of_itself(idle: Status) -> None:
    for status, level, what, todo in [
        (msgspec.structs.replace(idle, version="9"), Level.ACT, "9 runs", "restart"),
        (msgspec.structs.replace(idle, remark="no worker can start"), Level.ACT, "no worker can start", "journalctl"),
        (
            with_dataset(idle, state=DatasetState.MISSING, remark="not there"),
            Level.ACT,
            "is missing: not there",
            "mount",
        ),
        (
            with_dataset(idle, path="/srv/late", state=DatasetState.PAUSED, remark=BARRED),
            Level.ACT,
            "the unit cannot write here: systemctl restart audiobatchd",
            "audiobatchctl setup /srv/late",
        ),
        (
            with_dataset(idle, state=DatasetState.PAUSED, remark="paused by an operator"),
            Level.ACT,
            "is paused",
            "audiobatchctl resume",
        ),
        (
            with_dataset(idle, remark="cannot watch it (no instance)", watch="cannot watch it (no instance)"),
            Level.ACT,
            "is degraded: cannot watch it",
            "only walks",
        ),
        (with_dataset(idle, remark="3 directories are not watched"), Level.NOTE, "is degraded", "walks"),
        (with_dataset(idle, overdue={"A.lock": "process 7"}), Level.NOTE, "by process 7", "hangs"),
        (with_dataset(idle, folders={FolderState.BLOCKED: 2}), Level.ACT, "2 folders blocked", "failures"),
        (with_dataset(idle, folders={FolderState.FAILED: 1}), Level.NOTE, "1 folder failed", "failures"),
    ]:
        _, finding = diagnosis.service(status, "")
        assert (finding.level, what in finding.what, todo in finding.todo) == (level, True, True), finding


def test_inotify_trial() -> None:
    good = diagnosis.inotify_trial({"/a": 0, "/b": 0}, known=True)
    assert [(each.level, each.what) for each in good] == [
        (Level.OK, "the service can have an inotify instance and a watch")
    ]
    bad = list(diagnosis.inotify_trial({"/a": errno.EMFILE, "/b": errno.ENOENT, "/c": errno.EACCES}, known=False))
    assert levels(bad) == [Level.ACT, Level.ACT]
    assert bad[0].what.startswith("you cannot watch /a: ")
    assert bad[1].what == "you cannot watch /c: Permission denied"
    assert list(diagnosis.inotify_trial({}, known=True)) == []


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


@pytest.mark.parametrize(
    ("kind", "alone", "level"),
    [
        (Kind.LOCAL, False, Level.OK),
        (Kind.NETWORK, False, Level.NOTE),
        (Kind.WEAK, False, Level.ACT),
        (Kind.WEAK, True, Level.NOTE),
    ],
)
def test_locks(kind: Kind, alone: bool, level: Level) -> None:
    finding = diagnosis.locks("/srv/music", kind, "x", alone=alone)
    assert finding.level is level
    assert bool(finding.todo) == (level is not Level.OK)


def test_permissions() -> None:
    assert diagnosis.permissions("/a", [], known=True) == Finding(Level.OK, "the service can write in /a")
    finding = diagnosis.permissions("/a", ["/a/b", "/a/c"], known=False)
    assert finding.what == "you cannot write in /a/b and in 1 other place"
    assert finding.level is Level.ACT


@pytest.mark.parametrize(
    ("mode", "uid", "groups", "may"),
    [
        (0o700, 0, [], True),
        (0o700, 500, [], True),
        (0o500, 500, [7], False),
        (0o770, 501, [7], True),
        (0o750, 501, [7], False),
        (0o707, 501, [7], False),
        (0o707, 501, [8], True),
        (0o775, 501, [8], False),
    ],
)
def test_modes(mode: int, uid: int, groups: list[int], may: bool) -> None:
    status = os.stat_result((0o40000 | mode, 0, 0, 0, 500, 7, 0, 0, 0, 0))
    assert diagnosis.opens(status, uid, groups) is may


@pytest.mark.parametrize(
    ("free", "files", "level"),
    [
        (5 << 30, None, Level.OK),
        (5 << 30, 10**6, Level.OK),
        (500 << 20, 10**6, Level.NOTE),
        (50 << 20, None, Level.ACT),
        (5 << 30, 3, Level.ACT),
    ],
)
def test_space(free: int, files: int | None, level: Level) -> None:
    assert diagnosis.space("the state directory", free, files).level is level


def test_inotify(busy: Status) -> None:
    assert levels(diagnosis.inotify(LIMITS, busy, 1)) == [Level.OK]
    (watches,) = diagnosis.inotify(LIMITS | {"max_user_watches": 8192}, busy, 1)
    assert watches.what.startswith("of 10,000 track folders 4,096 can be watched")
    assert "sysctl fs.inotify.max_user_watches=20000" in watches.todo
    assert levels(diagnosis.inotify(LIMITS | {"max_user_instances": 10}, None, 1)) == [Level.ACT]
    assert levels(diagnosis.inotify(LIMITS | {"max_queued_events": 100}, None, 1)) == [Level.NOTE]


def test_analyzers() -> None:
    reasons = {"loudness": "", "danceability": "no model is here: audiobatchctl models fetch a", "rhythm": "cannot: x"}
    there, model, library = diagnosis.analyzers(reasons, ["rhythm"])
    assert there.what == "loudness: available"
    assert model == Finding(Level.NOTE, "danceability is unavailable: no model is here", "audiobatchctl models fetch a")
    assert (library.level, library.what) == (Level.ACT, "rhythm is unavailable: cannot: x")
    assert levels(diagnosis.analyzers({"loudness": "x"}, [])) == [Level.ACT]


# The command


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
    (_, permissions, _) = doctor._dataset(DatasetConfig(str(tmp_path)), None, barred=False)
    assert permissions.what == f"you cannot write in {tmp_path} and in 1 other place"


def test_without_a_daemon_the_analyzers_are_asked(
    tmp_path: Path, machine: Status, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(questions, "offers", lambda _: ())
    assert main(["doctor", "--socket", str(tmp_path / "none.sock")]) == 1
    out = capsys.readouterr().out
    assert "[!!] no daemon answers" in out
    assert "1 thing to be done" in out

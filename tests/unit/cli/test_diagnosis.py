"""Diagnoses of a machine: what is well, what could be better, and what has to be done."""

from __future__ import annotations

import errno
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement

from audiobatchd.cli import diagnosis
from audiobatchd.cli.diagnosis import Diagnosis, Level
from audiobatchd.control.status import DatasetStatus, HookStatus, InboxStatus, LeftFile, Status
from audiobatchd.core.holds import BARRED
from audiobatchd.disk.filesystems import Kind
from audiobatchd.vocabulary.files import MissKind, NearMiss
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.states import DatasetState, FolderState, HookState, InboxState
from audiobatchd.worker.capacity import Capacity

LIMITS = {"max_user_watches": 524_288, "max_user_instances": 512, "max_queued_events": 16_384}


def levels(findings: Iterable[Diagnosis]) -> list[Level]:
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
        (Level.NOTE, "essentia-tensorflow is not installed: rhythm, key and some models need it"),
    ]
    assert all(each.todo and not each.todo.startswith("it is not installed") for each in lacking[1:])


def test_the_journal_s_fields_take_a_library() -> None:
    assert diagnosis.journal("235").level is Level.OK
    lacking = diagnosis.journal(None)
    assert lacking.level is Level.NOTE
    assert "systemd-python>=234" in lacking.todo.replace("<236,", "").replace(",<236", "")


def test_every_name_of_a_distribution_is_one_of_ours() -> None:
    project = tomllib.loads((Path(diagnosis.__file__).parents[3] / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for each in project["optional-dependencies"].values() for line in each)]
    declared = {Requirement(line).name for line in lines}
    assert declared >= {*diagnosis.NEEDED, *diagnosis.WELCOME}


def test_a_service_that_is_well(idle: Status) -> None:
    assert levels(diagnosis.service(idle, "")) == [Level.OK]


@pytest.mark.parametrize(("free", "level"), [(1 << 30, Level.OK), ((1 << 30) - 1, Level.NOTE), (0, Level.NOTE)])
def test_memory_for_the_workers(free: int, level: Level) -> None:
    finding = diagnosis.machine(1.25, Capacity(2, "as configured"), free, 16 << 30, None)
    assert finding.level is level
    assert finding.what.startswith("the machine: load 1.2 for 2 workers (as configured), ")
    assert bool(finding.todo) == (level is Level.NOTE)


def test_memory_that_workers_have_already_counts_as_theirs(idle: Status) -> None:
    (worker, *_) = idle.workers
    status = msgspec.structs.replace(idle, workers=(msgspec.structs.replace(worker, resident=1 << 30),))
    assert diagnosis.machine(0, Capacity(2, ""), 0, 16 << 30, status).level is Level.OK


def test_no_service() -> None:
    (finding,) = diagnosis.service(None, "no daemon answers", "sudo systemctl start audiobatchd")
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
            with_dataset(idle, path="/srv/l", state=DatasetState.PAUSED, remark="it leads to /two now, which is empty"),
            Level.ACT,
            "it leads to /two now",
            "audiobatchctl rescan --accept /srv/l",
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


@pytest.mark.parametrize(("name", "word"), [("Mia's music", "'/Mia'\"'\"'s music'"), ("caf\udce9", r"$'/caf\xe9'")])
def test_commands_can_be_pasted(idle: Status, name: str, word: str) -> None:
    path = f"/{name}"
    inbox = InboxStatus("/in", shown(path), InboxState.HINDERED, "no rights", 0, 0, [], 0)
    findings = [
        diagnosis.permissions(path, [path], known=True),
        diagnosis.locks(path, Kind.NETWORK, "nfs", alone=False),
        *diagnosis.inboxes(msgspec.structs.replace(idle, inboxes=[inbox])),
    ]
    for remark in (BARRED, "it leads to /two now"):
        status = with_dataset(idle, path=shown(path), state=DatasetState.PAUSED, remark=remark)
        findings.append(list(diagnosis.service(status, ""))[1])
    assert [each.todo for each in findings if word not in each.todo] == []


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
    assert diagnosis.permissions("/a", [], known=True) == Diagnosis(Level.OK, "the service can write in /a")
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
    install = "/env/bin/python -m pip install essentia-tensorflow==2.1"
    reasons = {
        "loudness": "",
        "danceability": "no model is here: audiobatchctl models fetch a",
        "rhythm": "cannot: x",
        "tonal": f"cannot import essentia: it is not installed: {install}",
    }
    there, model, library, absent = diagnosis.analyzers(reasons, ["rhythm"])
    assert there.what == "loudness: available"
    assert model == Diagnosis(
        Level.NOTE, "danceability is unavailable: no model is here", "audiobatchctl models fetch a"
    )
    assert (library.level, library.what) == (Level.ACT, "rhythm is unavailable: cannot: x")
    assert absent == Diagnosis(Level.NOTE, "tonal is unavailable: cannot import essentia: it is not installed", install)
    assert levels(diagnosis.analyzers({"loudness": "x"}, [])) == [Level.ACT]


@pytest.mark.parametrize(
    ("misses", "command"),
    [
        ([], "audiobatchctl import YOUR_MUSIC '/my music'"),
        (
            [NearMiss(MissKind.LOOSE, 1, "x.flac", "1 file", "move it")],
            "audiobatchctl import '/my music' '/my music-tracks'",
        ),
    ],
)
def test_a_dataset_without_tracks_has_to_be_filled(misses: list[NearMiss], command: str) -> None:
    first, *notes = diagnosis.tracks("/my music", 0, misses)
    assert (first.level, first.todo.endswith(f": {command}")) == (Level.ACT, True), first
    assert levels(notes) == [Level.NOTE] * len(misses)


def test_hooks_are_judged_by_what_fails_and_what_is_lost(idle: Status) -> None:
    fine = HookStatus("a", "command", "/bin/a", ["folder-done"], [], HookState.IDLE, "", 0, 0, None, 1, 0, 0)
    lost = msgspec.structs.replace(fine, name="b", dropped=2)
    failing = msgspec.structs.replace(fine, name="c", kind="url", remark="cannot connect: Network is unreachable")
    told = list(diagnosis.hooks(msgspec.structs.replace(idle, hooks=[fine, lost, failing])))
    assert [each.level for each in told] == [Level.OK, Level.NOTE, Level.ACT]
    assert "2 messages" in told[1].what
    assert "hooks test c" in told[2].todo
    assert "setup --hooks" in told[2].todo
    assert list(diagnosis.hooks(None)) == []


def test_inboxes_are_judged_by_what_stays_and_what_hinders(idle: Status) -> None:
    left = [LeftFile("Artist", "no track: 1 picture")]
    well = InboxStatus("/in", "/srv/music", InboxState.WATCHING, "", 0, 3, left, 0)
    hindered = msgspec.structs.replace(well, state=InboxState.HINDERED, remark="/in: Permission denied", left=[])
    told = list(diagnosis.inboxes(msgspec.structs.replace(idle, inboxes=[well, hindered])))
    assert [(each.level, each.what) for each in told] == [
        (Level.NOTE, "what stays in the inbox /in: Artist"),
        (Level.ACT, "the inbox /in: /in: Permission denied"),
    ]
    assert list(diagnosis.inboxes(idle)) == list(diagnosis.inboxes(None)) == []
    assert "without a copy" in diagnosis.inbox("/in", "/srv/music", same_disk=True).what

"""Decisions that are kept: what is in the files, how they are bounded, and what a disk that fails leaves of them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.assessment import Policy
from audiobatchd.core.messages import Ready, Result
from audiobatchd.core.plan import NO_MEMORY, Limits, Plan
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.schedule import MachineFacts
from audiobatchd.service.decisions import HEAD, SUFFIX, Decisions, KeptDispatcher
from audiobatchd.vocabulary.files import FileId, FolderKey, MissKind, NearMiss
from audiobatchd.vocabulary.states import Outcome, WalkKind, WatchReport
from replay import replay
from replay.replay import Replay, UnfitError, files_of
from support.service import eventually

ROOT = "/srv/Müsic\udcff"
PLAN = Plan({ROOT: 3600.0}, Limits({ROOT: 1.0}), {ROOT: Policy()}, 2)
MIB = 1 << 20


def core(directory: Path, limit: int = 64 * MIB) -> tuple[KeptDispatcher, Decisions]:
    decisions = Decisions(directory, limit)
    return KeptDispatcher(PLAN, 0.0, NO_MEMORY, decisions), decisions


def lead(kept: KeptDispatcher, folders: int = 40, since: float = 0.0) -> None:
    """Have a walk find folders, and time go by."""
    kept.tick(since)
    kept.handle(on.RootSeen(ROOT, FileId(1, 2), WatchReport(events=True, reason="")), since)
    for number in range(folders):
        key = FolderKey(ROOT, f"Artist {number}/Song \udc80")
        kept.handle(on.WalkRead((Reading(key, Finding.DUE, "signature", due=("full_mix: loudness",)),), ROOT), since)
        kept.tick(since + number / 10)
    kept.handle(on.Walked(ROOT, WalkKind.FULL, FileId(1, 2), empty=False, tracks=folders), since + 5)
    kept.handle(on.WorkerExited(0, 7, "killed by signal 9"), since + 6)
    kept.tick(since + 10)


def all_steps(directory: Path) -> list[replay.Step]:
    return [step for path in files_of(directory) for step in Replay(path).steps()]


def test_every_step_is_kept_and_leads_to_the_same(tmp_path: Path) -> None:
    kept, decisions = core(tmp_path / "kept")
    lead(kept)
    decisions.stop()
    steps = all_steps(tmp_path / "kept")
    assert len(steps) == 85
    assert all(step.is_same for step in steps)
    assert any(step.was for step in steps)


def test_another_decision_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, decisions = core(tmp_path / "kept")
    lead(kept)
    decisions.stop()
    monkeypatch.setattr("audiobatchd.core.crew.Crew.tend", lambda *_args, **_others: [])
    assert not all(step.is_same for step in all_steps(tmp_path / "kept"))


def test_files_are_bounded_and_each_can_be_gone_through(tmp_path: Path) -> None:
    kept, decisions = core(tmp_path, MIB // 4)
    for since in range(16):
        lead(kept, 60, 100.0 * since)
    decisions.stop()
    files = files_of(tmp_path)
    assert 3 <= len(files) <= 9
    assert sum(each.stat().st_size for each in files) <= MIB * 0.3
    assert all(step.is_same for path in files for step in Replay(path).steps())


def test_state_that_is_too_large_is_told_and_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept, decisions = core(tmp_path, MIB)
    decisions.stop()
    lead(kept, 4000)
    kept._decisions = Decisions(tmp_path / "other", MIB // 2)
    lead(kept, 10, since=100.0)
    kept._decisions.stop()
    assert not (tmp_path / "other").exists()
    assert any("alone takes" in str(vars(record)) for record in caplog.records)


def test_file_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    kept, decisions = core(tmp_path)
    lead(kept)
    decisions.stop()
    (path,) = files_of(tmp_path)
    whole = len(all_steps(tmp_path))
    os.truncate(path, path.stat().st_size - 3)
    assert len(all_steps(tmp_path)) == whole - 1


def test_disk_that_fails_is_told_once_and_leaves_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("audiobatchd.service.decisions._AGAIN", 0.0)
    (tmp_path / "kept").write_text("no directory")
    kept, decisions = core(tmp_path / "kept")
    lead(kept)
    eventually(lambda: "decisions-not-kept" in caplog.text or "cannot keep decisions" in caplog.text)
    lead(kept, since=100.0)
    (tmp_path / "kept").unlink()
    eventually(lambda: (kept.tick(200.0), (tmp_path / "kept").is_dir())[1])
    lead(kept, since=300.0)
    decisions.stop()
    assert all(step.is_same for step in all_steps(tmp_path / "kept"))


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch evil",)


class _Sly:
    def __reduce__(self) -> tuple[object, ...]:
        return getattr, (FolderKey, "__init_subclass__")


@pytest.mark.parametrize("part", [_Evil(), _Sly(), b"x" * 10, 7, ("0", 0.0, [])])
def test_foreign_file_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: object) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(part)
    path = tmp_path / f"1{SUFFIX}"
    path.write_bytes(HEAD.pack(len(content), zlib.crc32(content)) + content)
    with pytest.raises(UnfitError):
        list(Replay(path).steps())
    assert not (tmp_path / "evil").exists()


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["replay", *map(str, arguments)])
    return replay.main()


def test_file_that_cannot_be_gone_through_is_told_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, decisions = core(tmp_path)
    lead(kept)
    decisions.stop()
    (whole,) = files_of(tmp_path)
    (tmp_path / f"0{SUFFIX}").write_bytes(whole.read_bytes()[:700])  # the service was killed as it began the file
    content = pickle.dumps(("9\x1b]0;title\x07", 0.0, {}))
    (tmp_path / f"1{SUFFIX}").write_bytes(HEAD.pack(len(content), zlib.crc32(content)) + content)
    assert run_main(monkeypatch, tmp_path) == 1
    said = capsys.readouterr().out
    assert "no state of the core" in said
    assert "of version 9\\x1b" in said
    assert "\x1b" not in said
    assert f"{whole.name}: 85 steps" in said
    assert run_main(monkeypatch, tmp_path, "--anonymous", tmp_path / "other") == 1
    assert [path.name for path in files_of(tmp_path / "other")] == [whole.name]


def test_other_names_lead_to_the_same(tmp_path: Path) -> None:
    kept, decisions = core(tmp_path / "kept")
    lead(kept)
    decisions.stop()
    replay.write_anonymous(files_of(tmp_path / "kept"), tmp_path / "other")
    steps = all_steps(tmp_path / "other")
    assert len(steps) == 85
    assert all(step.is_same for step in steps)
    content = b"".join(path.read_bytes() for path in files_of(tmp_path / "other"))
    for name in (b"Artist", b"Song", b"sic", b"srv"):
        assert name not in content


def test_looks_at_the_machine_are_kept_with_a_zone_of_a_file(tmp_path: Path) -> None:
    with Path("/usr/share/zoneinfo/Europe/Berlin").open("rb") as file:
        zone = ZoneInfo.from_file(file)
    kept, decisions = core(tmp_path / "kept")
    kept.handle(on.MachineSeen(MachineFacts(datetime.now(UTC), zone, 1.0, 1 << 30)), 1.0)
    lead(kept, since=2.0)
    decisions.stop()
    replay.write_anonymous(files_of(tmp_path / "kept"), tmp_path / "other")
    for steps in (all_steps(tmp_path / "kept"), all_steps(tmp_path / "other")):
        assert len(steps) == 86
        assert all(step.is_same for step in steps)


def test_what_cannot_be_kept_ends_no_service(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept, decisions = core(tmp_path / "kept")
    kept.tick(0.0)
    kept.handle(on.WatchLost(ROOT, lambda: "no text"), 1.0)  # type: ignore[arg-type]  # what cannot be pickled
    kept.tick(2.0)
    decisions.stop()
    assert len(all_steps(tmp_path / "kept")) == 1
    assert "decisions-not-kept" in caplog.text


def test_names_that_stand_twice_in_a_step_are_replaced_twice(tmp_path: Path) -> None:
    kept, decisions = core(tmp_path / "kept")
    lead(kept, 2)
    for name in ("Artist 0", "Artist 1"):
        kept.handle(on.WatchLost(ROOT, name), 20.0)
        kept.handle(on.WalkRead((), ROOT, ((name, 0), (str(b"Artist 0", "ascii"), 0))), 21.0)
    decisions.stop()
    replay.write_anonymous(files_of(tmp_path / "kept"), tmp_path / "other")
    assert b"Artist" not in b"".join(path.read_bytes() for path in files_of(tmp_path / "other"))
    assert all(step.is_same for step in all_steps(tmp_path / "other"))


def test_hashes_of_another_process_change_nothing(tmp_path: Path) -> None:
    kept, decisions = core(tmp_path / "kept")
    lead(kept)
    decisions.stop()
    tests = Path(__file__).parents[2]
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(tests)}
        command = [sys.executable, "-m", "replay.replay", str(tmp_path / "kept")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "85 steps" in done.stdout


ALBUM = "Anna Kowalska/Wedding Song"


def lead_with_names(kept: KeptDispatcher) -> None:
    """Tell names in every way in which they come as plain texts."""
    lead(kept, 2)
    kept.handle(on.WalkRead((), ROOT, ((f"{ALBUM} 1", 0), ("Carl Privat", 2))), 11.0)
    miss = NearMiss(MissKind.LOOSE, 1, "Carl Privat/Not a track.wav", "1 audio file loose", "move it")
    walk = on.Walked(ROOT, WalkKind.FULL, FileId(1, 2), empty=False, tracks=4, parents=frozenset({"Anna Kowalska", ""}))
    kept.handle(replace(walk, near_misses=(miss,), locks="local (ext4)"), 12.0)
    kept.handle(on.WorkerExited(0, 7, "exit status 1: Carl Privat", lines=(f"cannot read {ALBUM}.wav",)), 13.0)
    kept.handle(on.LocksSeen(ROOT, {f"{ALBUM}.lock": "PID 7 on host-of-carl"}, frozenset({ALBUM})), 14.0)
    for now in range(15, 20):
        kept.tick(float(now))


def test_no_name_is_left_in_an_anonymous_file(tmp_path: Path) -> None:
    kept, decisions = core(tmp_path / "kept")
    lead_with_names(kept)
    decisions.stop()
    kept._decisions = Decisions(tmp_path / "kept", 64 * MIB)  # a file in the beginning of which the names are known
    lead_with_names(kept)
    kept._decisions.stop()
    replay.write_anonymous(files_of(tmp_path / "kept"), tmp_path / "other")
    content = b"".join(path.read_bytes() for path in files_of(tmp_path / "other"))
    for name in (b"Artist", b"Song", b"Anna", b"Kowalska", b"Wedding", b"Carl", b"carl", b"Privat", b"Not a track"):
        assert name not in content
    assert b"local (ext4)" in content
    steps = all_steps(tmp_path / "other")
    assert len(steps) == len(all_steps(tmp_path / "kept"))
    assert all(step.is_same for step in steps)


@pytest.mark.parametrize("name", ["dataset", "datasets", "state", "audiobatchd", "core", "full", "path", "FolderKey"])
def test_directory_may_be_called_as_a_part_of_the_program(tmp_path: Path, name: str) -> None:
    kept, decisions = core(tmp_path / "kept")
    for now in (0.0, 20.0):
        lead(kept, 2, now)
        kept.handle(on.WalkRead((Reading(FolderKey(ROOT, f"{name}/{name}"), Finding.DUE, "one"),), ROOT), now + 11)
        kept.handle(on.WatchLost(ROOT, name), now + 12)
        kept.tick(now + 15)
    decisions.stop()
    replay.write_anonymous(files_of(tmp_path / "kept"), tmp_path / "other")
    assert len(all_steps(tmp_path / "other")) == len(all_steps(tmp_path / "kept"))


def workers_are_ready(kept: KeptDispatcher) -> None:
    for index in (0, 1):
        kept.handle(on.WorkerSpawned(index, 7 + index), 20.0)
        kept.handle(on.WorkerSaid(index, 7 + index, Ready(())), 20.0)


def test_folders_are_tried_again_at_the_same_moments_with_other_names(tmp_path: Path) -> None:
    kept, decisions = core(tmp_path / "kept")
    lead(kept)
    workers_are_ready(kept)
    now, tries = 20.0, 0
    while tries < 40:
        now += 1.0
        for action in kept.tick(now):
            match action:
                case do.ReadFolder(key):
                    kept.handle(on.FolderRead(Reading(key, Finding.DUE, "signature")), now)
                case do.SendJob(index, job):
                    tries += 1
                    kept.handle(on.WorkerSaid(index, 7 + index, Result(job.number, Outcome.LOCKED)), now)
    decisions.stop()
    replay.write_anonymous(files_of(tmp_path / "kept"), tmp_path / "other")
    assert all(step.is_same for step in all_steps(tmp_path / "other"))


def test_remark_that_is_told_once_is_known_with_other_names(tmp_path: Path) -> None:
    kept, decisions = core(tmp_path / "kept")
    lead(kept)
    empty = on.Walked(ROOT, WalkKind.FULL, FileId(1, 2), empty=True)
    workers_are_ready(kept)
    kept.tick(21.0)
    assert kept.handle(empty, 22.0)
    decisions.stop()
    kept._decisions = Decisions(tmp_path / "later", 64 * MIB)
    kept.handle(on.RescanAsked(ROOT), 40.0)
    assert any(isinstance(action, do.WalkTree) for action in kept.tick(40.0))
    assert not kept.handle(empty, 41.0)
    kept._decisions.stop()
    replay.write_anonymous(files_of(tmp_path / "later"), tmp_path / "other")
    assert len(all_steps(tmp_path / "other")) == 3


def test_other_names_that_lead_to_other_actions_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, decisions = core(tmp_path / "kept")
    lead(kept)
    decisions.stop()

    def by_name(_core: object, event: object, _now: float) -> list[do.Action]:
        return [do.StopWorker(1)] if "Artist" in repr(event) else []

    monkeypatch.setattr("audiobatchd.core.dispatcher.Dispatcher.handle", by_name)
    assert run_main(monkeypatch, tmp_path / "kept", "--anonymous", tmp_path / "other") == 1
    assert "other names lead to other actions from step 3 on" in capsys.readouterr().out
    assert not (tmp_path / "other").exists()


def test_state_that_waits_to_be_written_ends_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, decisions = core(tmp_path / "before")
    lead(kept, 400)
    decisions.stop()
    monkeypatch.setattr("audiobatchd.service.decisions._MOST_WAITING", 10_000)
    is_ready, made = threading.Event(), Decisions._made
    monkeypatch.setattr(Decisions, "_made", lambda self, size: (is_ready.wait(), made(self, size))[1])
    kept._decisions = Decisions(tmp_path / "kept", 64 * MIB)
    for now in range(20):
        kept.tick(1000.0 + now)
    is_ready.set()
    kept._decisions.stop()
    (path,) = files_of(tmp_path / "kept")
    assert path.stat().st_size > 20_000
    assert len(all_steps(tmp_path / "kept")) == 20


def test_newest_files_stay_when_the_clock_is_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, decisions = core(tmp_path, MIB // 4)
    for since in range(8):
        lead(kept, 60, 100.0 * since)
    decisions.stop()
    is_now = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: is_now() - 3600 * 10**9)
    kept._decisions = Decisions(tmp_path, MIB // 4)
    for since in range(8, 24):
        lead(kept, 60, 100.0 * since)
    kept._decisions.stop()
    rounds = [step.now // 100 for step in all_steps(tmp_path)]
    assert rounds[-1] == 23
    assert rounds == sorted(rounds)

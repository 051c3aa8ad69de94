"""The daemon after many jobs and many deaths, under a clock that jumps, and after it was stopped for a while."""

from __future__ import annotations

import os
import sys
import time
import wave
from collections import Counter
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from support.plugins import install_analyzer
from support.service import Service, configuration, eventually, leftovers, record_of, service

SONGS = 100
ROUNDS = int(os.environ.get("ENDURANCE_ROUNDS", "4"))
"""Number of rounds of `SONGS` jobs, a tenth of them deadly; 20 make 2,000 jobs with 200 deaths, and take 3 minutes."""

RATE = 8000
MIB = 1 << 20


def write_song(folder: Path, number: int, level: int = 1000) -> None:
    """Put the full mix in its place in one step; the song is known by its length, its content by the level."""
    made = folder.parent.parent / f"{number}.wav"
    with wave.open(str(made), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(level.to_bytes(2, "little") * (RATE // 10 + number))
    made.rename(folder / "full_mix.wav")


def make_songs(root: Path, number: int) -> list[Path]:
    """Tiny track folders."""
    songs = [root / f"Song {each:03d}" for each in range(number)]
    for each, song in enumerate(songs):
        song.mkdir(parents=True)
        write_song(song, each)
    return songs


# Many jobs, many deaths


def burden(pid: int) -> dict[str, int]:
    """Count what a process holds: descriptors, threads, and KiB of memory."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return {"descriptors": descriptors, "threads": int(told["Threads"]), "KiB": int(told["VmRSS"].split()[0])}


@pytest.mark.timeout(120 + 60 * ROUNDS)
def test_the_daemon_is_the_same_after_many_jobs_and_many_deaths(tmp_path: Path) -> None:
    root, place = tmp_path / "dataset", tmp_path / "place"
    place.mkdir()
    body = f"""
        place = pathlib.Path({str(place)!r})
        number, turn = round(audio.duration * {RATE}) - {RATE // 10}, (place / "turn").read_text()
        with open(place / "runs", "a") as runs:
            runs.write(f"{{number}}\\n")
        died = place / f"{{number}} died in {{turn}}"
        if number % 10 == int(turn) % 10 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.answer(audio)
    """
    env = install_analyzer(tmp_path / "plugin", "deed", body)
    (place / "turn").write_text("0")
    songs = make_songs(root, SONGS)
    config = configuration(tmp_path / "c.toml", root, settle=0.0, analyzers=["deed"], workers=2)
    with service(tmp_path / "d", config, env=env) as daemon:
        endure(daemon, place, turn=0)
        before = burden(daemon.process.pid)
        for turn in range(1, ROUNDS + 1):
            (place / "turn").write_text(str(turn))
            for number, song in enumerate(songs):
                write_song(song, number, 1000 + turn)
            endure(daemon, place, turn)
        after = burden(daemon.process.pid)
        assert after["descriptors"] <= before["descriptors"] + 1
        # A thread that reads ends when it has had nothing to do for ten seconds.
        eventually(lambda: burden(daemon.process.pid)["threads"] <= before["threads"])
        assert after["KiB"] - before["KiB"] <= 4 * 1024, (before, after)
        assert daemon.log().count("worker-died") == (ROUNDS + 1) * SONGS // 10
        assert daemon.stop() == 0
    deaths = Counter(int(path.name.partition(" ")[0]) for path in place.glob("* died in *"))
    runs = Counter(map(int, (place / "runs").read_text().split()))
    assert runs == {number: ROUNDS + 1 + deaths[number] for number in range(SONGS)}
    assert leftovers(root) == []


def endure(daemon: Service, place: Path, turn: int) -> None:
    """Wait until every song has been analyzed once more, and a tenth of them twice; then until all is calm."""
    runs, wanted = place / "runs", (turn + 1) * (SONGS + SONGS // 10)
    eventually(lambda: runs.exists() and len(runs.read_text().splitlines()) == wanted, 120, daemon.log)
    daemon.becomes(complete=SONGS)
    eventually(lambda: (status := daemon.status()) and all(each.state == "idle" for each in status.workers))


# Jumps of the clock

JUMPING = """
import runpy, sys, time
from datetime import timedelta
from audiobatchd.service import clock
real = time.time
offset = lambda: float(open({path!r}).read())
time.time = lambda: real() + offset()
class Jumping(clock.SystemClock):
    def wall(self):
        return super().wall() + timedelta(seconds=offset())
clock.SystemClock = Jumping
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a program whose time of day is wrong by as many seconds as a file says; durations are measured as always."""

HOUR = 3600


def test_jumps_of_the_clock_end_no_job_and_no_lock(tmp_path: Path) -> None:
    """Let the clock of the daemon, and of its workers, jump while jobs run: it decides nothing."""
    root, place = tmp_path / "dataset", tmp_path / "place"
    place.mkdir()
    offset = place / "offset"
    offset.write_text("0")
    env = install_analyzer(tmp_path / "plugin", "deed", waits_for(place))
    module = tmp_path / "plugin" / "deed_analyzer.py"
    module.write_text(
        f"{module.read_text()}\nreal = time.time\ntime.time = lambda: real() + float(open({str(offset)!r}).read())\n"
    )
    songs = make_songs(root, 4)
    terms = {"analyzers": ["deed"], "workers": 4, "job_timeout": 120.0, "reap": 0.2}
    config = configuration(tmp_path / "c.toml", root, settle=0.0, plugins=(), rescan=3600.0, **terms)
    prefix = (sys.executable, "-c", JUMPING.format(path=str(offset)))
    with service(tmp_path / "d", config, env=env, prefix=prefix) as daemon:
        for number, seconds in enumerate((HOUR, -HOUR, 0, 2 * HOUR)):
            eventually((place / f"at {number}").exists, what=daemon.log)
            jump(daemon, offset, seconds)
            status = daemon.status()
            assert status is not None
            assert status.datasets[0].overdue == {}
            (place / f"go {number}").touch()
            eventually(partial(record_of, songs[number]), what=daemon.log)
        daemon.becomes(complete=4)
        for trouble in ("worker-died", "lock-removed", "folder-backoff", "folder-suspect"):
            assert trouble not in daemon.log()
        assert daemon.stop() == 0
    assert leftovers(root) == []


def jump(daemon: Service, offset: Path, seconds: int) -> None:
    """Put the clock wrong, and wait until all that goes by time has looked at it: a few rounds of the reaper."""
    (offset.parent / "wrong").write_text(str(seconds))
    (offset.parent / "wrong").rename(offset)
    begun = time.monotonic()
    eventually(lambda: daemon.status() and time.monotonic() > begun + 1.0)


# The daemon is stopped


def test_job_that_ended_under_a_stopped_daemon_is_not_charged(tmp_path: Path) -> None:
    """Let a deadline go by unnoticed; what the worker said meanwhile is heard first."""
    root, place = tmp_path / "dataset", tmp_path / "place"
    place.mkdir()
    env = install_analyzer(tmp_path / "plugin", "deed", waits_for(place))
    (song,) = make_songs(root, 1)
    terms = {"analyzers": ["deed"], "workers": 1, "job_timeout": 4.0, "job_timeout_factor": 0.0}
    config = configuration(tmp_path / "c.toml", root, settle=0.0, plugins=(), rescan=3600.0, **terms)
    with service(tmp_path / "d", config, env=env) as daemon:
        eventually((place / "at 0").exists, what=daemon.log)
        begun = time.monotonic()
        (worker,) = daemon.workers()
        daemon.process.send_signal(SIGSTOP)
        (place / "go 0").touch()
        eventually(lambda: record_of(song))
        eventually(lambda: time.monotonic() > begun + 6.0)
        daemon.process.send_signal(SIGCONT)
        daemon.becomes(complete=1)
        assert daemon.workers() == [worker]
        for trouble in ("worker-died", "folder-backoff"):
            assert trouble not in daemon.log()
        assert daemon.stop() == 0


def waits_for(place: Path) -> str:
    """The code of an analyzer that says `at NUMBER` of a song by a file, and ends when there is one `go NUMBER`."""
    return f"""
        place, number = pathlib.Path({str(place)!r}), round(audio.duration * {RATE}) - {RATE // 10}
        (place / f"at {{number}}").touch()
        while not (place / f"go {{number}}").exists():
            time.sleep(0.01)
        return self.answer(audio)
    """

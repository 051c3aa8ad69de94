"""The batch guide's `FileLock`, as its users know it, by our protocol: threads, waiting, and what a timeout is not."""

from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from audiobatchd import FileLock
from audiobatchd.disk.filesystems import Kind
from audiobatchd.errors import LockUsageError
from audiobatchd.library import file_lock
from audiobatchd.locks import folder_lock, kernel
from support.lock_rig import BUSY, GOT, StartPeer, attempt, fails, guides_text, holder, lock_path
from support.service import eventually

PATIENCE = 30.0

pytestmark = pytest.mark.usefixtures("no_descriptor_stays_open")


def while_waiting(monkeypatch: pytest.MonkeyPatch, happens: Callable[[float], object]) -> None:
    """Let something happen instead of every sleep."""
    monkeypatch.setattr(file_lock, "time", SimpleNamespace(sleep=happens))


@pytest.fixture(autouse=True)
def _no_thread_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    while_waiting(monkeypatch, lambda _: pytest.fail("it does not wait"))


# As the guide has it


def test_the_guides_pattern(track: Path) -> None:
    seen = []
    with FileLock(track) as lock:
        seen += [lock.acquired, lock_path(track).exists()]
        with FileLock(track) as other:
            seen += [lock.acquired, other.acquired]
        assert attempt(track) == BUSY
    assert [*seen, lock.acquired] == [True, True, True, False, False]
    assert os.listdir(track.parent) == ["Track"]


def test_acquire_and_release_by_hand(track: Path) -> None:
    lock = FileLock(track, timeout=600)
    lock.release()
    seen = [lock.acquired]
    for _ in range(2):
        seen += [lock.acquire(), lock.acquired]
        lock.release()
        lock.release()
        seen += [lock.acquired]
    assert seen == [False, True, True, False, True, True, False]
    assert os.listdir(track.parent) == ["Track"]


def test_an_error_in_the_block_gives_it_back(track: Path) -> None:
    with pytest.raises(ZeroDivisionError), FileLock(track):
        _ = 1 / 0
    assert attempt(track) == GOT


def test_another_process(track: Path, start: StartPeer) -> None:
    peer = start(track).holds()
    with FileLock(track) as lock:
        assert not lock.acquired
    assert peer.does("lock.gate()") is None, "who did not get it gives nothing back"
    peer.kill()
    with FileLock(track) as lock:
        assert lock.acquired


@pytest.mark.parametrize("spell", [str, Path, lambda path: f"{path}/", lambda path: path.parent / "x" / ".." / "Track"])
def test_a_folder_has_one_lock_however_it_is_spelt(track: Path, spell: Callable[[Path], str | Path]) -> None:
    with FileLock(spell(track)) as lock:
        assert lock.acquired
        assert lock_path(track).exists()
        assert not FileLock(track).acquire()


def test_a_relative_path_is_of_the_moment_when_it_was_given(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(track)
    here, named = FileLock("."), FileLock("../Track")
    monkeypatch.chdir("/")
    assert here.acquire()
    assert lock_path(track).exists()
    assert not named.acquire()
    here.release()


@dataclass(frozen=True)
class Refusal:
    """Obstacle, and what acquiring raises."""

    make: Callable[[Path], object]
    error: type[OSError]


def replaced_by_a_file(folder: Path) -> None:
    folder.rmdir()
    folder.touch()


REFUSALS = {
    "no folder": Refusal(Path.rmdir, FileNotFoundError),
    "a file": Refusal(replaced_by_a_file, NotADirectoryError),
    "data of that name": Refusal(lambda folder: lock_path(folder).write_text("[[package]]\n"), PermissionError),
    "a directory of that name": Refusal(lambda folder: lock_path(folder).mkdir(), PermissionError),
    "a link of that name": Refusal(lambda folder: lock_path(folder).symlink_to("nowhere"), OSError),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("wait", [False, True])
def test_obstacle_to_acquiring_is_raised(tmp_path: Path, name: str, wait: bool) -> None:
    refusal = REFUSALS[name]
    folder = tmp_path / "Song"
    folder.mkdir()
    refusal.make(folder)
    lock = FileLock(folder)
    with pytest.raises(refusal.error):
        lock.acquire(wait=wait)
    with pytest.raises(refusal.error), lock:
        pass
    assert not lock.acquired


def test_a_read_only_disk(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, os, "open", errno.EROFS, when=lambda _, flags, *__: bool(flags & os.O_CREAT))
    with pytest.raises(OSError, match="Read-only"):
        FileLock(track).acquire()


# A timeout


@pytest.mark.parametrize("timeout", [0.0, 1e-9, 3600, float("inf"), -1.0])
def test_a_timeout_is_no_wait(track: Path, start: StartPeer, timeout: float) -> None:
    start(track).holds()
    assert FileLock(track, timeout).acquire() is False


@pytest.mark.parametrize("timeout", [0.0, 1.0, float("inf"), float("nan")])
def test_an_old_lock_that_is_held_is_never_taken_away(track: Path, start: StartPeer, timeout: float) -> None:
    peer = start(track)
    peer.does(f"lock = FileLock(folder, float('{timeout}')); time.time = lambda: 0.0")
    assert peer.does("lock.acquire()") is True
    os.utime(lock_path(track), (0, 0))
    assert FileLock(track, 0.0).acquire() is False
    assert FileLock(track, timeout).acquire() is False
    assert peer.does("lock.acquired") is True
    peer.kill()
    with FileLock(track, timeout) as lock:
        assert lock.acquired


@pytest.mark.parametrize("left", [holder(started=0.0), guides_text(Path("Track"), os.getpid())], ids=["ours", "guide"])
def test_lock_of_the_dead_is_taken_over(track: Path, left: bytes) -> None:
    lock_path(track).write_bytes(left)
    with FileLock(track, timeout=1e9) as lock:
        assert lock.acquired
    assert os.listdir(track.parent) == ["Track"]


# Acquiring twice


def test_acquiring_twice_is_a_mistake(track: Path) -> None:
    lock = FileLock(track)
    assert lock.acquire()
    for wait in (False, True):
        with pytest.raises(LockUsageError, match=f"cannot acquire the lock of {track}: it is acquired already"):
            lock.acquire(wait=wait)
    with pytest.raises(LockUsageError), lock:
        pass
    assert lock.acquired
    assert attempt(track) == BUSY
    lock.release()
    assert attempt(track) == GOT


# Waiting


def test_waiting_gets_it_after_the_release(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    first, second = FileLock(track), FileLock(track)

    def sleeping(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            first.release()

    while_waiting(monkeypatch, sleeping)
    assert first.acquire()
    assert second.acquire(wait=True, poll_interval=0.25)
    assert slept == [0.25] * 3
    assert (first.acquired, second.acquired) == (False, True)
    second.release()


@pytest.mark.parametrize("how", ["released", "killed"])
def test_waiting_for_another_process(track: Path, start: StartPeer, how: str) -> None:
    holding, waiting = start(track).holds(), start(track)
    waiting.does("""if True:
        sleep = time.sleep
        def sleeping(seconds):
            if not os.path.exists(folder + "/waits"):
                os.mkdir(folder + "/waits")
            sleep(seconds)
        time.sleep = sleeping
    """)
    waiting.does("lock = FileLock(folder)")
    waiting.begins("lock.acquire(wait=True, poll_interval=0.01)")
    eventually((track / "waits").exists)
    if how == "killed":
        holding.kill()
    else:
        holding.does("lock.release()")
    assert waiting.answers() is True
    assert attempt(track) == BUSY


def test_waiting_ends_with_the_folder(track: Path, start: StartPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    start(track).holds()
    while_waiting(monkeypatch, lambda _: track.rename(track.with_name("Moved")))
    with pytest.raises(FileNotFoundError):
        FileLock(track).acquire(wait=True)


def test_waiting_can_be_interrupted(track: Path, start: StartPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> NoReturn:
        raise KeyboardInterrupt

    start(track).holds()
    while_waiting(monkeypatch, interrupted)
    lock = FileLock(track)
    with pytest.raises(KeyboardInterrupt):
        lock.acquire(wait=True)
    assert not lock.acquired


# Threads


def in_threads(*bodies: Callable[[], object]) -> list[object]:
    """Run each body in a thread, from the same moment on; gives what each gave, or the class of what it raised."""
    barrier = threading.Barrier(len(bodies))
    answers: list[object] = [None] * len(bodies)

    def run(number: int) -> None:
        barrier.wait()
        try:
            answers[number] = bodies[number]()
        except Exception as error:  # noqa: BLE001  # the answer
            answers[number] = type(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    return answers


def test_one_of_many_threads_gets_the_lock(track: Path) -> None:
    for _ in range(20):
        locks = [FileLock(track) for _ in range(8)]
        answers = in_threads(*(lock.acquire for lock in locks))
        assert sorted(map(repr, answers)) == ["False"] * 7 + ["True"]
        assert [lock.acquired for lock in locks] == answers
        for lock in locks:
            lock.release()
        assert not lock_path(track).exists()


def test_a_thread_that_comes_while_another_is_taking_it(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take, second = kernel.take, FileLock(track)
    seen = []

    def taking(descriptor: int, *, local: bool) -> bool:
        monkeypatch.setattr(kernel, "take", take)
        got = take(descriptor, local=local)
        seen.extend(in_threads(second.acquire))
        return got

    monkeypatch.setattr(kernel, "take", taking)
    with FileLock(track) as first:
        assert first.acquired
        assert seen == [False]
        assert not second.acquired


def test_threads_that_share_one(track: Path) -> None:
    lock = FileLock(track)
    for _ in range(20):
        assert sorted(map(repr, in_threads(*[lock.acquire] * 4))) == sorted(map(repr, [True, *[LockUsageError] * 3]))
        assert attempt(track) == BUSY
        assert in_threads(*[lock.release] * 4) == [None] * 4
        assert attempt(track) == GOT


def test_release_is_guarded_by_the_threads_mutex(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Close the descriptor once: at a second time it may be another file's."""
    lock, give_back = FileLock(track), folder_lock.give_back
    guarded = []

    def giving(path: str, descriptor: int, kind: Kind) -> None:
        guarded.append(lock._threads.locked())
        give_back(path, descriptor, kind)

    monkeypatch.setattr(folder_lock, "give_back", giving)
    with lock:
        pass
    assert guarded == [True]


# Forks


def test_a_forked_child_does_not_have_it(track: Path, start: StartPeer) -> None:
    peer = start(track)
    peer.does("lock = FileLock(folder)")
    assert peer.does("lock.acquire()") is True
    assert peer.does("in_child(lambda: [lock.acquired, lock.acquire(), lock.release()])") == [False, False, None]
    assert peer.does("lock.acquired") is True
    assert attempt(track) == BUSY
    assert peer.does("lock.release()") is None
    assert peer.does("in_child(lambda: [lock.acquire(), lock.acquired])") == [True, True]
    assert attempt(track) == GOT


def test_a_pool_of_forked_processes(track: Path, start: StartPeer) -> None:
    """The guide's fourth pattern: each worker takes the lock by itself, also those of a process that has locked."""
    peer = start(track)
    peer.does("""if True:
        import multiprocessing
        def work(number):
            with FileLock(folder) as lock:
                return lock.acquired
        def pool():
            with multiprocessing.get_context("fork").Pool(2) as pool:
                return pool.map(work, range(4), chunksize=4)
    """)
    assert peer.does("pool()") == [True] * 4
    peer.holds()
    assert peer.does("pool()") == [False] * 4
    assert attempt(track) == BUSY


# Objects that go


def forgotten(track: Path) -> None:
    assert FileLock(track).acquire()


def in_a_cycle(track: Path) -> None:
    cycle = [FileLock(track)]
    cycle.append(cycle)  # type: ignore[arg-type]  # that is what a cycle is
    assert cycle[0].acquire()
    del cycle
    gc.collect()


def in_a_thread(track: Path) -> None:
    assert in_threads(FileLock(track).acquire) == [True]


def amid_the_opening_of_another(track: Path) -> None:
    """The garbage collector may come at any moment."""
    lock = FileLock(track)
    assert lock.acquire()
    with kernel._guard:
        del lock


@pytest.mark.parametrize("lose", [forgotten, in_a_cycle, in_a_thread, amid_the_opening_of_another])
def test_a_lock_whose_object_goes_is_given_back(track: Path, lose: Callable[[Path], None]) -> None:
    with pytest.warns(ResourceWarning, match="went while it was acquired: its lock was given back"):
        lose(track)
    assert attempt(track) == GOT
    assert not lock_path(track).exists()


def test_a_warning_that_is_an_error_gives_it_back_all_the_same(track: Path) -> None:
    told: list[object] = []
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(sys, "unraisablehook", told.append)
        patch.setattr(sys, "excepthook", lambda *what: told.append(what))
        warnings.simplefilter("error")
        forgotten(track)
    assert len(told) == 1
    assert attempt(track) == GOT


def test_an_object_that_is_not_acquired_goes_in_silence(track: Path) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with FileLock(track):
            pass
        del told[:]
        FileLock(track)
        gc.collect()
    assert told == []


_ENDS = """
import gc, os, sys
from audiobatchd import FileLock
lock = FileLock(sys.argv[1])
assert lock.acquire()
"""
_FORKS = """
child = os.fork()
if not child:
    del lock
    gc.collect()
    os._exit(0)
os.waitpid(child, 0)
os.write(1, b"still acquired" if lock.acquired else b"lost")
with open(sys.argv[1] + ".lock", "rb") as file:
    assert file.read()
"""


@pytest.mark.parametrize(("script", "out"), [(_ENDS, ""), (_ENDS + _FORKS, "still acquired")], ids=["end", "fork"])
def test_neither_the_end_nor_a_child_of_a_fork_warns(track: Path, script: str, out: str) -> None:
    command = [sys.executable, "-W", "always", "-c", script, os.fspath(track)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, out, "")
    assert attempt(track) == GOT
    assert not lock_path(track).exists()

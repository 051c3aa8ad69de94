"""Threads that read disks: one that hangs keeps no other waiting, and no end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from audiobatchd.scan.readers import Hands, Readers, sign_of_life
from support.service import eventually
from support.shortage import no_thread


def test_work_is_done_and_its_result_told() -> None:
    readers = Readers(2)
    futures = [readers.submit(lambda number=number: number * 2) for number in range(20)]  # type: ignore[misc]
    assert [future.result(60) for future in futures] == [number * 2 for number in range(20)]
    readers.stop(10)


def test_what_work_raises_is_its_own() -> None:
    readers = Readers(1)
    failed = readers.submit(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        failed.result(60)
    assert readers.submit(lambda: "and goes on").result(60) == "and goes on"
    readers.stop(10)


@pytest.mark.parametrize("has_begun", [False, True])
def test_work_that_nothing_waits_for_any_more_ends_no_thread(has_begun: bool) -> None:
    readers, gate, begun = Readers(1), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(60)

    readers.submit(work)
    left = readers.submit(lambda: None)
    assert begun.wait(60)
    if not has_begun:
        left.cancel()
    gate.set()
    assert readers.submit(lambda: "and goes on").result(60) == "and goes on"
    readers.stop(10)


def test_the_end_waits_for_what_was_asked_before() -> None:
    readers = Readers(1)
    gate = threading.Event()
    readers.submit(lambda: gate.wait(60))
    last = readers.submit(lambda: "last")
    gate.set()
    readers.stop(10)
    assert last.done()


def test_a_program_ends_although_a_reader_hangs() -> None:
    program = (
        "import threading\n"
        "from audiobatchd.scan.readers import Readers\n"
        "dead, alive = Readers(1), Readers(1)\n"
        "dead.submit(threading.Event().wait)\n"
        "assert alive.submit(lambda: 7).result(60) == 7\n"
        "dead.stop(0.1)\n"
        "alive.stop(1.0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_threads_begin_with_the_work_and_are_bounded() -> None:
    hands, gate = Hands(3), threading.Event()
    before = threading.active_count()
    datasets = [Readers(2, hands) for _ in range(50)]
    assert threading.active_count() == before, "none before there is work"
    at_once, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        gate.wait(60)
        with lock:
            at_once -= 1

    futures = [readers.submit(work) for readers in datasets for _ in range(3)]
    eventually(lambda: most == 3)
    assert threading.active_count() == before + 3
    gate.set()
    for future in futures:
        future.result(60)
    assert most == 3


def test_work_of_one_dataset_takes_no_more_than_its_share() -> None:
    hands, gate = Hands(8), threading.Event()
    flooded, other = Readers(2, hands), Readers(2, hands)
    futures = [flooded.submit(lambda: gate.wait(60)) for _ in range(100)]
    assert other.submit(lambda: 7).result(60) == 7
    assert len(flooded.at_work) <= 2
    gate.set()
    assert all(future.result(60) for future in futures)


def test_disks_that_hang_use_up_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.scan.readers._HANGS", 0.2)
    hands, gate = Hands(2), threading.Event()
    hung = [Readers(2, hands) for _ in range(5)]
    for readers in hung:
        for _ in range(2):
            readers.submit(lambda: gate.wait(60))
    waiting = Readers(2, hands).submit(lambda: 7)

    def answered() -> bool:
        assert hands.grow() == ""  # as the service does every second
        return waiting.done()

    eventually(answered)
    gate.set()
    for readers in hung:
        readers.stop(10)


def test_work_that_gives_signs_of_life_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.scan.readers._HANGS", 0.5)
    hands, gate, begun = Hands(1), threading.Event(), time.monotonic()

    def walk() -> None:
        while not gate.wait(0.01):
            sign_of_life()

    long = Readers(1, hands).submit(walk)
    waiting = Readers(1, hands).submit(lambda: 7)

    def is_long_ago() -> bool:
        assert hands.grow() == ""
        return time.monotonic() > begun + 1.5

    eventually(is_long_ago)
    assert not waiting.done(), "one at a time, however long it takes"
    gate.set()
    assert (long.result(60), waiting.result(60)) == (None, 7)


def test_idle_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.scan.readers._IDLE", 0.05)
    readers, before = Readers(4), threading.active_count()
    for future in [readers.submit(lambda: 7) for _ in range(20)]:
        assert future.result(60) == 7
    eventually(lambda: threading.active_count() == before)
    assert readers.submit(lambda: 8).result(60) == 8, "and another one begins"


def test_order_of_work_is_kept_by_a_single_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.scan.readers._IDLE", 0.0)  # a thread ends at every opportunity
    readers, done = Readers(1), list[int]()
    futures = [readers.submit(lambda number=number: done.append(number)) for number in range(500)]  # type: ignore[misc]
    for future in futures:
        future.result(60)
    assert done == list(range(500))


def test_reader_without_a_thread_keeps_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        readers = Readers(1)
        future = readers.submit(lambda: 7)
        assert readers.grow() == "can't start new thread"
    assert readers.grow() == ""
    assert future.result(60) == 7
    readers.stop(20)

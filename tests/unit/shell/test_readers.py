"""Threads that read disks: one that hangs keeps nobody else waiting, and no end."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from audiobatchd.readers import Readers


def test_work_is_done_and_its_result_told() -> None:
    readers = Readers("music", 2)
    futures = [readers.submit(lambda number=number: number * 2) for number in range(20)]  # type: ignore[misc]
    assert [future.result(10) for future in futures] == [number * 2 for number in range(20)]
    readers.stop(10)


def test_what_work_raises_is_its_own() -> None:
    readers = Readers("music", 1)
    failed = readers.submit(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        failed.result(10)
    assert readers.submit(lambda: "and goes on").result(10) == "and goes on"
    readers.stop(10)


def test_the_end_waits_for_what_was_asked_before() -> None:
    readers = Readers("music", 1)
    gate = threading.Event()
    readers.submit(lambda: gate.wait(10))
    last = readers.submit(lambda: "last")
    gate.set()
    readers.stop(10)
    assert last.done()


def test_a_program_ends_although_a_reader_hangs() -> None:
    program = (
        "import threading\n"
        "from audiobatchd.readers import Readers\n"
        "dead, alive = Readers('dead mount', 1), Readers('disk', 1)\n"
        "dead.submit(threading.Event().wait)\n"
        "assert alive.submit(lambda: 7).result(10) == 7\n"
        "dead.stop(0.1)\n"
        "alive.stop(1.0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)

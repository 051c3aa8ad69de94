"""Scripts that are interrupted from the keyboard: no lock and no temporary file stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from audiobatchd import FileLock
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks import folder_lock
from support.service import leftovers

pytestmark = pytest.mark.usefixtures("_interruptible")

TESTS = str(Path(__file__).parents[2])
PROGRAM = "from support.ctrl_c import main; main()"


@pytest.mark.parametrize("work", ["hold", "save", "save_under_a_lock", "acquire"])
def test_no_lock_and_no_temporary_file_stays(song: Path, work: str) -> None:
    command = [sys.executable, "-c", PROGRAM, work, str(song)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": TESTS})
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 100, "steps"


def test_a_signal_whose_handler_raises_leaves_none_either(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> NoReturn:
        sys.exit(1)

    before = signal.signal(signal.SIGTERM, end)
    monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(signal.SIGTERM))
    try:
        with pytest.raises(SystemExit):
            FileLock(song).acquire()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert leftovers(song.parent) == []


# The end of a script


def test_interrupt_while_giving_all_back_leaves_no_lock(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = song.with_name("Other")
    other.mkdir()
    locks = [FileLock(folder) for folder in (song, other)]
    assert all(lock.acquire() for lock in locks)
    give_back = folder_lock.give_back

    def interrupted_give_back(path: str, descriptor: int, kind: Kind) -> None:
        signal.raise_signal(signal.SIGINT)
        give_back(path, descriptor, kind)

    monkeypatch.setattr(folder_lock, "give_back", interrupted_give_back)
    with pytest.raises(KeyboardInterrupt):
        folder_lock._give_back_all()
    assert leftovers(song.parent) == []


def test_a_thread_keeps_what_it_has(song: Path) -> None:
    lock = FileLock(song)
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    folder_lock._give_back_all()
    assert lock.acquired
    lock.release()


def test_lock_is_given_back_when_the_script_ends(song: Path) -> None:
    program = (
        "import os, signal, sys; from audiobatchd import FileLock; lock = FileLock(sys.argv[1]); lock.acquire();"
        "print(*os.listdir(sys.argv[2]), flush=True); signal.raise_signal(signal.SIGINT)"
    )
    command = [sys.executable, "-c", program, str(song), str(song.parent)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGINT, ended.stderr
    assert sorted(ended.stdout.split()) == ["Song", "Song.lock"]
    assert leftovers(song.parent) == []

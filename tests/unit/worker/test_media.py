"""The real process that makes pictures: its rank, its limits, and what is heard of it whatever it does."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psutil
import pytest

from audiobatchd.worker.media import PictureError, PictureMaker
from audiobatchd.worker.orders import Kind, Order, Waveform
from support.audio_files import tone, write_audio
from support.service import descriptors_of, eventually

_T = TypeVar("_T")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[Path], int]]:
    """Opens files, and closes them at the end."""
    files: list[int] = []

    def do(path: Path) -> int:
        files.append(os.open(path, os.O_RDONLY))
        return files[-1]

    yield do
    for each in files:
        os.close(each)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A healthy file."""
    return write_audio(tmp_path / "full_mix.flac", tone(2.0, 8000, 1), 8000)


def order(kind: Kind = Kind.WAVEFORM, longest: float = 60.0) -> Order:
    return Order(kind, b"full_mix.flac", longest)


def run(maker: PictureMaker, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Do something with the maker, and end it."""

    async def do() -> _T:
        try:
            return await work()
        finally:
            maker.close()

    return asyncio.run(do())


def score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)


def test_one_process_behind_all_others_makes_each_kind(song: Path, opened: Callable[[Path], int]) -> None:
    maker = PictureMaker()

    async def work() -> list[bytes]:
        made, pids = [], set()
        before = descriptors_of(os.getpid()).keys()
        for kind in Kind:
            made.append(await maker.make(order(kind), opened(song)))
            pids.add(maker.pid)
        (pid,) = pids
        assert pid is not None
        process = psutil.Process(pid)
        assert process.nice() == 19
        assert process.ionice().ioclass == psutil.IOPRIO_CLASS_IDLE
        assert process.rlimit(psutil.RLIMIT_DATA) == (1 << 30, 1 << 30)
        assert score(pid) == 500
        # The source and the result are closed on both sides.
        assert not [each for each in descriptors_of(pid).values() if "full_mix" in each or "memfd" in each]
        assert len(descriptors_of(os.getpid()).keys() - before) <= len(made) + 2
        maker.close()
        eventually(lambda: is_gone(pid))
        return made

    waveform, spectrogram, _ = run(maker, work)
    assert msgspec.json.decode(waveform, type=Waveform).seconds == pytest.approx(2.0)
    assert spectrogram.startswith(b"\x89PNG")


def test_damaged_file_says_why_and_the_next_is_made(song: Path, tmp_path: Path, opened: Callable[[Path], int]) -> None:
    whole = song.read_bytes()
    (tmp_path / "damaged.flac").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.flac").write_bytes(b"")
    (tmp_path / "text.flac").write_bytes(b"<script>" * 100)
    maker = PictureMaker()

    async def work() -> dict[str, str]:
        told = {}
        for name in ("damaged", "empty", "text"):
            with pytest.raises(PictureError) as raised:
                await maker.make(order(), opened(tmp_path / f"{name}.flac"))
            assert raised.value.lasting
            told[name] = str(raised.value)
        with pytest.raises(PictureError, match="longer than"):
            await maker.make(order(longest=1.0), opened(song))
        assert await maker.make(order(), opened(song))
        return told

    told = run(maker, work)
    assert told["empty"] == "is empty"
    assert all(told.values())


def test_process_that_hangs_is_killed_and_told(song: Path, opened: Callable[[Path], int]) -> None:
    maker = PictureMaker(standstill=0.5)

    async def work() -> None:
        maker._standstill = 60.0  # its start takes as long as it takes
        await maker.make(order(), opened(song))
        maker._standstill = 0.3
        assert maker.pid is not None
        os.kill(maker.pid, signal.SIGSTOP)
        pid = maker.pid
        with pytest.raises(PictureError, match="in time") as raised:
            await maker.make(order(), opened(song))
        assert not raised.value.lasting
        assert is_gone(pid)
        maker._standstill = 60.0
        assert await maker.make(order(), opened(song))

    run(maker, work)


def test_process_that_dies_is_told_and_replaced(song: Path, opened: Callable[[Path], int]) -> None:
    maker = PictureMaker()

    async def work() -> None:
        await maker.make(order(), opened(song))
        pid = maker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        asking = asyncio.create_task(maker.make(order(), opened(song)))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGSEGV)
        os.kill(pid, signal.SIGCONT)
        with pytest.raises(PictureError, match="signal 11") as raised:
            await asking
        assert not raised.value.lasting
        assert await maker.make(order(), opened(song))  # while it was idle, it may have been killed as well
        assert maker.pid is not None
        os.kill(maker.pid, signal.SIGKILL)
        eventually(lambda: maker._process is not None and maker._process.has_ended)
        assert await maker.make(order(), opened(song))

    run(maker, work)


def test_idle_process_ends(song: Path, opened: Callable[[Path], int]) -> None:
    maker = PictureMaker(idle=0.0)

    async def work() -> None:
        await maker.make(order(), opened(song))
        pid = maker.pid
        assert pid is not None
        await asyncio.get_running_loop().run_in_executor(None, eventually, lambda: maker.pid is None)
        assert is_gone(pid)

    run(maker, work)


def test_given_up_order_answers_no_later_one(song: Path, opened: Callable[[Path], int]) -> None:
    maker = PictureMaker()

    async def work() -> bytes:
        asking = asyncio.create_task(maker.make(order(Kind.SPECTROGRAM), opened(song)))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert maker.pid is None
        return await maker.make(order(), opened(song))

    assert run(maker, work).startswith(b"{")

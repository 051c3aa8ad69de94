"""The line of pictures: each made once, one at a time, bounded, and none that is not asked for any more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from audiobatchd.control.server.routes import RefusedError
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.web import making
from audiobatchd.web.cache import PictureCache
from audiobatchd.web.folder import Source, opened_source
from audiobatchd.web.making import MOST_WAITING, Makers
from audiobatchd.worker.media import PictureMaker
from audiobatchd.worker.orders import Kind, Order
from support.audio_files import tone, write_audio

_T = TypeVar("_T")
WAVE = Kind.WAVEFORM


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A healthy file that is open."""
    (tmp_path / "music").mkdir()
    write_audio(tmp_path / "music" / "full_mix.flac", tone(1.0, 8000, 1), 8000)
    return opened_source(FolderKey(str(tmp_path / "music"), ""), "full_mix")


class Counted(PictureMaker):
    """The real one, counting its orders."""

    count = 0

    async def make(self, order: Order, source: int) -> bytes:
        self.count += 1
        return await super().make(order, source)


def run(makers: Makers, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    async def do() -> _T:
        try:
            return await work()
        finally:
            await makers.close()

    return asyncio.run(do())


async def idle(makers: Makers) -> None:
    """Wait until nothing is left to be made."""
    assert makers._working is not None
    await makers._working


def test_picture_that_is_asked_for_twice_is_made_once(source: Source, tmp_path: Path) -> None:
    cache, maker = PictureCache(tmp_path / "kept", 1 << 20), Counted()
    makers = Makers(cache, maker)

    async def work() -> None:
        for _ in range(5):
            makers.ask("a", WAVE, source)
        makers.ask("b", WAVE, source)
        await idle(makers)

    run(makers, work)
    assert maker.count == 2
    made = makers.recent("a")
    assert made == cache.get("a") == makers.recent("b")
    assert made
    assert made.startswith(b"{")


def test_line_is_bounded(source: Source, tmp_path: Path) -> None:
    makers = Makers(PictureCache(tmp_path / "kept", 1 << 20))

    async def work() -> None:
        for number in range(MOST_WAITING):
            makers.ask(str(number), WAVE, source)
        makers.ask("0", WAVE, source)
        with pytest.raises(RefusedError) as raised:
            makers.ask("more", WAVE, source)
        assert raised.value.args == (503, "16 pictures are waited for already; try again")

    run(makers, work)


def test_picture_that_nobody_waits_for_is_not_made(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = Counted()
    makers = Makers(PictureCache(tmp_path / "kept", 1 << 20), maker)
    monkeypatch.setattr(making, "_ASKED_FOR", -1.0)

    async def work() -> None:
        makers.ask("a", WAVE, source)
        await idle(makers)

    run(makers, work)
    assert maker.count == 0


def test_damage_is_told_and_not_looked_for_again(tmp_path: Path) -> None:
    (tmp_path / "full_mix.flac").write_bytes(b"fLaC" + bytes(100))
    source = opened_source(FolderKey(str(tmp_path), ""), "full_mix")
    maker = Counted()
    makers = Makers(PictureCache(tmp_path / "kept", 1 << 20), maker)

    async def work() -> None:
        makers.ask("a", WAVE, source)
        await idle(makers)
        for _ in range(2):
            with pytest.raises(RefusedError) as raised:
                makers.ask("a", WAVE, source)
            status, words = raised.value.args
            assert status == 422
            assert words.startswith("full_mix.flac ")
            assert len(words) > len("full_mix.flac ")

    run(makers, work)
    assert maker.count == 1


def test_failure_that_may_pass_is_tried_again(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    makers = Makers(PictureCache(tmp_path / "kept", 1 << 20), PictureMaker(longest=0.0))

    async def work() -> None:
        makers.ask("a", WAVE, source)
        await idle(makers)
        with pytest.raises(RefusedError, match="in time"):
            makers.ask("a", WAVE, source)
        monkeypatch.setattr(making, "_SHORT", 0.0)
        makers._fail("a", "", lasting=False)
        makers._maker = PictureMaker()
        makers.ask("a", WAVE, source)
        await idle(makers)

    run(makers, work)
    assert makers.recent("a")


def test_file_that_changes_meanwhile_has_no_picture(source: Source, tmp_path: Path) -> None:
    cache = PictureCache(tmp_path / "kept", 1 << 20)
    makers = Makers(cache)

    async def work() -> None:
        os.utime(tmp_path / "music" / "full_mix.flac", (1, 1))
        makers.ask("a", WAVE, source)
        await idle(makers)
        with pytest.raises(RefusedError):
            makers.ask("a", WAVE, source)

    run(makers, work)
    assert cache.get("a") is None

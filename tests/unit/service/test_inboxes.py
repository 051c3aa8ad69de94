"""The processes of inboxes: started, told, heard, ended, started again, and left where their disk hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from audiobatchd.control.status import InboxStatus
from audiobatchd.core.dataset import Dataset
from audiobatchd.core.walk_schedule import WalkSchedule
from audiobatchd.imports.inbox import Terms
from audiobatchd.imports.naming import USUAL
from audiobatchd.service import inboxes as module
from audiobatchd.service.inboxes import Inboxes
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.states import DatasetState, InboxState
from support.hanging_mount import hanging_mount, why_not
from support.music_library import folders, write

pytestmark = pytest.mark.usefixtures("_interruptible")


class Ground:
    """An inbox with two tracks and its dataset, which works."""

    def __init__(self, root: Path) -> None:
        self.inbox = write(root / "inbox", "Artist/Album/01 One.flac", "Artist/Album/02 Two.wav")
        self.target = root / "dataset"
        self.target.mkdir()
        self.dataset = Dataset(str(self.target), WalkSchedule(3600.0))
        self.dataset.belief.is_confirmed, self.dataset.belief.root = True, FileId.of(self.target.stat())
        self.made = Inboxes()

    def terms(self, settle: float = 0.0) -> Terms:
        return Terms(str(self.inbox), str(self.inbox), str(self.target), settle, USUAL, "", (), "")

    async def until(self, condition: Callable[[InboxStatus], object]) -> InboxStatus:
        """Look after it until its status is as wanted."""
        async with asyncio.timeout(60):
            while True:
                self.made.look_after({self.dataset.path: self.dataset}, time.monotonic())
                if (found := self.made.status()) and condition(found[0]):
                    return found[0]
                await asyncio.sleep(0.05)

    def pid(self) -> int:
        (each,) = self.made._at_work()
        return each.process.pid


def run(ground: Ground, work: Callable[[], Awaitable[None]]) -> None:
    """Do some work in a loop, and end all processes."""

    async def whole() -> None:
        try:
            await work()
        finally:
            await ground.made.stop()

    asyncio.run(whole())
    assert ground.made._at_work() == []


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_files_are_moved_counted_and_logged(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    write(ground.inbox, "Artist/Album/cover.jpg")

    async def work() -> None:
        ground.made.take_terms((ground.terms(),))
        status = await ground.until(lambda each: each.moved == 2)
        assert [(each.path, each.why) for each in status.left] == [("Artist", "no track: 1 picture")]
        assert len(folders(ground.target)) == 2

    with caplog.at_level("INFO"):
        run(ground, work)
    assert [record.getMessage() for record in caplog.records] == ["inbox-moved", "inbox-moved", "inbox-left"]


@pytest.mark.parametrize("why", ["paused", "not walked", "gone"])
def test_a_dataset_that_does_not_work_gets_nothing(ground: Ground, why: str) -> None:
    if why == "paused":
        ground.dataset.state, ground.dataset.remark = DatasetState.PAUSED, "empty"
    ground.dataset.belief.is_confirmed = why != "not walked"
    if why == "gone":
        ground.dataset.path = "/nowhere"
    remark = {
        "paused": "its dataset is paused: empty",
        "not walked": "its dataset has not been walked yet",
        "gone": "its dataset is not configured",
    }[why]

    async def work() -> None:
        ground.made.take_terms((ground.terms(),))
        await ground.until(lambda each: (each.state, each.remark) == (InboxState.HELD, remark))
        assert not list(ground.target.iterdir())

    run(ground, work)


def test_a_killed_process_is_told_of_and_started_again(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_RESTART", 0.0)

    async def work() -> None:
        ground.made.take_terms((ground.terms(settle=3600.0),))
        await ground.until(lambda each: each.state is InboxState.WATCHING)
        before = ground.pid()
        os.kill(before, signal.SIGKILL)
        await ground.until(lambda each: each.remark == "its process ended: killed by signal 9")
        await ground.until(lambda each: each.state is InboxState.WATCHING)
        assert ground.pid() != before

    run(ground, work)


def test_other_terms_take_another_process(ground: Ground) -> None:
    async def work() -> None:
        ground.made.take_terms((ground.terms(settle=3600.0),))
        await ground.until(lambda each: each.waiting == 2)
        ground.made.take_terms((ground.terms(),))
        await ground.until(lambda each: each.moved == 2)
        ground.made.take_terms(())
        assert ground.made.status() == []

    run(ground, work)


def test_the_end_of_a_removed_inbox_is_no_hindrance(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        ground.made.take_terms((ground.terms(settle=3600.0),))
        await ground.until(lambda each: each.state is InboxState.WATCHING)
        ground.made.take_terms(())
        async with asyncio.timeout(60):
            await ground.made._one_ended.wait()

    with caplog.at_level("INFO"):
        run(ground, work)
    assert not caplog.records


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_disk_that_hangs_is_told_of_and_left(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_SILENT", 1.0)
    monkeypatch.setattr(module, "_LAST_STEPS", 0.2)
    with hanging_mount(tmp_path / "mount", tmp_path / "behind") as mount:
        ground.inbox = mount.place

        async def work() -> None:
            ground.made.take_terms((ground.terms(),))
            await ground.until(lambda each: each.state is InboxState.WATCHING)
            mount.hang()
            status = await ground.until(lambda each: each.state is InboxState.HINDERED)
            assert "does not answer, for" in status.remark
            mount.heal()
            await ground.until(lambda each: each.state is InboxState.WATCHING)
            mount.hang()
            await ground.until(lambda each: each.state is InboxState.HINDERED)

        try:
            with caplog.at_level("INFO"):
                asyncio.run(work())
                asyncio.run(ground.made.stop())
        finally:
            mount.heal()
    told = [record.getMessage() for record in caplog.records]
    assert told == ["inbox-hindered", "inbox-works", "inbox-hindered"]

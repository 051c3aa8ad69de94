"""All hooks of a service: the outbox from one run to the next, reloads, and jobs that wait until they are marked."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from audiobatchd.config.hooks import HookConfig
from audiobatchd.core import actions as do
from audiobatchd.core.events import MarksFound
from audiobatchd.errors import UsageError
from audiobatchd.hooks.hooks import Hooks, wanted_by
from audiobatchd.hooks.outbox import Entry, Outbox
from audiobatchd.hooks.waiting import Waiting
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.hook_events import HookEvent
from support.hook_rig import STALL, serving, until

SONG = FolderKey("/music", "Song")
DONE, FAILED = HookEvent.FOLDER_DONE, HookEvent.FOLDER_FAILED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hooks.sqlite"


def hook(
    path: Path, name: str = "mail", on: tuple[HookEvent, ...] = (DONE,), dataset: tuple[str, ...] = ()
) -> HookConfig:
    """A hook that writes each message into a file of its name beside the outbox."""
    return HookConfig(
        on, name, ("sh", "-c", f'cat >> "{path.parent}/{name}"; echo >> "{path.parent}/{name}"'), dataset=dataset
    )


def taken(path: Path, name: str = "mail") -> list[str]:
    """The folders that a hook was told of."""
    file = path.parent / name
    return [json.loads(line).get("folder", "") for line in file.read_text().splitlines()] if file.exists() else []


def running(
    path: Path | None,
    work: Callable[[Hooks], Awaitable[None]],
    *configs: HookConfig,
) -> list[MarksFound]:
    """Run hooks from start to stop; the marks that they posted."""
    found: list[MarksFound] = []

    async def run() -> None:
        broken: list[BaseException] = []
        hooks = Hooks(
            path, asyncio.get_running_loop().time, broken.append, [].append if found is None else found.append
        )
        hooks.take_terms(configs)
        hooks.start()
        try:
            await work(hooks)
        finally:
            await hooks.stop()
            hooks.close()
        assert not broken

    asyncio.run(run())
    return found


def tell(event: HookEvent = DONE, path: str | None = "Song", dataset: str = "/music") -> do.Tell:
    return do.Tell(event, dataset, path)


def test_each_hook_is_told_what_it_asked_for(path: Path) -> None:
    async def work(hooks: Hooks) -> None:
        hooks.perform(do.Begin(SONG))
        hooks.perform(tell())
        hooks.perform(tell(FAILED, "bad"))
        hooks.perform(tell(DONE, "other", "/elsewhere"))
        await until(lambda: [each.delivered for each in hooks.status()] == [2, 1, 1])

    configs = (hook(path), hook(path, "fails", (FAILED,)), hook(path, "one", dataset=("/music",)))
    running(path, work, *configs)
    assert (taken(path), taken(path, "fails"), taken(path, "one")) == (["Song", "other"], ["bad"], ["Song"])
    with closing(Outbox(path)) as outbox:
        assert (outbox.entries(), outbox.begun()) == ([], frozenset())
        assert outbox.unfinished() == {"/music"}


def test_what_the_last_run_left_comes_first(path: Path) -> None:
    with closing(Outbox(path)) as outbox:
        for number, folder in enumerate("abc"):
            body = json.dumps({"id": folder, "event": "x", "time": "", "folder": folder}).encode()
            outbox.put(("/music", folder), [(Entry(number, "mail", ("/music", folder), 2), body)], finished=False)
        outbox.put(("/music", "z"), [(Entry(7, "gone", ("/music", "z"), 2), b"{}")], finished=False)

    async def work(hooks: Hooks) -> None:
        hooks.perform(tell(path="d"))
        await until(lambda: hooks.status()[0].delivered == 4)

    running(path, work, hook(path))
    assert taken(path) == ["a", "b", "c", "d"]
    with closing(Outbox(path)) as outbox:
        assert outbox.entries() == [], "nor what is for a hook that is not there"


def test_work_waits_until_folders_are_marked(path: Path) -> None:
    async def work(hooks: Hooks) -> None:
        seen: list[frozenset[FolderKey]] = []
        hooks.when_marked(lambda: seen.append(frozenset()))
        hooks.perform(do.Begin(SONG))
        hooks.when_marked(lambda: seen.append(marks_in(path)))
        assert seen == [frozenset()]
        await until(lambda: len(seen) == 2)
        assert seen[1] == {SONG}

    running(path, work, hook(path))


def marks_in(path: Path) -> frozenset[FolderKey]:
    with closing(sqlite3.connect(path)) as other:
        return frozenset(FolderKey(*map(bytes.decode, row)) for row in other.execute("SELECT * FROM begun"))


def test_work_is_not_held_up_by_a_state_directory_that_hangs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.hooks.hooks._PATIENCE", 0.05)

    async def work(hooks: Hooks) -> None:
        hooks._submit(lambda: hanging.wait(20))
        hooks.perform(do.Begin(SONG))
        done = asyncio.Event()
        hooks.when_marked(done.set)
        await asyncio.wait_for(done.wait(), 10)
        hanging.set()

    hanging = threading.Event()
    running(path, work, hook(path))


def test_reloads_add_change_and_drop_hooks(path: Path) -> None:
    async def work(hooks: Hooks) -> None:
        hooks.perform(tell(path="before"))
        hooks.take_terms([hook(path)])
        hooks.perform(tell(path="a"))
        await until(lambda: taken(path) == ["a"])
        never = HookConfig((DONE,), "mail", ("false",))
        hooks.take_terms([never, hook(path, "new")])
        hooks.perform(tell(path="b"))
        await until(lambda: hooks.status()[0].failures and hooks.status()[1].delivered)
        hooks.take_terms([hook(path), hook(path, "new")])
        await until(lambda: taken(path) == ["a", "b"])
        hooks.take_terms([never])
        hooks.perform(tell(path="c"))
        hooks.take_terms([])
        assert hooks.status() == []

    running(path, work)
    assert taken(path, "new") == ["b"]
    with closing(Outbox(path)) as outbox:
        assert (outbox.entries(), outbox.begun()) == ([], frozenset())


def test_what_waited_for_hooks_of_another_time_is_not_sent(path: Path) -> None:
    with closing(Outbox(path)) as outbox:
        outbox.put(("/music", "old"), [(Entry(0, "mail", ("/music", "old"), 2), b"{}")], finished=False)

    async def work(hooks: Hooks) -> None:
        hooks.take_terms([hook(path)])
        hooks.perform(tell(path="new"))
        await until(lambda: taken(path))

    running(path, work)
    assert taken(path) == ["new"]


def test_without_hooks_there_is_no_outbox(path: Path) -> None:
    async def work(hooks: Hooks) -> None:
        hooks.perform(tell())
        hooks.again()
        with pytest.raises(UsageError, match="here are none"):
            await hooks.test("mail", "/music")

    running(path, work)
    assert not path.exists()


def test_a_full_disk_loses_nothing_while_the_service_runs(path: Path) -> None:
    async def work(hooks: Hooks) -> None:
        with closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            hooks.perform(tell())
            await until(lambda: hooks.trouble)
            await until(lambda: taken(path) == ["Song"])
        hooks.again()
        await until(lambda: not hooks.trouble)

    running(path, work, hook(path))


def test_slow_disk_during_a_reload_ends_no_thread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.hooks.hooks._LAST_STEPS", 0.1)
    gate = threading.Event()

    async def work(hooks: Hooks) -> None:
        hooks._submit(lambda: gate.wait(60))
        hooks.perform(tell(path="a"))
        await asyncio.sleep(0)  # both have asked for the message
        hooks.take_terms([hook(path)])
        await asyncio.gather(*hooks._leaving)
        gate.set()
        hooks.perform(tell(path="b"))
        await until(lambda: taken(path) == ["a", "b"])

    running(path, work, hook(path), hook(path, "other"))


def test_outbox_that_could_not_be_read_at_the_start_is_read_when_it_can_be(path: Path) -> None:
    with closing(Outbox(path)) as outbox:
        for number, name in enumerate(("mail", "gone")):
            body = json.dumps({"id": name, "event": "x", "time": "", "folder": "left"}).encode()
            outbox.put(("/music", "left"), [(Entry(number, name, ("/music", "left"), 2), body)], finished=False)
        outbox.begin(SONG)
    path.rename(path.with_name("elsewhere"))
    path.mkdir()

    def put_back() -> None:
        path.rmdir()
        path.with_name("elsewhere").rename(path)

    def is_read(hooks: Hooks) -> bool:
        hooks.again()
        return hooks.status()[0].delivered == 2

    async def work(hooks: Hooks) -> None:
        hooks.perform(tell(path="new"))
        await until(lambda: taken(path) == ["new"])
        assert hooks.trouble
        put_back()
        await until(lambda: is_read(hooks))
        assert hooks.trouble == ""

    assert running(path, work, hook(path)) == [MarksFound(frozenset({SONG}), frozenset({"/music"}))]
    assert taken(path) == ["new", "left"]
    with closing(Outbox(path)) as outbox:
        assert outbox.entries() == []


def test_disk_that_hangs_is_told_of_and_takes_no_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.hooks.hooks._HANGS", 0.2)
    monkeypatch.setattr("audiobatchd.hooks.hooks._PATIENCE", 0.0)
    gate = threading.Event()

    async def work(hooks: Hooks) -> None:
        (delivery,) = hooks._deliveries.values()
        delivery._waiting = Waiting(most=10)
        hooks._submit(lambda: gate.wait(60))
        done: list[int] = []
        for number in range(100):
            hooks.perform(do.Begin(FolderKey("/music", f"{number}")))
            hooks.when_marked(partial(done.append, number))
            hooks.perform(tell(path=f"{number}"))
            await asyncio.sleep(0.005)
        await until(lambda: len(done) == 100)
        hooks.when_marked(lambda: None)
        assert (len(hooks._unwritten), len(hooks._behind)) == (10, 1)
        await until(lambda: "does not answer" in hooks.trouble)
        queued = len(hooks._thread.work)
        hooks.again()
        assert len(hooks._thread.work) == queued, "it is not asked again and again"
        gate.set()
        await until(lambda: hooks.status()[0].delivered == 10)
        assert (hooks.trouble, hooks.status()[0].dropped) == ("", 90)

    running(path, work, hook(path))


def test_a_test_says_what_comes_of_it(path: Path) -> None:
    async def work(hooks: Hooks) -> None:
        assert (await hooks.test("mail", "/music")).trouble == ""
        assert (await hooks.test("2", "/music")).trouble == "exit code 1"
        with pytest.raises(UsageError, match="there are: 2, mail"):
            await hooks.test("nothing", "/music")

    running(path, work, hook(path), HookConfig((DONE,), command=("false",)))
    assert json.loads((path.parent / "mail").read_text())["event"] == "test"


def test_stopping_waits_for_no_server(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.hooks.hooks._LAST_STEPS", 0.1)

    async def run() -> None:
        async with serving(STALL) as server:
            hooks = Hooks(path, asyncio.get_running_loop().time, lambda _: None, lambda _: None)
            hooks.take_terms([HookConfig((DONE,), url=server.url, timeout=600.0)])
            hooks.start()
            hooks.perform(tell())
            await server.requests(1)
            await asyncio.wait_for(hooks.stop(), 20)
            hooks.close()

    asyncio.run(run())
    with closing(Outbox(path)) as outbox:
        assert len(outbox.entries()) == 1, "it is sent again at the next start"


def test_events_that_any_hook_wants_are_told_to_the_core(path: Path) -> None:
    assert wanted_by([hook(path), hook(path, "b", (FAILED, DONE))]) == {DONE, FAILED}

"""What the scheduler keeps of tasks that have ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from distributed import LocalCluster
from distributed.scheduler import Scheduler

from audiobatchd.cluster.client import PassClient


@asynccontextmanager
async def _connected(directory: Path) -> AsyncIterator[tuple[PassClient, Scheduler, str]]:
    """Start a cluster in this process: a client, the scheduler, and the worker's address."""
    async with (
        LocalCluster(
            n_workers=1,
            processes=False,
            asynchronous=True,
            dashboard_address="127.0.0.1:0",
            local_directory=str(directory),
        ) as made,
        PassClient(made, asynchronous=True, set_as_default=False) as client,
    ):
        yield client, made.scheduler, next(iter(made.scheduler.workers))


async def _double(number: int) -> int:
    if number < 0:
        message = "it is negative"
        raise ValueError(message)
    return 2 * number


async def _settle(client: PassClient) -> None:
    """Wait until the scheduler has all that was sent before: it takes everything in turn."""
    for number in range(2):
        await client.submit(abs, number, key=f"settle-{number}", pure=False)


def test_spans_keep_nothing_of_ended_tasks(tmp_path: Path) -> None:
    async def measure() -> None:
        async with _connected(tmp_path) as (client, scheduler, address):
            answers = [await client.work(address, _double, number, key=("pass", 1, number)) for number in range(3)]
            assert answers == [0, 2, 4]
            told = [span.metadata for span in scheduler.extensions["spans"].spans.values()]
            assert [each and each["collections"] for each in told] == [[]]

    asyncio.run(measure())


def test_last_task_alone_is_held(tmp_path: Path) -> None:
    async def measure() -> None:
        async with _connected(tmp_path) as (client, scheduler, address):
            for number in range(3):
                await client.work(address, _double, number, key=("pass", 1, number))
                await _settle(client)
                assert [key for key in scheduler.tasks if isinstance(key, tuple)] == [("pass", 1, number)]
            groups = [group for span in scheduler.extensions["spans"].spans.values() for group in span.groups]
            assert [group.name for group in groups].count("pass") == 1

    asyncio.run(measure())


def test_failed_task_is_not_held(tmp_path: Path) -> None:
    async def measure() -> None:
        async with _connected(tmp_path) as (client, scheduler, address):
            with pytest.raises(ValueError, match="it is negative"):
                await client.work(address, _double, -1, key=("pass", 1, 1))
            await _settle(client)
            assert ("pass", 1, 1) not in scheduler.tasks

    asyncio.run(measure())

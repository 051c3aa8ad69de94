"""The number of workers that processors and memory have room for, and what it is said to come from."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from audiobatchd.config.file import Config
from audiobatchd.config.schedule import ScheduleConfig
from audiobatchd.errors import ConfigError
from audiobatchd.locks import oom
from audiobatchd.worker import capacity as of_machine
from audiobatchd.worker.capacity import Capacity, capacity, cpu_quota, memory_of_worker

GIB = 1 << 30
MIB = 1 << 20
LIGHT = ("loudness", "peaks")
ALL = Config(analyzers=("all",))


def on_a_machine(
    monkeypatch: pytest.MonkeyPatch, processors: int, memory: float, quota: float = math.inf
) -> pytest.MonkeyPatch:
    """Give this process so many processors, and so many GiB."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    monkeypatch.setattr(oom, "limit", lambda: int(memory * GIB))
    monkeypatch.setattr(of_machine, "cpu_quota", lambda: quota)
    return monkeypatch


@pytest.mark.parametrize(
    ("config", "processors", "memory", "quota", "expected"),
    [
        (Config(workers=7), 2, 1, math.inf, Capacity(7, "as configured")),
        (Config(), 8, 64, math.inf, Capacity(8, "one for each of 8 processors")),
        (Config(workers="auto"), 8, 64, math.inf, Capacity(8, "one for each of 8 processors")),
        (Config(), 1, 64, math.inf, Capacity(1, "there is one processor")),
        (Config(), 8, 64, 1.5, Capacity(1, "a quota of 1.5 of 8 processors")),
        (Config(), 8, 64, 0.2, Capacity(1, "a quota of 0.2 of 8 processors")),
        (Config(), 8, 64, 8, Capacity(8, "one for each of 8 processors")),
        (ALL, 8, 4, math.inf, Capacity(2, "4.0 GiB of memory have room for no more, 1.1 GiB for each")),
        (ALL, 8, 0.25, math.inf, Capacity(1, "256 MiB of memory have room for no more, 1.1 GiB for each")),
        (Config(analyzers=LIGHT), 8, 4, math.inf, Capacity(8, "one for each of 8 processors")),
        (Config(worker_cpus="0-2,7,900"), 8, 64, math.inf, Capacity(4, "one for each of 4 processors")),
        (Config(), 600, 1024, math.inf, Capacity(512, "one for each of 600 processors")),
        (
            Config(schedule=ScheduleConfig(min_free_memory="3 GiB"), analyzers=("rhythm",)), 8, 4, math.inf,
            Capacity(1, "4.0 GiB of memory have room for no more, 1000 MiB for each"),
        ),
    ],
)  # fmt: skip
def test_as_many_workers_as_there_is_room_for(  # a table of cases
    monkeypatch: pytest.MonkeyPatch, config: Config, processors: int, memory: float, quota: float, expected: Capacity
) -> None:
    on_a_machine(monkeypatch, processors, memory, quota)
    assert capacity(config) == expected


def test_processors_that_are_not_here_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine(monkeypatch, 2, 64)
    with pytest.raises(ConfigError, match="cannot use the processors 4-7: the service may use 0,1 - at `worker_cpus`"):
        capacity(Config(worker_cpus="4-7"))


def test_memory_is_by_the_analyzers_that_are_on() -> None:
    kinds = (LIGHT, ("loudness", "rhythm"), ("all",))
    assert [memory_of_worker(Config(analyzers=each)) // MIB for each in kinds] == [160, 1000, 1160]
    assert memory_of_worker(Config(analyzers=("all",), worker_memory="512 MiB")) == 512 * MIB


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, math.inf),
        ({"a/b": "max 100000"}, math.inf),
        ({"a/b": "150000 100000"}, 1.5),
        ({"a": "50000 100000", "a/b": "150000 100000"}, 0.5),
        ({"a": "50000 100000", "a/b": "max 100000"}, 0.5),
        ({"a/b": "nonsense"}, math.inf),
    ],
)
def test_quota_is_the_least_on_the_way_up(tmp_path: Path, limits: dict[str, str], expected: float) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for group, text in limits.items():
        (tmp_path / group / "cpu.max").write_text(f"{text}\n")
    own = tmp_path / "cgroup"
    own.write_text("4:memory:/elsewhere\n0::/a/b\n")
    assert cpu_quota((tmp_path,), own) == expected


def test_quota_without_control_groups_is_none(tmp_path: Path) -> None:
    assert cpu_quota((tmp_path,), tmp_path / "cgroup") == math.inf

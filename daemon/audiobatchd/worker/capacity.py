"""The number of workers: as configured, else as many as this machine's processors and memory have room for."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from audiobatchd.config.checks import installed_analyzers, usable_cpus
from audiobatchd.config.file import AUTO, BOUNDS, Config
from audiobatchd.locks import oom
from audiobatchd.vocabulary.analyzer_sets import chosen
from audiobatchd.vocabulary.quantities import counted, size_in_bytes, sized

_MIB = 1 << 20
# What a worker takes at most with a track of ten minutes and four stems: docs/benchmarks.md, "Memory of a worker".
_BY_BLOCKS = 160 * _MIB
_WHOLE_FILES = 1000 * _MIB
_MODELS = 160 * _MIB
"""On top of that, for the engine that runs them."""
_TAKE_BLOCKS = frozenset({"bands", "file", "loudness", "peaks", "saturation", "tags"})
"""Analyzers beside which a worker stays as small as that; of any other one that is not said."""
_OTHERS = 0.25
"""Share of the memory that is left to everything else."""
_CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


class Capacity(NamedTuple):
    """A number of workers."""

    workers: int
    why: str
    """Where it comes from, in words for people."""


def capacity(config: Config) -> Capacity:
    """Find how many workers there are to be. Raises ConfigError where they may use no processor."""
    if config.workers not in (None, AUTO):
        return Capacity(int(config.workers), "as configured")
    processors, quota = len(usable_cpus(config)), cpu_quota()
    cores = max(1, int(min(processors, quota)))
    of_cores = f"one for each of {counted(processors, 'processor')}" if processors > 1 else "there is one processor"
    if cores < processors:
        of_cores = f"a quota of {quota:g} of {counted(processors, 'processor')}"
    memory, each = oom.limit(), memory_of_worker(config)
    kept = max(_OTHERS * memory, size_in_bytes(config.schedule.min_free_memory or "0 KiB"))
    room = max(1, int((memory - kept) // each))
    if room < cores:
        return Capacity(room, f"{sized(memory)} of memory have room for no more, {sized(each)} for each")
    return Capacity(min(cores, int(BOUNDS["workers"].most)), of_cores)


def memory_of_worker(config: Config) -> int:
    """Estimate the bytes that a worker takes with the analyzers that are on; beyond `worker_memory` it is ended."""
    names = frozenset(chosen(config.analyzers, installed_analyzers()))
    needed = _BY_BLOCKS if names <= _TAKE_BLOCKS else _WHOLE_FILES + _MODELS * ("classifiers" in names)
    return min(needed, size_in_bytes(config.worker_memory))


def cpu_quota(cgroups: tuple[Path, ...] = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> float:
    """Find how many processors' time our control group may take, by its own limit and those above it (cgroup v2)."""
    found = math.inf
    with suppress(OSError):
        for line in own.read_text(encoding="utf-8", errors="replace").splitlines():
            number, _, path = line.partition("::")
            place = Path(path.lstrip("/"))
            for group in (place, *place.parents) if number == "0" else ():
                for root in cgroups:
                    with suppress(OSError, ValueError):  # "max", or no such file: nothing here sets a limit
                        quota, period = map(int, (root / group / "cpu.max").read_text(encoding="ascii").split())
                        found = min(found, quota / period)
    return found

"""Shards: a dataset's track folders divided among passes that know nothing of each other, and who is which of them.

A folder's shard follows from the bytes of its path below the dataset alone, so every machine and version says the same.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from audiobatchd.errors import UsageError

SHARDS_VARIABLE = "AUDIOBATCHD_SHARDS"
"""Name of the environment variable that tells an Indexed Job's containers how many there are: Kubernetes does not."""
_MOST = 1_000_000
_FORM = re.compile(r"([0-9]{1,7})/([0-9]{1,7})")
_SLURM = "SLURM_ARRAY_TASK_"
_KUBERNETES = "JOB_COMPLETION_INDEX"
_INSTEAD = "give --shard I/N"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts of a dataset."""

    number: int
    """From 1."""
    count: int
    then_any: bool = False
    """True where a pass that is done with its shard goes on with the folders of all others."""

    def __str__(self) -> str:
        """Return it as on the command line."""
        return f"{self.number}/{self.count}"

    def has(self, path: str) -> bool:
        """Tell whether the folder at `path` below its dataset is of this shard."""
        digest = hashlib.sha256(os.fsencode(path)).digest()
        return int.from_bytes(digest) % self.count == self.number - 1


def parse_shard(text: str) -> Shard | None:
    """Parse `I/N`; None where that names no shard."""
    found = _FORM.fullmatch(text)
    shard = Shard(int(found[1]), int(found[2])) if found else None
    return shard if shard and 1 <= shard.number <= shard.count <= _MOST else None


def shard_of(environ: Mapping[str, str]) -> Shard:
    """Return the shard that a Slurm array or a Kubernetes Indexed Job made this process for. Raises UsageError."""
    in_array, in_job = f"{_SLURM}ID" in environ, _KUBERNETES in environ
    if in_array and in_job:
        _refuse(f"both {_SLURM}ID and {_KUBERNETES} are set", _INSTEAD)
    if in_array:
        return _of_array(environ)
    if not in_job:
        _refuse(f"neither {_SLURM}ID (Slurm) nor {_KUBERNETES} (Kubernetes) is set", _INSTEAD)
    return _of_indexed_job(environ)


def _of_array(environ: Mapping[str, str]) -> Shard:
    """Return the shard of an array's task. An array with gaps, as of some tasks of another, would leave folders out."""
    task, first, last, count = (_number(environ, _SLURM + name) for name in ("ID", "MIN", "MAX", "COUNT"))
    if last - first + 1 != count:
        cause = f"the array has {count} tasks from {first} to {last}: its tasks would leave folders out"
        _refuse(cause, f"{_INSTEAD} with the numbers of the first array, here {task}/N")
    if not first <= task <= last:
        _refuse(f"{_SLURM}ID is {task}, and the array goes from {first} to {last}", _INSTEAD)
    return _made(task - first + 1, count, f"{_SLURM}COUNT")


def _of_indexed_job(environ: Mapping[str, str]) -> Shard:
    index = _number(environ, _KUBERNETES)
    if SHARDS_VARIABLE not in environ:
        cause = f"{_KUBERNETES} is set, and {SHARDS_VARIABLE} is not"
        _refuse(cause, f"set it to the Job's completions, or {_INSTEAD}")
    count = _number(environ, SHARDS_VARIABLE)
    if index >= count:
        cause = f"{_KUBERNETES} is {index}, and {SHARDS_VARIABLE} only {count}"
        _refuse(cause, "set it to the Job's completions")
    return _made(index + 1, count, SHARDS_VARIABLE)


def _made(number: int, count: int, variable: str) -> Shard:
    if count > _MOST:
        _refuse(f"{variable} is {count}, and there may be {_MOST}", _INSTEAD)
    return Shard(number, count)


def _number(environ: Mapping[str, str], name: str) -> int:
    """Read a variable that has to hold a number from 0. Raises UsageError."""
    text = environ.get(name)
    if text is None:
        _refuse(f"{name} is not set", _INSTEAD)
    if not re.fullmatch("[0-9]{1,18}", text):
        _refuse(f"{name} is {text[:40]!r}, which is no number", _INSTEAD)
    return int(text)


def _refuse(cause: str, advice: str) -> NoReturn:
    message = f"cannot take the shard from the environment: {cause}; {advice}"
    raise UsageError(message)

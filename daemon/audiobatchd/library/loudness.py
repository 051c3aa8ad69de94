"""Loudness of one folder, measured in this process: what the batch guide's scripts call."""

from __future__ import annotations

import math
from functools import cache

from audiobatchd.core.messages import Result, WorkerSettings
from audiobatchd.errors import AnalyzerFaultError, DamagedFileError, RecordError, SourceChangedError
from audiobatchd.library.file_lock import DEFAULT_TIMEOUT
from audiobatchd.library.info import gate_of
from audiobatchd.library.tracks import Folder, absolute
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.states import Outcome, in_one_line
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.job import measure_all


def analyze_folder_loudness(folder: Folder) -> dict[str, float]:
    """Measure the loudness of the mix and of every stem of `folder`, save it in the record, and return it.

    Keys and units as in docs/reference/features: `lufs` in LUFS, `lra` in LU, and the same for each stem. What cannot
    be measured (too short) is left out; the reason is in the record. Values of good files are saved also when another
    file is damaged. The folder's lock is taken unless this process holds it.

    Raises DamagedFileError, which names the file; RecordError where the record cannot be replaced; SourceChangedError
    where a file changed meanwhile; LockBusyError and LockLostError where the folder is not ours; FileNotFoundError
    where there is no such track folder; OSError.
    """
    path = absolute(folder)
    with gate_of(path, DEFAULT_TIMEOUT) as gate:
        result = measure_all(path, gate, _bench())
        if result.outcome is Outcome.CHANGED:
            gate()  # a worker tries again, whatever changed; here a lost lock is told as such
    _raise_trouble(path, result)
    return {name: value for name, value in result.values.items() if isinstance(value, float)}


@cache
def _bench() -> Bench:
    """The analyzer, loaded once per process."""
    return Bench.load(WorkerSettings(analyzers=("loudness",), max_duration=math.inf))


def _raise_trouble(folder: str, result: Result) -> None:
    reason = in_one_line(result.reasons)
    match result.outcome:
        case Outcome.FAILED:
            raise DamagedFileError(reason)
        case Outcome.BLOCKED:
            raise RecordError(reason)
        case Outcome.CHANGED:
            raise SourceChangedError(reason or "its files changed while they were measured")
        case Outcome.GONE:
            message = f"cannot measure {shown(folder)}: there is no full mix"
            raise FileNotFoundError(message)
        case Outcome.ERROR:
            raise AnalyzerFaultError(reason)

"""Processor time of whole processes, each library of which keeps to one thread."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Sequence

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""Variables that cap the threads of the numeric libraries."""


def cpu_seconds(command: Sequence[str]) -> tuple[float, str]:
    """The CPU time of a process and of all that it started, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=environment)
    if done.returncode:
        message = f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        raise SystemExit(message)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout

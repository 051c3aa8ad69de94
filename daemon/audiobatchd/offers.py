"""What the analyzers on this machine offer, asked of a process of its own: they are anybody's code, and load slowly."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from audiobatchd.core.completeness import Offer
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.errors import AudiobatchError

_TIMEOUT = 120.0
_OFFERS = msgspec.json.Decoder(tuple[Offer, ...])


def ask(settings: WorkerSettings) -> tuple[Offer, ...]:
    """The offers that a worker with these settings would make. Raises AudiobatchError where it cannot make any."""
    command = [sys.executable, "-m", "audiobatchd.worker", "offers", msgspec.json.encode(settings).decode()]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False, stdin=subprocess.DEVNULL)
        return _OFFERS.decode(done.stdout.rpartition(b"\n")[2])
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"cannot ask the analyzers: {error}"
        raise AudiobatchError(message) from error
    except msgspec.MsgspecError as error:
        last = done.stderr.decode(errors="backslashreplace").strip().rpartition("\n")[2]
        message = f"cannot load the analyzers: {last or f'exit code {done.returncode}'}"
        raise AudiobatchError(message) from error

"""The life of a worker process: load everything once, say Ready, then one job after the other until told to stop.

It dies with the service: by PR_SET_PDEATHSIG, and by the end of the socket where that signal was lost.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import sys
import threading

from audiobatchd.core.messages import (
    PACKET_LIMIT,
    FromWorker,
    Job,
    Result,
    Stage,
    Start,
    decode_for_worker,
    encode,
)
from audiobatchd.disk import interrupts
from audiobatchd.errors import AudiobatchError
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.states import Outcome
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.job import hindered, run
from audiobatchd.worker.process.title import Title

_LOG = logging.getLogger(__name__)
_ORPHANED = interrupts.ORPHANED


def main(descriptor: int) -> None:
    """Work until told to stop, over the socket that `descriptor` is; its first message is there already."""
    channel = socket.socket(fileno=descriptor)
    start = decode_for_worker(channel.recv(PACKET_LIMIT))
    if not isinstance(start, Start):
        message = f"expected to be started, got {type(start).__name__}"
        raise AudiobatchError(message)
    interrupts.die_with(start.parent)
    # The service decides when a worker ends; a signal to all of its processes is not for us.
    interrupts.stand()
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    with channel:
        # A descriptor of its own: that `channel` is closed while an exception is on its way out ends nothing.
        threading.Thread(target=_watch, args=(os.dup(descriptor),), name="end-of-socket", daemon=True).start()
        _serve(channel, start)


def _serve(channel: socket.socket, start: Start) -> None:
    title = Title(f"worker {start.slot}", f"w{start.slot}")
    title.say("loading")
    bench = Bench.load(start.settings)
    _send(channel, bench.ready())
    title.say("idle")
    while packet := channel.recv(PACKET_LIMIT):
        message = decode_for_worker(packet)
        if not isinstance(message, Job):
            return
        result = _run(channel, message, bench, title)
        title.say("idle")
        _send(channel, result)


def _run(channel: socket.socket, job: Job, bench: Bench, title: Title) -> Result:
    def report(doing: str, audio_seconds: float | None) -> None:
        title.say(doing)
        _send(channel, Stage(job.number, doing, audio_seconds))

    try:
        return run(job, bench, report)
    except OSError as error:
        _LOG.exception("job %d", job.number)
        return hindered(job, error)
    except Exception as error:  # noqa: BLE001  # logged, and answered
        # The boundary of a job: what went wrong in it is an answer, and not the end of the worker.
        _LOG.exception("job %d", job.number)
        reason = printable(f"{type(error).__name__}: {error}")
        return Result(job.number, Outcome.ERROR, reasons={"": reason}, charge=True)


def _send(channel: socket.socket, message: FromWorker) -> None:
    packet = encode(message)
    if len(packet) > PACKET_LIMIT:
        if not isinstance(message, Result):
            error = f"what the analyzers offer is too long to be told ({len(packet)} bytes)"
            raise AudiobatchError(error)
        reason = f"its result is too long to be told ({len(packet)} bytes)"
        packet = encode(Result(message.job, Outcome.ERROR, reasons={"": reason}, charge=True))
    try:
        channel.send(packet)
    except (BrokenPipeError, ConnectionResetError):
        os._exit(_ORPHANED)  # the service is gone, and `_watch` has not seen it yet


def _watch(descriptor: int) -> None:
    """End the process when the service's end of the socket closes; the wait is in poll, which disturbs no decoding."""
    poll = select.poll()
    poll.register(descriptor, 0)
    poll.poll()
    os._exit(_ORPHANED)

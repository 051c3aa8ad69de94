"""What the daemon and a worker process say to each other: small tagged structs, one per packet, as MessagePack.

Paths are bytes here, because names on disk are.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from audiobatchd.core.assessment import FileMemory, Offer, Policy
from audiobatchd.plugin_api import Value
from audiobatchd.vocabulary.files import RECORD_LIMIT
from audiobatchd.vocabulary.states import Cause, Outcome

PACKET_LIMIT = 192 * 1024
"""No message is longer; a datagram socket's default buffer holds it."""


class WorkerSettings(Struct, frozen=True):
    """What a worker has to know from its start; passed on its command line.

    `options` are each analyzer's table, `record_limit` is how many bytes a record may have, `trusted_models` are the
    SHA-256 of files of models that are used whatever is known of them.
    """

    analyzers: tuple[str, ...] | None = None
    options: dict[str, dict[str, Any]] = {}
    model_directories: tuple[str, ...] = ()
    max_duration: float = 7200.0
    record_limit: int = RECORD_LIMIT
    trusted_models: tuple[str, ...] = ()


class Job(Struct, frozen=True, tag=True):
    """Do what is due in the folder at `path` below `dataset`, if its files still are what `signature` says.

    `budget` is how many seconds may pass without a sign of progress, and so what the lock announces; analysis has
    `factor` times the audio's length on top. `alone`: no other job runs beside it, so it may go where others died.
    """

    number: int
    dataset: bytes
    path: bytes
    signature: str
    policy: Policy
    memory: dict[str, FileMemory]
    budget: float
    alone: bool = True
    factor: float = 0.0


class Stop(Struct, frozen=True, tag=True):
    """No more jobs: end."""


class Ready(Struct, frozen=True, tag=True):
    """The worker has loaded what it could and waits for a job."""

    offers: tuple[Offer, ...]


class Stage(Struct, frozen=True, tag=True):
    """What the worker is at: a verb and a file. It begins with it, or, where it said so before, comes on with it.

    The job's time counts from then on, by so much more as `audio_seconds` of audio are to be analyzed. None: it goes
    on counting, for the analysis of this file has begun before.
    """

    job: int
    doing: str
    audio_seconds: float | None = 0.0


class Result(Struct, frozen=True, tag=True):
    """How a job ended.

    `values` are the features written, `reasons` what stood in the way by file (or by "" where it was no one file's
    fault), `memory` what is known of the folder's files now. `charge`: an error of ours, or a death of those
    before, that counts against the folder. `cause`: it is likely to hinder every folder there, and `where` names
    the file system. `costs` is the processor time that it took, in seconds, by analyzer and for "decoding".
    """

    job: int
    outcome: Outcome
    values: dict[str, Value] = {}
    unmeasurable: dict[str, str] = {}
    reasons: dict[str, str] = {}
    memory: dict[str, FileMemory] = {}
    access: str = ""
    audio_seconds: float = 0.0
    unavailable: int = 0
    charge: bool = False
    cause: Cause = Cause.NONE
    where: str = ""
    costs: dict[str, float] = {}
    unclear: bool = False
    """It is blocked by a record that says nothing that can be understood."""
    place: bytes = b""
    """Where the dataset's path led to, without links, when the job began."""


ToWorker = Job | Stop
FromWorker = Ready | Stage | Result

_TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def encode(message: ToWorker | FromWorker) -> bytes:
    """`message` as one packet."""
    return msgspec.msgpack.encode(message)


def decode_for_worker(packet: bytes) -> ToWorker:
    """The message in a packet from the daemon. Raises msgspec.MsgspecError on anything else."""
    return _TO_WORKER.decode(packet)


def decode_from_worker(packet: bytes) -> FromWorker:
    """The message in a packet from a worker. Raises msgspec.MsgspecError on anything else."""
    return _FROM_WORKER.decode(packet)

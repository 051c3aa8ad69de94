"""Messages between the service and a worker process: small tagged structs, one per packet, as MessagePack.

Paths are bytes here, because names on disk are.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from audiobatchd.core.assessment import Offer, Policy
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.plugin_api import Value
from audiobatchd.vocabulary.files import RECORD_LIMIT
from audiobatchd.vocabulary.states import Cause, Outcome

PACKET_LIMIT = 192 * 1024
"""Length that no message exceeds; a datagram socket's default buffer holds it."""


class WorkerSettings(Struct, frozen=True):
    """Settings that a worker has from its start."""

    analyzers: tuple[str, ...] | None = None
    """Names of the analyzers to have, and of sets of them, see `vocabulary.analyzer_sets`; None: the set `default`."""
    options: dict[str, dict[str, Any]] = {}
    """Table of the configuration of each analyzer."""
    model_directories: tuple[str, ...] = ()
    """Directories where models are looked for, in this order."""
    max_duration: float = 21600.0
    """Seconds of audio beyond which a file is left out."""
    record_limit: int = RECORD_LIMIT
    """Bytes that a record may have."""
    trusted_models: tuple[str, ...] = ()
    """SHA-256 of files of models that are used whatever is known of them."""
    features: tuple[str, ...] | None = None
    """The features that jobs ask for, of which an analyzer that is loaded gives at least one; None: all."""
    worker_memory: int | None = None
    """Bytes of memory that a worker may take; None: any number."""
    nice: int | None = None
    """Nice value that its process is given at least; None: that of the service."""
    io_class: str | None = None
    """Class of its input and output, "best-effort" or "idle"; None: that of the service."""
    cpus: tuple[int, ...] | None = None
    """Processors that it may use; None: those of the service."""


class Start(Struct, frozen=True, tag=True):
    """Begin: the first message, which lies ready before the worker is started."""

    slot: int
    parent: int
    """PID of the service."""
    settings: WorkerSettings


class Job(Struct, frozen=True, tag=True):
    """Do what is due in a folder."""

    number: int
    dataset: bytes
    path: bytes
    """The folder's path below the dataset."""
    signature: str
    """The signature that its files have to have still."""
    policy: Policy
    memory: dict[str, FileMemory]
    """Memory of its files, by role."""
    budget: float
    """Seconds that may pass without a sign of progress, as the lock announces."""
    alone: bool = True
    """True where no other job runs beside it, so that it may go where others died."""
    factor: float = 0.0
    """Multiple of the audio's length that analysis has on top of the budget."""


class Stop(Struct, frozen=True, tag=True):
    """End: there are no more jobs."""


class Ready(Struct, frozen=True, tag=True):
    """Tell that the worker has loaded what it could and waits for a job."""

    offers: tuple[Offer, ...]


class Stage(Struct, frozen=True, tag=True):
    """Tell that the worker begins with something, or comes on with it. The job's time counts from then on."""

    job: int
    doing: str
    """A verb and a file."""
    audio_seconds: float | None = 0.0
    """Length of the audio to be analyzed, by which the time is longer; None: the time goes on counting, for the
    analysis of this file has begun before."""


class Result(Struct, frozen=True, tag=True):
    """End of a job."""

    job: int
    outcome: Outcome
    values: dict[str, Value] = {}
    """The features that were written."""
    unmeasurable: dict[str, str] = {}
    """Reasons why it has no value, by feature."""
    reasons: dict[str, str] = {}
    """Things that stood in the way, by file; by "" where it was no one file's fault."""
    memory: dict[str, FileMemory] = {}
    """Facts about the folder's files as they are now, by role."""
    access: str = ""
    """The permissions of a folder that is blocked."""
    audio_seconds: float = 0.0
    """Length of the audio that was decoded."""
    unavailable: int = 0
    """Number of features that this machine cannot give."""
    charge: bool = False
    """True where an error of ours, or an earlier death over the folder, counts against it."""
    cause: Cause = Cause.NONE
    """Cause that is likely to hinder every folder there."""
    where: str = ""
    """The file system where that is so."""
    costs: dict[str, float] = {}
    """Seconds of processor time, by analyzer and for "decoding"."""
    heard: dict[str, float] = {}
    """Seconds of audio that each of these cost that."""
    unclear: bool = False
    """True where it is blocked by a record that says nothing that can be understood."""
    place: bytes = b""
    """Target of the dataset's path, without links, when the job began."""


ToWorker = Start | Job | Stop
FromWorker = Ready | Stage | Result

_TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def encode(message: ToWorker | FromWorker) -> bytes:
    """Encode a message as one packet."""
    return msgspec.msgpack.encode(message)


def decode_for_worker(packet: bytes) -> ToWorker:
    """Decode a packet from the service. Raises msgspec.MsgspecError on anything but a message."""
    return _TO_WORKER.decode(packet)


def decode_from_worker(packet: bytes) -> FromWorker:
    """Decode a packet from a worker. Raises msgspec.MsgspecError on anything but a message."""
    return _FROM_WORKER.decode(packet)

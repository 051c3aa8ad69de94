"""Messages between a pass and its places in Dask's workers, as MessagePack: Dask itself only carries bytes of ours."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from audiobatchd.core.events import WorkerBroke, WorkerExited, WorkerSaid
from audiobatchd.core.messages import WorkerSettings

CALLS = 2.0
"""Seconds between two calls of a pass at each of its places."""
LEASE = 30.0
"""Seconds without a call after which a place ends its workers: the pass is gone."""


class Sign(Struct, frozen=True):
    """File by which a Dask worker sees that a dataset is the same for it: the pass holds a lock on it meanwhile."""

    dataset: bytes
    name: bytes
    content: bytes


class Terms(Struct, frozen=True):
    """What a pass asks of a Dask worker before it uses it."""

    pass_id: str
    """Name of the pass; also of the topic where its places tell their news, and of its tasks."""
    signs: tuple[Sign, ...]
    settings: WorkerSettings


class Facts(Struct, frozen=True):
    """What a Dask worker tells of itself."""

    host: str
    """Name of its machine."""
    places: int
    """Number of its threads: so many workers it has place for."""
    versions: dict[str, str]
    """Versions of Python and of the libraries that measure."""


class Said(Struct, frozen=True, tag=True):
    """Message of a worker."""

    event: WorkerSaid


class Broke(Struct, frozen=True, tag=True):
    """Packet of a worker that is no message."""

    event: WorkerBroke


class Ended(Struct, frozen=True, tag=True):
    """End of a worker."""

    event: WorkerExited


Told = Said | Broke | Ended
"""News of a worker. The slot in it is the place's number in its Dask worker, the PID what the pass calls the worker."""


class Measured(Struct, frozen=True):
    """Answer of a place to a call."""

    resident: dict[int, int]
    """Bytes of memory of each worker, by its number."""
    asleep: dict[int, float]
    """Seconds for which it has not run at all."""


TOLD: msgspec.msgpack.Decoder[Told] = msgspec.msgpack.Decoder(Told)
MEASURED = msgspec.msgpack.Decoder(Measured)
FACTS = msgspec.msgpack.Decoder(Facts)
TERMS = msgspec.msgpack.Decoder(Terms)

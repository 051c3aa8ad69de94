"""What a client asks a running daemon to do, and what it answers: the bodies of `POST`. Data only."""

from __future__ import annotations

from msgspec import Struct


class CleanLocks(Struct, frozen=True, forbid_unknown_fields=True):
    """Remove the locks of the dead of one dataset.

    `timeout`: seconds after which a lock of the batch guide's scripts on a network file system is dead. `dry_run`: only
    say so. `free`: empty files on network file systems as well, on the operator's word that no machine works there.
    """

    dataset: str
    timeout: float = 3600.0
    dry_run: bool = False
    free: bool = False


class RemovedLock(Struct, frozen=True):
    """One lock file, by its path below the dataset; `failure`: why it is still there."""

    lock: str
    reason: str
    failure: str = ""


class CleanedLocks(Struct, frozen=True):
    """How many lock files there were, and which of them went."""

    found: int
    removed: list[RemovedLock]

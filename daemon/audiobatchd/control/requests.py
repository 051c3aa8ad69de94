"""What a client asks of a running daemon, and what it answers to a `POST`. Data only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from audiobatchd.vocabulary.files import NearMiss

if TYPE_CHECKING:
    from audiobatchd.locks.upkeep import CleanUp


class FolderName(Struct, frozen=True, forbid_unknown_fields=True):
    """One track folder: its dataset, and its path below that ("." for the dataset itself), both as they are shown."""

    dataset: str
    folder: str


class RetryFolders(Struct, frozen=True, forbid_unknown_fields=True):
    """Try these folders again; with `all` or a `dataset` every one that failed or is blocked, there or anywhere."""

    folders: list[FolderName] = []
    all: bool = False
    dataset: str = ""


class Survey(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What do the folders of a dataset lack: of these features, or, without any, of those that the analyzers give.

    `names`: tell of each incomplete folder, not only how many there are.
    """

    dataset: str
    features: list[str] = []
    names: bool = False


class SurveyedFolder(Struct, frozen=True):
    """A folder that is incomplete: what it lacks, what is to be measured anew, or why it cannot be read."""

    folder: str
    missing: list[str]
    stale: list[str]
    trouble: str
    locked: bool


class Surveyed(Struct, frozen=True):
    """How many track folders there are, are complete, and are being worked on; `folders` only where asked for.

    `near_misses` are what is passed over and looks as if it were meant.
    """

    total: int
    complete: int
    locked: int
    folders: list[SurveyedFolder]
    near_misses: list[NearMiss] = []


class Since(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The events that come; with `since` first those that are kept after that number."""

    since: int | None = None


class Rescan(Struct, frozen=True, forbid_unknown_fields=True):
    """Walk a dataset now; `accept`: whatever is found is right, even where nothing is left of what was known."""

    dataset: str
    accept: bool = False


class Pause(Struct, frozen=True, forbid_unknown_fields=True):
    """Give out no more jobs in a dataset (in none, where it is empty), for so many seconds, or until somebody resumes.

    Running jobs come to their end.
    """

    dataset: str = ""
    seconds: Annotated[float, Meta(gt=0)] | None = None


class Resume(Struct, frozen=True, forbid_unknown_fields=True):
    """Go on in a dataset, or everywhere."""

    dataset: str = ""


class Paused(Struct, frozen=True, omit_defaults=True):
    """The answer to a pause, and to its end."""

    datasets: int
    """In how many datasets that changed something."""
    remarks: list[str] = []
    """What else there is to know, a sentence each: why a dataset is still not worked on, say."""


class Rescanned(Struct, frozen=True, omit_defaults=True):
    """The answer where a dataset is walked."""

    remarks: list[str] = []
    """What keeps the walk waiting, or from changing anything, a sentence each."""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing more to say."""


class Retried(Struct, frozen=True, omit_defaults=True):
    """The answer to a retry, and to a bump."""

    folders: int
    """How many folders are tried again, or are measured before all others."""
    remarks: list[str] = []
    """What becomes of the others, and what these have to wait for, a sentence each."""


class Reloaded(Struct, frozen=True):
    """The configuration that was read again serves now; what is different, a line each."""

    changes: list[str]


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

    @classmethod
    def of(cls, done: CleanUp) -> CleanedLocks:
        """The answer to a clean-up that is done."""
        return cls(done.found, [RemovedLock(each.path, each.reason, each.failure) for each in done.removed])

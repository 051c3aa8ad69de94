"""The shapes of requests to a running service, and of its answers to them. Data only; reports are in `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from audiobatchd.vocabulary.files import NearMiss

if TYPE_CHECKING:
    from audiobatchd.locks.upkeep import CleanUp


class FolderName(Struct, frozen=True, forbid_unknown_fields=True):
    """A track folder, named as it is shown."""

    dataset: str
    folder: str
    """Its path below the dataset; "." for the dataset itself."""


class RetryFolders(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks to try folders again."""

    folders: list[FolderName] = []
    """These, whatever they have come to."""
    all: bool = False
    """Every one that failed or is blocked."""
    dataset: str = ""
    """Every one that failed or is blocked there."""


class Survey(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks what the folders of a dataset lack."""

    dataset: str
    features: list[str] = []
    """Of these features; without any, of those that the analyzers give."""
    names: bool = False
    """Whether each incomplete folder is told, not only how many there are."""


class SurveyedFolder(Struct, frozen=True):
    """A folder that is incomplete."""

    folder: str
    missing: list[str]
    """The features that it lacks."""
    stale: list[str]
    """Those that are to be measured again."""
    trouble: str
    """Why it cannot be read."""
    locked: bool


class Surveyed(Struct, frozen=True):
    """The track folders of a dataset, counted."""

    total: int
    complete: int
    locked: int
    """How many are being worked on."""
    folders: list[SurveyedFolder]
    """Those that are incomplete, where they were asked for."""
    near_misses: list[NearMiss] = []
    """What is passed over and looks as if it were meant."""


class Since(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks for the events that come."""

    since: int | None = None
    """Where it is given, for those first that are kept after this number."""


class Rescan(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks to walk a dataset now."""

    dataset: str
    accept: bool = False
    """Whether to believe what is found, even where nothing is left of what was known."""


class Pause(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks to give out no more jobs; those that run come to their end."""

    dataset: str = ""
    """In this dataset; empty for all of them."""
    seconds: Annotated[float, Meta(gt=0)] | None = None
    """For how long; null until it is resumed."""


class Resume(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks to give out jobs again."""

    dataset: str = ""
    """In this dataset; empty for all of them."""


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
    """Asks for what needs no more words."""


class Retried(Struct, frozen=True, omit_defaults=True):
    """The answer to a retry, and to a bump."""

    folders: int
    """How many folders are tried again, or are measured before all others."""
    remarks: list[str] = []
    """What becomes of the others, and what these have to wait for, a sentence each."""


class Reloaded(Struct, frozen=True):
    """The answer where the configuration that was read again serves now."""

    changes: list[str]
    """What is different, a line each."""


class CleanLocks(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks to remove the locks of the dead of a dataset."""

    dataset: str
    timeout: float = 3600.0
    """Seconds after which a lock of the batch guide's scripts on a network file system is dead."""
    dry_run: bool = False
    """Whether only to say so."""
    free: bool = False
    """Whether to remove empty files on network file systems as well: the operator says that no machine works there."""


class RemovedLock(Struct, frozen=True):
    """A lock file that was removed, or should have been."""

    lock: str
    """Its path below the dataset."""
    reason: str
    failure: str = ""
    """Why it is still there; empty where it is not."""


class CleanedLocks(Struct, frozen=True):
    """The answer where locks were cleaned up."""

    found: int
    """How many lock files there were."""
    removed: list[RemovedLock]

    @classmethod
    def of(cls, done: CleanUp) -> CleanedLocks:
        """Make the answer of a clean-up that is done."""
        return cls(done.found, [RemovedLock(each.path, each.reason, each.failure) for each in done.removed])

"""The shapes of requests to a running service, and of its answers to them. Data only; reports are in `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from audiobatchd.vocabulary.files import NearMiss
from audiobatchd.vocabulary.quantities import LONGEST

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
    features: list[str] = []
    """Features, or analyzers for all of theirs, that are to be measured in `folders` although other tools' values are
    there; where there is no such file, they are struck out."""


class Survey(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks what the folders of a dataset lack."""

    dataset: str
    features: list[str] = []
    """Of these features, and of all that these analyzers give; without any, of those that the analyzers give."""
    names: bool = False
    """True where each incomplete folder is told, and not only their number."""


class SurveyedFolder(Struct, frozen=True):
    """A folder that is incomplete."""

    folder: str
    missing: list[str]
    """The features that it lacks."""
    stale: list[str]
    """Those that are to be measured again."""
    trouble: str
    """Reason why it cannot be read."""
    locked: bool


class Surveyed(Struct, frozen=True):
    """The track folders of a dataset, counted."""

    total: int
    complete: int
    locked: int
    """Number of folders that are being worked on."""
    folders: list[SurveyedFolder]
    """Those that are incomplete, where they were asked for."""
    near_misses: list[NearMiss] = []
    """Names that are passed over and look as if they were meant."""
    absent: list[str] = []
    """Of the features that were asked for, those that no record has."""
    unknown: list[str] = []
    """Reasons, one for each of these that no analyzer knows either, with the nearest names."""


class Since(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks for the events that come."""

    since: int | None = None
    """Number of an event; where it is given, those that are kept after it come first."""


class Rescan(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks to walk a dataset now."""

    dataset: str
    accept: bool = False
    """True to believe what is found, even where nothing is left of what was known."""


class Pause(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks to give out no more jobs; those that run come to their end."""

    dataset: str = ""
    """In this dataset; empty for all of them."""
    seconds: Annotated[float, Meta(gt=0)] | None = None
    """For how long; null until it is resumed."""


class Resume(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks to give out jobs again."""

    dataset: str = ""
    """In this dataset; empty for all of them."""
    override: bool = False
    """True to override what its schedule holds back now, until that is over by itself."""
    seconds: Annotated[float, Meta(gt=0, le=LONGEST)] | None = None
    """With `override`: for how long the whole schedule is overridden in place of that."""


class Paused(Struct, frozen=True, omit_defaults=True):
    """The answer to a pause, and to its end."""

    datasets: int
    """In how many datasets that changed something."""
    remarks: list[str] = []
    """Sentences that tell what else there is to know: why a dataset is still not worked on, say."""


class Rescanned(Struct, frozen=True, omit_defaults=True):
    """The answer where a dataset is walked."""

    remarks: list[str] = []
    """Sentences that tell what keeps the walk waiting, or from changing anything."""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for what needs no more words."""


class Retried(Struct, frozen=True, omit_defaults=True):
    """The answer to a retry, and to a bump."""

    folders: int
    """Number of folders that are tried again, or are measured before all others."""
    remarks: list[str] = []
    """Sentences that tell what becomes of the others, and what these have to wait for."""


class Reloaded(Struct, frozen=True):
    """The answer where the configuration that was read again serves now."""

    changes: list[str]
    """Differences, a line each."""


class WebLink(Struct, frozen=True):
    """The answer where a link to the page was asked for."""

    url: str
    """The link, good once."""
    tunnel: str
    """The address, with its port, that another machine needs a tunnel to; empty where none is needed."""
    seconds: float
    """For how long the link is good."""
    operator: bool
    """True where changes can be made by it."""


class CleanLocks(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks to remove the locks of the dead of a dataset."""

    dataset: str
    timeout: float = 3600.0
    """Seconds after which a lock of the batch guide's scripts on a network file system is dead."""
    dry_run: bool = False
    """True only to say what would be removed."""
    free: bool = False
    """True to remove empty files on network file systems as well: the operator says that no machine works there."""


class RemovedLock(Struct, frozen=True):
    """A lock file that was removed, or should have been."""

    lock: str
    """Its path below the dataset."""
    reason: str
    failure: str = ""
    """Reason why it is still there; empty where it is not."""


class CleanedLocks(Struct, frozen=True):
    """The answer where locks were cleaned up."""

    found: int
    """Number of lock files that there were."""
    removed: list[RemovedLock]

    @classmethod
    def of(cls, done: CleanUp) -> CleanedLocks:
        """Make the answer of a clean-up that is done."""
        return cls(done.found, [RemovedLock(each.path, each.reason, each.failure) for each in done.removed])

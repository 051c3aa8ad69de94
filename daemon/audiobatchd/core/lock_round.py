"""The looks at a dataset's locks, which remove those of the dead."""

from __future__ import annotations

from dataclasses import dataclass, field

from audiobatchd.core.events import LocksSeen, Walked
from audiobatchd.vocabulary.states import WalkKind

REAP_SHARE = 0.001
"""Share of a core that looks for locks may take on average: what costs more comes less often."""


@dataclass(slots=True)
class LockRound:
    """Places of the locks of one dataset, and the next look at them."""

    parents: set[str] = field(default_factory=set)
    """The directories that hold track folders, and so their locks."""
    root_too: bool = False
    """True where the dataset is a track folder itself, with its lock beside it."""
    worth: str = ""
    """Worth of locks on its file system, in words, as the last walk told."""
    overdue: dict[str, str] = field(default_factory=dict)
    """The lock files that are held for too long, with their holders."""
    reap_at: float | None = None
    """Moment when the next look is due; None while one is under way, and before the first walk."""

    def walked(self, walk: Walked, now: float) -> None:
        """Take in where a walk found track folders, and look there now."""
        # A dataset without track folders may still have their locks, in the root.
        self.parents = {"", *walk.parents, *(() if walk.kind is WalkKind.FULL else self.parents)}
        self.root_too = walk.is_track
        self.reap_at = now

    def due(self, now: float) -> bool:
        """Tell whether the locks are to be looked at now; after that not before the answer is there."""
        if self.reap_at is None or now < self.reap_at:
            return False
        self.reap_at = None
        return True

    def seen(self, event: LocksSeen, every: float | None, now: float) -> None:
        """Take in a look; the next one comes after `every` seconds, later where looks cost much, never where None."""
        self.overdue = event.overdue
        if every is not None and self.reap_at is None:
            self.reap_at = now + max(every, event.cost / REAP_SHARE)

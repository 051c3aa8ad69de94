"""Schedule of a dataset's walks: through all of it, through what has changed, and through trees that appeared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from audiobatchd.core.events import Walked
from audiobatchd.vocabulary.states import WalkKind

LOOK_AGAIN = 5.0
"""Seconds between two looks at a root, whether it is there or not."""

PASS = 60.0
"""Seconds between two passes, which look at the directories' times, at least."""

PASS_SHARE, WALK_SHARE = 0.004, 0.002
"""Shares of a core that passes and full walks may take on average: what costs more comes less often."""

LOSS_SHARE = 0.05
"""Share of a core that full walks may take on average where the watch loses events again and again."""


@dataclass(slots=True)
class Past:
    """The walks of one kind that have ended."""

    count: int = 0
    ended: float = 0.0
    """Moment when the last one ended; a full walk does what a pass does, and counts as one here."""
    cost: float = 0.0
    """Seconds of processor time that the last one took."""


@dataclass(slots=True)
class WalkSchedule:
    """The walks of one dataset: those that were, the one under way, and those to come."""

    rescan: float
    """Seconds between two full walks."""
    full: Past = field(default_factory=Past)
    """Full walks that have ended."""
    passes: Past = field(default_factory=Past)
    """Passes that have ended."""
    full_at: float = 0.0
    """Moment when the next full walk starts."""
    pass_at: float = math.inf
    """Moment when the next pass starts."""
    under_way: WalkKind | None = None
    """The walk that has started and not ended; trees are walked beside it."""
    listed: int = 0
    """Number of directories that this walk has listed."""
    again_at: float | None = None
    """Moment of the next full walk that was asked for while one was under way."""
    tells_all: bool = False
    """The next pass tells of every folder, also of those that are as they were."""
    renew: bool = False
    """The next full walk sets up the watch again from nothing."""
    trees: set[str] = field(default_factory=set)
    """The directories that appeared, which are walked all at once."""
    is_walking_trees: bool = False
    """True while trees that appeared are being walked."""

    @property
    def has_begun(self) -> bool:
        """Tell whether any walk of the whole dataset has ended."""
        return bool(self.full.count or self.passes.count)

    def due(self, now: float, *, known: int, once: bool) -> WalkKind | None:
        """Choose the walk that is to begin now: at first a pass, where the catalog knows folders; it tells soonest."""
        if self._rests(once=once):
            return None
        if not self.has_begun and known and not once:
            return WalkKind.PASS
        if now >= self.full_at:
            return WalkKind.FULL
        return WalkKind.PASS if now >= self.pass_at else None

    def next_walk(self, *, once: bool) -> float | None:
        """Moment when `due` has something to say by itself."""
        return None if self._rests(once=once) else min(self.full_at, self.pass_at)

    def _rests(self, *, once: bool) -> bool:
        return self.under_way is not None or (once and self.full.count > 0)

    def begin(self, kind: WalkKind) -> bool:
        """Start a full walk or a pass; whether it is to tell of all folders, as soon as it can."""
        tells_all = not self.has_begun or (self.tells_all and kind is WalkKind.PASS)
        self.tells_all &= kind is not WalkKind.PASS
        self.under_way, self.listed = kind, 0
        if kind is WalkKind.FULL:
            self.renew, self.again_at = False, None
        return tells_all

    def end(self, walk: Walked, now: float) -> None:
        """End a full walk or a pass, and put off the next one by what this one cost."""
        self.under_way = None
        past = self.full if walk.kind is WalkKind.FULL else self.passes
        past.count += 1
        past.cost = walk.cost
        past.ended = self.passes.ended = now
        if past is self.full:
            self.full_at = self._full_due()
        self.pass_at = now if self.tells_all else now + max(PASS, self.passes.cost / PASS_SHARE)

    def walk_every(self, rescan: float) -> None:
        """Go by another time between full walks; what they cost still counts."""
        if rescan != self.rescan:
            self.rescan = rescan
            if self.full.count:
                self.full_at = min(self.full_at, self._full_due())

    def _full_due(self) -> float:
        return self.full.ended + max(self.rescan, self.full.cost / WALK_SHARE)

    def go_on(self, now: float) -> None:
        """Keep the wish for a full walk after a walk that was believed; the first one follows a first pass at once."""
        if not self.full.count:
            self.full_at = now
        elif self.again_at is not None:
            self.full_at = min(self.full_at, self.again_at)

    def suspend(self, now: float) -> None:
        """Walk all of it soon, and nothing else before: the last walk was not believed."""
        self.full_at = now + min(LOOK_AGAIN, self.rescan)
        self.pass_at = math.inf

    def start_over(self, now: float) -> None:
        """Walk all of it now as if that were the first walk."""
        self.full, self.passes = Past(), Past()
        self.full_at = now

    def want_full(self, when: float) -> None:
        """Have a full walk no later than `when`; after the one under way."""
        if self.under_way is not None:
            self.again_at = when if self.again_at is None else min(self.again_at, when)
        else:
            self.full_at = min(self.full_at, when)

    def events_lost(self, now: float) -> None:
        """Have a full walk that makes up for lost events, at once unless the last ones took too much of a core."""
        self.want_full(max(now, self.full.ended + self.full.cost / LOSS_SHARE) if self.full.count else now)

    def want_pass(self, when: float) -> None:
        """Have a pass no later than `when`; while a walk is under way that one sees to it, or the next."""
        if self.under_way is None and self.has_begun:
            self.pass_at = min(self.pass_at, when)

    def want_judgement(self, now: float) -> None:
        """Have every folder judged again by what is known of it: something else may be due now."""
        if self.has_begun or self.under_way is not None:
            self.tells_all = True
            self.pass_at = now

    def take_trees(self) -> tuple[str, ...]:
        """The directories to be walked now, without those that lie in another one of them."""
        trees, self.trees = self.trees, set()
        self.is_walking_trees = bool(trees)
        return tuple(sorted(path for path in trees if not any(parent in trees for parent in _parents(path))))


def _parents(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path

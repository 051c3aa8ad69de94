"""State of one dataset, with its walks, beliefs, holds and locks. Its folders are in the `ledger`."""

from __future__ import annotations

from dataclasses import dataclass, field

from audiobatchd.core.belief import Belief
from audiobatchd.core.events import Walked
from audiobatchd.core.holds import Holds
from audiobatchd.core.lock_round import LockRound
from audiobatchd.core.renewals import Renewals
from audiobatchd.core.walk_schedule import LOOK_AGAIN, WalkSchedule
from audiobatchd.vocabulary.files import FileId, NearMiss
from audiobatchd.vocabulary.states import Cause, DatasetState, WalkKind

_COUNT_SOON = 1.0
"""Seconds until what is passed over is counted again: not for each of many directories that change."""


@dataclass(slots=True)
class Dataset:
    """State of one dataset, named by the path of its root."""

    path: str
    """The path as it is configured, which names the dataset everywhere."""
    schedule: WalkSchedule
    """The walks that were and that are to come."""
    belief: Belief = field(default_factory=Belief)
    holds: Holds = field(init=False)
    lock_round: LockRound = field(default_factory=LockRound)
    state: DatasetState = DatasetState.ACTIVE
    """Finding of the last walk; see `standing`."""
    remark: str = ""
    """Reason why it is in that state."""
    is_refused: bool = False
    """The root is there, and not to be worked on."""
    before: tuple[DatasetState, str] | None = None
    """The state and the remark when the walk under way began; None before the first."""
    look_at: float | None = 0.0
    """Moment when the root is looked at again, apart from walks; None while that is under way."""
    renewals: Renewals = field(default_factory=Renewals)
    """The folders that were complete until an analyzer came along."""
    lacks: frozenset[int] = frozenset()
    """Reasons why directories are not watched that should be, as error numbers: those that were told of."""
    near_misses: tuple[NearMiss, ...] = ()
    """Files and directories that are passed over, and look as if they were meant."""
    count_at: float | None = None
    """Moment when that is counted again, because a directory has others than it had; None: it has not."""
    of_others: int = 0
    """Number of track folders that the last walk left to other shards."""

    def __post_init__(self) -> None:
        self.holds = Holds(self.path)

    @property
    def standing(self) -> tuple[DatasetState, str]:
        """State, and the remark that explains it: a hold goes before everything that walks found out."""
        if self.holds and self.state in (DatasetState.ACTIVE, DatasetState.WALKING):
            return DatasetState.PAUSED, self.holds.remark
        return self.state, self.remark

    @property
    def works(self) -> bool:
        """Tell whether jobs are given out in it."""
        return self.holds.trial is None and self.standing[0] in (DatasetState.ACTIVE, DatasetState.WALKING)

    @property
    def is_counting(self) -> bool:
        """Tell whether it is still being found out which folders are due again because analyzers came along."""
        return not self.renewals.is_told and (self.schedule.under_way is not None or self.schedule.tells_all)

    @property
    def hangs(self) -> bool:
        """Tell whether its disk does not answer, as far as is known."""
        return Cause.HANG in self.holds

    @property
    def is_paused_for_good(self) -> bool:
        """Tell whether an operator has paused it without a limit of time."""
        hold = self.holds.operator
        return hold is not None and hold.probe_at is None

    @property
    def is_left_alone(self) -> bool:
        """Tell whether nothing is begun in it, neither job nor look."""
        return self.holds.leaves_alone

    @property
    def is_local(self) -> bool:
        """Tell whether its file system is one of this machine, as the last walk told."""
        return self.lock_round.worth.startswith("local")

    @property
    def target(self) -> str:
        """Target of its path, where that leads through links; as far as was looked."""
        return self.belief.leads_to if self.belief.leads_to != self.path else ""

    def is_at(self, place: str) -> bool:
        """Tell whether its path leads to `place` through links, or did when a walk was last believed."""
        return bool(place) and place in (self.belief.place, self.belief.leads_to)

    def walk_started(self, kind: WalkKind) -> bool:
        """Note that a full walk or a pass is under way; whether it is to tell of all folders, as soon as it can."""
        self.before = (self.state, self.remark) if self.schedule.has_begun else None
        tells_all = self.schedule.begin(kind)
        self.renewals.walk_begins()
        if kind is WalkKind.FULL:
            self.belief.begin_full()
        if self.state is DatasetState.ACTIVE:
            self.state = DatasetState.WALKING
        return tells_all

    def walked(self, walk: Walked, known: int, seen: int, now: float) -> bool:
        """Take in the end of a walk; whether it may be believed that folders which it did not see are gone.

        `known` folders were known, of which it saw `seen`.
        """
        self.schedule.end(walk, now)
        self.remark = walk.remark
        self.lock_round.worth = walk.locks
        self.belief.leads_to = walk.place
        self.of_others = walk.of_others
        self.is_refused = bool(walk.refusal)
        is_another = self.belief.is_another(walk.root, walk.place)
        doubt = self.belief.doubt(walk, known, seen)
        if doubt is not None:
            self.state, self.remark = doubt
            self.schedule.suspend(now)
            return False
        self.state = DatasetState.ACTIVE
        self.schedule.go_on(now)
        if is_another and walk.kind is WalkKind.PASS and self.schedule.full.count:
            self.schedule.events_lost(now)  # times of directories in one place say nothing of the files in another
        return True

    def looked(self, root: FileId | None, place: str, now: float) -> None:
        """Take in a look at the root: another one than that of the last walk which was believed has to be walked."""
        self.look_at = now + LOOK_AGAIN
        self.belief.leads_to = place
        if self.belief.is_another(root, place):
            self._walk_another(now)

    def read_in(self, place: str, now: float) -> None:
        """Take in where a folder was read: the path did not lead to that before, and may lead back by the next look."""
        if place and self.belief.leads_to and place != self.belief.leads_to:
            self.belief.leads_to = place
            self._walk_another(now)

    def _walk_another(self, now: float) -> None:
        if self.belief.is_confirmed and self.state in (DatasetState.ACTIVE, DatasetState.WALKING):
            self.schedule.events_lost(now)  # in bounds: there may be file systems whose inodes do not stay as they are

    def want_count(self, now: float) -> None:
        """Have what is passed over counted soon."""
        if self.count_at is None:
            self.count_at = now + _COUNT_SOON

"""The state of each dataset's root: there, walked, lost, held up. What its folders are is `folders`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from audiobatchd.core.events import Walked
from audiobatchd.core.messages import Result
from audiobatchd.vocabulary.files import FolderKey, NearMiss
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.states import Cause, DatasetState, Outcome, WalkKind

LOOK_AGAIN = 5.0
"""Seconds between two looks at a root, whether it is there or not."""

PASS = 60.0
"""Seconds between two looks at the directories' times, at least."""

PASS_SHARE, WALK_SHARE, REAP_SHARE = 0.004, 0.002, 0.001
"""What passes, full walks and looks for locks may take of a core on average: what costs more comes less often."""

LOSS_SHARE = 0.05
"""What full walks may take of a core on average where the watch loses events again and again."""

ROW = 5
"""So many different folders, one after the other, with errors of the disk: it is not the folders' fault."""

BARRED = "the unit cannot write here: systemctl restart audiobatchd"
"""The remark on a dataset that came after the start, when systemd had laid out what the unit may write."""

NO_ANSWER = "its disk does not answer"
"""The remark on a dataset whose disk hangs, and why what slept there was ended."""

_PROBES = (5.0, 60.0)
_BETWEEN_TRIALS = 30.0
"""Seconds between two trials on suspicion, where the disk answers: something else keeps what sleeps there."""
_COUNT_SOON = 1.0


@dataclass(slots=True)
class Hold:
    """Why no job is given out in a dataset. At `probe_at` the folder `key` is looked at again, where it happened.

    What an OPERATOR wants ends then, or, where that is None, when somebody says so.
    """

    cause: Cause
    key: FolderKey
    remark: str
    probe_at: float | None
    wait: float = _PROBES[0]

    def persists(self, now: float) -> None:
        """It was looked at, and nothing is better."""
        self.wait = min(_PROBES[1], self.wait * 2)
        self.probe_at = now + self.wait


@dataclass(slots=True)
class Dataset:
    """One dataset. `known` folders were known before this run, below the directory `root` (device, inode).

    Its next full walk starts at `walk_at`, its next pass at `pass_at`, by what the last one cost (`pass_cost`); while
    one is `walking`, having `listed` so many directories, a wish for a full one is kept in `walk_again`. `accepts`:
    somebody said that the next one is right, `accepting`: that the one under way is. `believed`: one was, in this run.
    `round_open`: the last full one was not, so what it came by counts for the next one too. `tells_all`: the next pass
    is to tell of every folder, also of those that are as they were.

    `parents` are the directories that hold track folders, and so their locks; `reap_at` is when these are looked at;
    `refused`: it is there, and not to be worked on. `before` is how it stood when the walk under way began, None before
    the first; `renew`: the next one sets up the watch anew. `trees` appeared, and are walked all at once. `row` are the
    folders that met errors of the disk since a job last ended otherwise; `holds` is what keeps all jobs waiting.

    `trial` is where the disk is being asked whether it answers at all, `suspect_at` when that may be done again for
    something that sleeps, `answered_at` when it last answered. `untidy` are the folders in which a worker was killed
    meanwhile: what it left is removed when the disk answers.
    """

    path: str
    rescan: float
    known: int = 0
    root: tuple[int, int] | None = None
    state: DatasetState = DatasetState.ACTIVE
    remark: str = ""
    walk_at: float = 0.0
    pass_at: float = math.inf
    walking: WalkKind | None = None
    listed: int = 0
    walk_again: float | None = None
    walks: int = 0
    passes: int = 0
    walked_at: float = 0.0
    passed_at: float = 0.0
    accepts: bool = False
    accepting: bool = False
    believed: bool = False
    round_open: bool = False
    tells_all: bool = False
    pass_cost: float = 0.0
    walk_cost: float = 0.0
    """CPU seconds that the last full walk took."""
    refused: bool = False
    locks: str = ""
    before: tuple[DatasetState, str] | None = None
    renew: bool = False
    holds: dict[Cause, Hold] = field(default_factory=dict)
    row: dict[FolderKey, str] = field(default_factory=dict)
    trees: set[str] = field(default_factory=set)
    walking_trees: bool = False
    parents: set[str] = field(default_factory=set)
    is_track: bool = False
    overdue: dict[str, str] = field(default_factory=dict)
    reap_at: float | None = None
    trial: FolderKey | None = None
    asked_at: float | None = None
    """Since when its disk has been asked without an answer; None where it has answered since."""
    untidy: list[FolderKey] = field(default_factory=list)
    suspect_at: float = 0.0
    answered_at: float = -math.inf
    near_misses: tuple[NearMiss, ...] = ()
    """What is passed over in it, and looks as if it were meant."""
    count_at: float | None = None
    """When that is to be counted again: a directory has others than it had."""
    place: str = ""
    """Where its path led to, without links, when a walk was last believed; empty where that is not known."""
    leads_to: str = ""
    """Where it leads to now, as far as was looked."""
    known_at_start: int = 0
    """How many folders were known when the round of full walks began."""
    look_at: float | None = 0.0
    """When the root is looked at again, apart from walks; None while that is under way."""
    lacks: frozenset[int] = frozenset()
    """Why directories are not watched that should be, as error numbers: those that were told of."""

    @property
    def standing(self) -> tuple[DatasetState, str]:
        """Its state, and the remark that explains it: a hold goes before everything that walks found out."""
        if self.holds and self.state in (DatasetState.ACTIVE, DatasetState.WALKING):
            return DatasetState.PAUSED, "; ".join(hold.remark for hold in self.holds.values())
        return self.state, self.remark

    @property
    def target(self) -> str:
        """Where its path leads to through links, as far as was looked; empty where there are none."""
        return self.leads_to if self.leads_to != self.path else ""

    @property
    def works(self) -> bool:
        """Whether jobs are given out in it."""
        return self.trial is None and self.standing[0] in (DatasetState.ACTIVE, DatasetState.WALKING)

    @property
    def hangs(self) -> bool:
        """Whether its disk does not answer, as far as is known."""
        return Cause.HANG in self.holds

    @property
    def is_local(self) -> bool:
        """Whether its file system is one of this machine, as the last walk told."""
        return self.locks.startswith("local")

    @property
    def is_left_alone(self) -> bool:
        """Whether nothing is begun in it, neither job nor look: its disk is being asked, or does not answer."""
        return self.trial is not None or self.hangs

    def tried(self, key: FolderKey, trouble: str, now: float) -> Hold | None:
        """Its disk was asked at `key`; what now holds it up, if nothing did before."""
        self.trial = None
        if trouble:
            return self._hold(Cause.HANG, key, NO_ANSWER, now)
        self.answered_at = now
        self.asked_at = None
        return None

    def ask(self, key: FolderKey, now: float) -> None:
        """Its disk is asked at `key`."""
        self.trial = key
        self.asked_at = now if self.asked_at is None else self.asked_at

    def suspected(self, key: FolderKey, now: float, *, at_once: bool) -> bool:
        """Something sleeps over what it does at `key`; whether the disk is to be asked there now.

        That is done every now and then, unless it is to be known `at_once`.
        """
        if self.is_left_alone or (now < self.suspect_at and not at_once):
            return False
        self.ask(key, now)
        self.suspect_at = now + _BETWEEN_TRIALS
        return True

    def ended(self, key: FolderKey, result: Result, now: float) -> Hold | None:
        """A job ended; what now holds up the whole dataset, if it did not before."""
        reason = next(iter(result.reasons.values()), "")
        match result.cause:
            case Cause.SPACE:
                where = f" on {result.where}" if result.where else ""
                return self._hold(Cause.SPACE, key, f"no space is left{where}: {reason}", now)
            case Cause.IO:
                self.row[key] = reason
                if len(self.row) >= ROW:
                    where = f" on {result.where}" if result.where else ""
                    remark = f"the disk fails{where}, in {ROW} folders in a row: {reason}"
                    return self._hold(Cause.IO, key, remark, now)
            case _ if result.outcome in (Outcome.DONE, Outcome.FAILED):
                self.row.clear()
        return None

    def barred(self, now: float) -> Hold | None:
        """The unit was seen to be kept from writing in it; what now holds it up, if that did not before."""
        hold = self._hold(Cause.UNIT, FolderKey(self.path, ""), BARRED, now)
        if hold is not None:
            hold.probe_at = None  # looks at the root tell when it is over
        return hold

    def paused(self, until: float | None) -> None:
        """Somebody wants no more jobs, until then, or until somebody says so."""
        self.holds[Cause.OPERATOR] = Hold(Cause.OPERATOR, FolderKey(self.path, ""), "paused by an operator", until)

    @property
    def is_paused_for_good(self) -> bool:
        """Tell whether an operator has paused it without a limit of time."""
        hold = self.holds.get(Cause.OPERATOR)
        return hold is not None and hold.probe_at is None

    def released(self, cause: Cause) -> None:
        """What held it up is over."""
        self.holds.pop(cause, None)
        self.row.clear()

    def _hold(self, cause: Cause, key: FolderKey, remark: str, now: float) -> Hold | None:
        if cause in self.holds:
            return None
        self.holds[cause] = Hold(cause, key, remark, now + _PROBES[0])
        return self.holds[cause]

    def due_walk(self, now: float, *, once: bool) -> WalkKind | None:
        """Which walk is to begin now: at first a pass, where the catalog knows the dataset; it tells soonest."""
        if self.walking is not None or (once and self.walks):
            return None
        if not self.walks and not self.passes and self.known and not once:
            return WalkKind.PASS
        if now >= self.walk_at:
            return WalkKind.FULL
        return WalkKind.PASS if now >= self.pass_at else None

    def walk_started(self, kind: WalkKind) -> bool:
        """A walk is under way, a full one or a pass; whether it is to tell of all folders, as soon as it can."""
        tells_all = not (self.walks or self.passes) or (self.tells_all and kind is WalkKind.PASS)
        self.tells_all &= kind is not WalkKind.PASS
        self.walking = kind
        self.listed = 0
        self.before = (self.state, self.remark) if self.walks or self.passes else None
        if kind is WalkKind.FULL:
            self.renew = False
            self.walk_again = None
            self.accepting, self.accepts = self.accepts, False
        if self.state is DatasetState.ACTIVE:
            self.state = DatasetState.WALKING
        return tells_all

    def walked(self, walk: Walked, known: int, seen: int, now: float) -> bool:
        """A walk ended; whether it may be believed that folders which it did not see are gone.

        `known` folders were known, of which it saw `seen`.
        """
        self.walking = None
        if walk.kind is WalkKind.FULL:
            self.walks += 1
            self.walked_at = now
            self.walk_cost = walk.cost
            self.walk_at = now + max(self.rescan, walk.cost / WALK_SHARE)
        else:
            self.passes += 1
            self.pass_cost = walk.cost
        self.passed_at = now
        self.pass_at = now if self.tells_all else now + max(PASS, self.pass_cost / PASS_SHARE)
        self.remark = walk.remark
        self.locks = walk.locks
        self.leads_to = walk.place
        self.refused = bool(walk.refusal)
        why = self._why_not_to_believe(walk, known, seen)
        if walk.kind is WalkKind.FULL:
            self.round_open = why is not None
        if why is not None:
            self._suspend(*why, now)
            return False
        is_another = walk.root != self.root or self._led_elsewhere(walk.place)
        self.root = walk.root
        self.place = walk.place
        self.believed = True
        self.state = DatasetState.ACTIVE
        if not self.walks:
            self.walk_at = now
        elif is_another and walk.kind is WalkKind.PASS:
            self.watch_lost(now)  # times of directories in one place say nothing of the files in another
        elif self.walk_again is not None:
            self.walk_at = min(self.walk_at, self.walk_again)
        return True

    def _why_not_to_believe(self, walk: Walked, known: int, seen: int) -> tuple[DatasetState, str] | None:
        if self.refused:
            return DatasetState.PAUSED, walk.refusal
        if walk.root is None:
            return DatasetState.MISSING, walk.remark or "there is no such directory"
        if self.accepting and walk.kind is WalkKind.FULL:
            self.accepting = False
            return None
        switched = self._led_elsewhere(walk.place)
        where = f"it leads to {shown(walk.place)} now" if switched else ""
        if walk.empty and known:
            what = f"{where}, which is empty, where" if where else "empty, where"
            return DatasetState.PAUSED, f"{what} {known} folders were known: is a mount lost?"
        moved = switched or (self.root is not None and self.root[0] != walk.root[0])
        if walk.is_strange or (moved and known and not seen):
            what = where or "another file system"
            return DatasetState.PAUSED, f"{what}, with none of the {known} folders that were known"
        return None

    def looked(self, root: tuple[int, int] | None, place: str, now: float) -> None:
        """The root was looked at: another one than that of the last walk which was believed has to be walked."""
        self.look_at = now + LOOK_AGAIN
        self.leads_to = place
        if root != self.root or self._led_elsewhere(place):
            self._is_another(now)

    def read_in(self, place: str, now: float) -> None:
        """A folder was read there: where the path did not lead to that before, it may be back by the next look."""
        if place and self.leads_to and place != self.leads_to:
            self.leads_to = place
            self._is_another(now)

    def _is_another(self, now: float) -> None:
        if self.believed and self.state in (DatasetState.ACTIVE, DatasetState.WALKING):
            self.watch_lost(now)  # in bounds, for there may be file systems whose inodes do not stay what they are

    def _led_elsewhere(self, place: str) -> bool:
        """Whether its path leads through links, and led to another directory than it does now."""
        return bool(self.place and place) and self.place != place

    def take_trees(self) -> tuple[str, ...]:
        """The directories to be walked now, without those that lie in another one of them."""
        trees, self.trees = self.trees, set()
        self.walking_trees = bool(trees)
        return tuple(sorted(path for path in trees if not any(parent in trees for parent in _parents(path))))

    def next_walk(self, *, once: bool) -> float | None:
        """When `due_walk` has something to say by itself."""
        if self.walking is not None or (once and self.walks):
            return None
        return min(self.walk_at, self.pass_at)

    def want_judgement(self, now: float) -> None:
        """What is due may be something else now, in every folder: they are judged by what is known of them."""
        if self.walks or self.passes or self.walking is not None:
            self.tells_all = True
            self.pass_at = now

    def want_pass(self, when: float) -> None:
        """Have a pass no later than `when`; while a walk is under way that one sees to it, or the next."""
        if self.walking is None and (self.walks or self.passes):
            self.pass_at = min(self.pass_at, when)

    def watch_lost(self, now: float) -> None:
        """Events were lost: a full walk makes up for them, at once unless the last ones took too much of a core."""
        self.want_walk(max(now, self.walked_at + self.walk_cost / LOSS_SHARE) if self.walks else now)

    def want_walk(self, when: float) -> None:
        """Have a full walk no later than `when`."""
        if self.walking is not None:
            self.walk_again = when if self.walk_again is None else min(self.walk_again, when)
        else:
            self.walk_at = min(self.walk_at, when)

    def want_count(self, now: float) -> None:
        """Have what is passed over counted, soon and not for each of many directories."""
        if self.count_at is None:
            self.count_at = now + _COUNT_SOON

    def _suspend(self, state: DatasetState, remark: str, now: float) -> None:
        self.state = state
        self.remark = remark
        self.walk_at = now + min(LOOK_AGAIN, self.rescan)
        self.pass_at = math.inf


def _parents(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path

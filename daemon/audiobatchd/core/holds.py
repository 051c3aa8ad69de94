"""Holds on all jobs of a dataset: by a disk that fails, is full, or is silent; by the unit, a schedule, an operator."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from audiobatchd.core.backoff import Backoff
from audiobatchd.core.messages import Result
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Cause, Outcome

ROW = 5
"""Number of folders, one after the other, whose errors of the disk are not taken for the folders' fault."""

BARRED = "the unit cannot write here: systemctl restart audiobatchd"
"""The remark on a dataset that came after the start, when systemd had laid out what the unit may write."""

NO_ANSWER = "its disk does not answer"
"""The remark on a dataset whose disk hangs, and why what slept there was ended."""

_PROBES = Backoff(5.0, 60.0)
_BETWEEN_TRIALS = 30.0
"""Seconds between two trials on suspicion, where the disk answers: something else keeps what sleeps there."""


@dataclass(slots=True)
class Hold:
    """Reason why no job is given out in a dataset."""

    cause: Cause
    key: FolderKey
    """The folder where it was met, which is looked at again."""
    remark: str
    """Words for people on what holds it up."""
    probe_at: float | None
    """Moment when it is looked at again, or an operator's pause ends; None: not by itself."""
    probes: int = 0
    """Number of looks that found nothing better."""

    def persists(self, now: float) -> None:
        """Put off the next look: nothing is better."""
        self.probes += 1
        self.probe_at = now + _PROBES.wait(self.probes)


@dataclass(slots=True)
class Holds:
    """The reasons why no job is given out in the dataset at `path`, and the suspicion that there is one."""

    path: str
    by_cause: dict[Cause, Hold] = field(default_factory=dict)
    row: dict[FolderKey, str] = field(default_factory=dict)
    """The folders that met errors of the disk since a job last ended otherwise."""
    trial: FolderKey | None = None
    """Folder where the disk is being asked whether it answers at all."""
    asked_at: float | None = None
    """Moment since when the disk has been asked without an answer; None where it has answered since."""
    suspect_at: float = 0.0
    """Moment when it may be asked again because something sleeps there."""
    answered_at: float = -math.inf
    """Moment when the disk last answered."""
    untidy: list[FolderKey] = field(default_factory=list)
    """The folders in which a worker was killed, whose remains are removed when the disk answers."""

    def __bool__(self) -> bool:
        return bool(self.by_cause)

    def __contains__(self, cause: Cause) -> bool:
        return cause in self.by_cause

    @property
    def remark(self) -> str:
        """Remarks of all holds in one line."""
        return "; ".join(hold.remark for hold in self.by_cause.values())

    @property
    def operator(self) -> Hold | None:
        """The pause by an operator, if there is one."""
        return self.by_cause.get(Cause.OPERATOR)

    @property
    def leaves_alone(self) -> bool:
        """Tell whether nothing is begun there, neither job nor look: the disk is being asked, or does not answer."""
        return self.trial is not None or Cause.HANG in self

    def is_silent(self, now: float, fresh: float) -> bool:
        """Tell whether the disk has not answered for more than `fresh` seconds."""
        return now - self.answered_at > fresh

    def due(self, now: float) -> list[Hold]:
        """The holds to be looked at now; each waits for the answer then."""
        found = [hold for hold in self.by_cause.values() if hold.probe_at is not None and now >= hold.probe_at]
        for hold in found:
            hold.probe_at = None
        return found

    def tried(self, key: FolderKey, trouble: str, now: float) -> Hold | None:
        """Take in the disk's answer at `key`, or its `trouble`; the hold that follows, if it is a new one."""
        self.trial = None
        if trouble:
            return self._hold(Cause.HANG, key, NO_ANSWER, now)
        self.answered_at = now
        self.asked_at = None
        return None

    def ask(self, key: FolderKey, now: float) -> None:
        """Ask the disk at `key`."""
        self.trial = key
        self.asked_at = now if self.asked_at is None else self.asked_at

    def suspected(self, key: FolderKey, now: float, *, at_once: bool = False) -> bool:
        """Suspect the disk, for something sleeps over what it does at `key`; whether it is to be asked there now.

        That is done every now and then, unless it is to be known `at_once`.
        """
        if self.leaves_alone or (now < self.suspect_at and not at_once):
            return False
        self.ask(key, now)
        self.suspect_at = now + _BETWEEN_TRIALS
        return True

    def job_ended(self, key: FolderKey, result: Result, now: float) -> Hold | None:
        """Take in how a job ended; the hold that follows, if it is a new one."""
        reason = next(iter(result.reasons.values()), "")
        where = f" on {result.where}" if result.where else ""
        match result.cause:
            case Cause.SPACE:
                return self._hold(Cause.SPACE, key, f"no space is left{where}: {reason}", now)
            case Cause.IO:
                self.row[key] = reason
                if len(self.row) >= ROW:
                    remark = f"the disk fails{where}, in {ROW} folders in a row: {reason}"
                    return self._hold(Cause.IO, key, remark, now)
            case _ if result.outcome in (Outcome.DONE, Outcome.FAILED):
                self.row.clear()
        return None

    def bar(self, now: float) -> Hold | None:
        """Hold jobs that the unit keeps from writing there; the hold, if there was none of that cause before."""
        hold = self._hold(Cause.UNIT, FolderKey(self.path, ""), BARRED, now)
        if hold is not None:
            hold.probe_at = None  # looks at the root tell when it is over
        return hold

    def schedule(self, remark: str) -> None:
        """Hold all jobs by the dataset's schedule, for what the `remark` says; looks at the machine end it."""
        self.by_cause[Cause.SCHEDULE] = Hold(Cause.SCHEDULE, FolderKey(self.path, ""), remark, None)

    def pause(self, until: float | None) -> Hold:
        """Hold all jobs by an operator's wish, until then, or until it is withdrawn."""
        hold = Hold(Cause.OPERATOR, FolderKey(self.path, ""), "paused by an operator", until)
        self.by_cause[Cause.OPERATOR] = hold
        return hold

    def release(self, cause: Cause) -> bool:
        """Let jobs go on where only this held them; whether it did."""
        if cause not in self:
            return False
        del self.by_cause[cause]
        self.row.clear()
        return True

    def _hold(self, cause: Cause, key: FolderKey, remark: str, now: float) -> Hold | None:
        if cause in self:
            return None
        self.by_cause[cause] = Hold(cause, key, remark, now + _PROBES.wait(0))
        return self.by_cause[cause]

"""The crew: all slots. Starting, recycling and ending their processes; what they are given to do is not known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from audiobatchd.core import actions as do
from audiobatchd.core.plan import Plan
from audiobatchd.core.slot import Assignment, Slot, SlotState
from audiobatchd.vocabulary.log_events import LogEvent

_ATTEMPTS = 3
_MIB = 1 << 20


@dataclass(frozen=True)
class Lost:
    """A worker that was killed and is still there: it sleeps in the kernel, mostly over a disk."""

    pid: int
    """PID of its process."""
    slot: int
    """The slot where it lived."""
    assignment: Assignment | None
    """The job that it was at."""
    doing: str
    """Last words of the worker on its work."""
    fate: str
    """The reason why it was killed."""
    since: float
    """The moment of that."""


class Crew:
    """The slots, as many as the plan has workers; where fewer are wanted than there are, the last ones end.

    One pass begins with one, and has more as far as there is work for them: see `grow`. On other machines there are as
    many as these have places, see `joined`.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        first = 0 if plan.remote else min(1, plan.workers) if plan.once else plan.workers
        self.slots = [self._made(index) for index in range(first)]
        self.cannot_start = ""
        """Reason why the last worker that came to no job ended; empty when one has become ready since."""
        self._rests = False
        """True where one worker is enough: it tells what the analyzers offer, and none is given a job."""
        self.lost: dict[int, Lost] = {}
        """The workers, by PID, that SIGKILL has not ended; others have their slots."""

    def replan(self, plan: Plan, *, anew: bool) -> None:
        """Go by another plan; `anew`: no process of now may take another job."""
        self._plan = plan
        for slot in self.slots:
            slot.stale |= anew and slot.state is not SlotState.DOWN
            if slot.state is SlotState.DOWN and slot.due is None:
                slot.due = 0.0  # it was wanted no more, and is again
        if not plan.once:
            self.grow(plan.workers)

    def rest(self, now: float, *, rests: bool) -> None:
        """Have one worker from now on, or again as many as the plan has."""
        if self._rests and not rests:
            for slot in self.slots:
                if slot.state is SlotState.DOWN and slot.due is None:
                    slot.due = now  # it was wanted no more, and is again
        self._rests = rests

    def grow(self, jobs: int) -> None:
        """Have a slot for each of so many jobs, as far as the plan has workers. None goes for there being fewer."""
        if self._plan.remote:
            return
        self.slots += [self._made(index) for index in range(len(self.slots), min(jobs, self._plan.workers))]

    def _made(self, index: int) -> Slot:
        return Slot(index, self._plan.boot_timeout, self._plan.lost_after, is_there=not self._plan.remote)

    def joined(self, index: int, host: str, now: float) -> list[do.Action]:
        """Have a slot for a place on another machine."""
        self.slots += [self._made(new) for new in range(len(self.slots), index + 1)]
        self.slots[index].joined(host, now)
        return [do.Report(LogEvent.HOST_JOINED, {"worker": index, "host": host})]

    def others_are_stale(self, slot: Slot) -> None:
        """Replace the other processes, which know less, or other models, than this one: it offers something else."""
        for other in self.slots:
            other.stale |= other is not slot and other.state in (SlotState.IDLE, SlotState.BUSY)

    def slot_of(self, index: int, pid: int) -> Slot | None:
        """The slot where the process `pid` lives; None where that is gone."""
        if index < len(self.slots) and self.slots[index].pid == pid:
            return self.slots[index]
        return None

    def ready(self, slot: Slot, now: float) -> bool:
        """Take in that a worker is ready; False where that comes too late, see `Slot.ready`."""
        if not slot.ready(now):
            return False
        self.cannot_start = ""
        return True

    def free(self) -> list[Slot]:
        """The slots that a job can be given to."""
        return [slot for slot in self.slots if slot.state is SlotState.IDLE and not self._recycles(slot)]

    def busy(self) -> list[Slot]:
        """The slots that are at a job."""
        return [slot for slot in self.slots if slot.state is SlotState.BUSY]

    def at_work(self) -> list[Slot]:
        """The slots whose process is at a job, also while it is being ended."""
        return [slot for slot in self.slots if slot.assignment is not None]

    def cannot_boot(self) -> bool:
        """Tell whether every slot has tried to start a worker for long enough; other machines may come yet."""
        return not self._plan.remote and all(slot.failures >= _ATTEMPTS for slot in self.slots)

    def measured(self, resident: Mapping[int, int], asleep: Mapping[int, float], now: float) -> list[do.Action]:
        """Take note of each process, by PID: its memory, and since when it sleeps; end one that has grown too much."""
        actions: list[do.Action] = []
        for slot in self.slots:
            slot.resident = resident.get(slot.pid, slot.resident)
            if slot.state is SlotState.BUSY:
                slot.slept(asleep.get(slot.pid, 0.0))
            if slot.state in (SlotState.BUSY, SlotState.BOOTING) and slot.resident > self._plan.worker_memory:
                most = self._plan.worker_memory // _MIB
                slot.ending(f"it grew to {slot.resident // _MIB} MiB of memory, beyond {most} MiB", now)
                actions.append(do.KillWorker(slot.index))
        return actions

    def exited(self, slot: Slot, how: str) -> list[do.Action]:
        """Tell of a process that is gone; the slot itself is told after this.

        The same trouble at the start is told once, however many workers meet it, and however often.
        """
        fate = slot.fate or how
        if slot.state is SlotState.ENDING and not slot.fate:
            return []
        known = self.cannot_start == fate
        if not slot.jobs:
            self.cannot_start = fate
        if slot.loaded:
            return [do.Report(LogEvent.WORKER_DIED, {"worker": slot.index, "reason": fate})]
        return [] if known else [do.Report(LogEvent.WORKER_CANNOT_START, {"worker": slot.index, "reason": fate})]

    def give_up(self, now: float) -> list[Lost]:
        """The workers that SIGKILL has not ended in time; their slots are free from now on."""
        found = []
        for slot in self.slots:
            if slot.state is SlotState.ENDING and slot.is_killed and slot.ran_out(now):
                pid, doing, fate, since = slot.pid, slot.doing, slot.fate, slot.since
                found.append(Lost(pid, slot.index, slot.lost(now), doing, fate, since))
        self.lost |= {each.pid: each for each in found}
        return found

    def tend(self, now: float, *, works: bool, kill: bool) -> list[do.Action]:
        """Start, stop or kill what is due; `works`: jobs are given out, `kill`: those that still run are ended."""
        actions = [action for slot in self.slots for action in self._tend(slot, now, works=works, kill=kill)]
        while self.slots and self._is_spare(self.slots[-1]):
            self.slots.pop()
        return actions

    def wakeups(self) -> Iterator[float]:
        """The moments when something is to be done with a slot."""
        for slot in self.slots:
            if slot.due is not None and not (slot.waits and slot.state is SlotState.BUSY):
                yield slot.due

    def _tend(self, slot: Slot, now: float, *, works: bool, kill: bool) -> list[do.Action]:
        wanted = works and self._is_wanted(slot)
        match slot.state:
            case SlotState.DOWN if not wanted:
                slot.due = None
            case SlotState.DOWN if slot.ran_out(now):
                slot.due = None  # until the supervisor says what became of it
                return [do.SpawnWorker(slot.index)]
            case SlotState.IDLE if not wanted or self._recycles(slot):
                slot.ending("", now, patience=self._plan.stop_grace)
                return [do.StopWorker(slot.index)]
            case SlotState.BUSY if kill:
                slot.ending("", now)
                slot.hurry(now)
                return [do.KillWorker(slot.index)]
            case SlotState.ENDING if slot.is_killed:
                if not works:
                    slot.hurry(now)
            case SlotState.ENDING if kill:
                slot.ending(slot.fate, now)
                return [do.KillWorker(slot.index)]
            case SlotState.BOOTING if not wanted or slot.stale:
                slot.ending("", now)
                return [do.KillWorker(slot.index)]
            case SlotState.BOOTING | SlotState.BUSY | SlotState.ENDING if slot.ran_out(now):
                slot.ending(f"no answer for too long while {slot.doing or slot.state.value}", now)
                return [do.KillWorker(slot.index)]
        return []

    def _is_spare(self, slot: Slot) -> bool:
        """Tell whether the last slot goes: its machine has left, or the plan has fewer workers."""
        stays = slot.is_there if self._plan.remote else slot.index < self._plan.workers
        return not stays and slot.state is SlotState.DOWN

    def _is_wanted(self, slot: Slot) -> bool:
        """Tell whether a process is to live in the slot at all."""
        return slot.is_there if self._plan.remote else slot.index < (1 if self._rests else self._plan.workers)

    def _recycles(self, slot: Slot) -> bool:
        """Tell whether an idle process has done or grown enough, or knows another configuration.

        The first ones end earlier, each at a moment of its own, so that never all of them load at once.
        """
        most = self._plan.recycle_jobs
        if slot.spawns == 1:
            most = max(1, most - most * slot.index // (2 * max(len(self.slots), self._plan.workers)))
        return slot.stale or slot.jobs >= most or slot.resident > self._plan.worker_memory

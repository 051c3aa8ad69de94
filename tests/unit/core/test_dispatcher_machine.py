"""Random histories of a disk, of lost and late news, of workers that die, against a simple model of what must come out.

The disk here is a few folders with a content each; readings and walks are made at one moment and delivered at another,
as threads do; a worker does its job on the disk as it is then, and what it says arrives later.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.completeness import FileMemory, judges
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.messages import Job, Ready, Result
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.slot import SlotState
from audiobatchd.model import FolderKey, FolderState, Outcome, WalkKind
from support.core_rig import SETTLE, offer, plan, reading, stamp, walked

DATASETS = ("/a", "/b")
FOLDERS = tuple(FolderKey(dataset, path) for dataset in DATASETS for path in ("1", "2", "3"))
OFFERS = (offer(),)
MAX_DEATHS = 2
LONG = 2000.0
ON_THEIR_WAY = 6.0
NO_MIX = -1

GOOD, DAMAGED, DEADLY, SPOILED, PROTECTED = "good", "damaged", "deadly", "spoiled", "protected"
KINDS = (GOOD, GOOD, GOOD, DAMAGED, DEADLY, SPOILED, PROTECTED)
"""What becomes of a folder: complete; a damaged file; its worker dies; its record cannot be read; cannot be written."""

EXPECTED = {
    GOOD: FolderState.COMPLETE,
    DAMAGED: FolderState.FAILED,
    DEADLY: FolderState.FAILED,
    SPOILED: FolderState.BLOCKED,
    PROTECTED: FolderState.BLOCKED,
}


@dataclass
class OnDisk:
    """One folder. `content` changes with every change of a file; 0: it is not there. `done` is the content measured."""

    content: int = 0
    kind: str = GOOD
    access: int = 0
    done: int = 0
    on_their_way: bool = False
    mix: bool = True
    locked: bool = False


@dataclass
class Process:
    """A worker: what it is at, and what it said that has not arrived yet."""

    slot: int
    job: Job | None = None
    said: deque[on.Event] = field(default_factory=deque)
    alive: bool = True
    booted: bool = False


@dataclass
class WalkUnderWay:
    """A walk: the folders it has yet to come by, what it came by, and what of that has not arrived yet."""

    dataset: str
    ahead: list[FolderKey]
    batch: list[Reading] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    said: deque[on.Event] = field(default_factory=deque)
    kind: WalkKind = WalkKind.FULL
    ended: bool = False


class World(RuleBasedStateMachine):
    """The supervisor, the disk and the workers, driven by chance."""

    @initialize(workers=st.integers(1, 3))
    def start(self, workers: int) -> None:
        self.now = 1000.0
        self.core = Dispatcher(plan(*DATASETS, workers=workers, max_deaths=MAX_DEATHS, backoff=(5.0, 20.0)), self.now)
        self.disk = {key: OnDisk() for key in FOLDERS}
        self.contents = 0
        self.processes: dict[int, Process] = {}
        self.to_read: list[FolderKey] = []
        self.made: dict[FolderKey, Reading] = {}
        self.walks: list[WalkUnderWay] = []
        self.catalog: dict[FolderKey, do.Remember] = {}
        self.heard: dict[FolderKey, list[tuple[float, str, bool]]] = {key: [] for key in FOLDERS}
        self.lost = False
        self.tick()

    # The disk

    @rule(key=st.sampled_from(FOLDERS), kind=st.sampled_from(KINDS), told=st.booleans(), halfway=st.booleans())
    def files_change(self, key: FolderKey, kind: str, told: bool, halfway: bool) -> None:
        """A copy arrives, or a file is replaced; while it is `halfway`, one has a temporary name."""
        self.contents += 1
        folder = self.disk[key]
        folder.content, folder.kind, folder.on_their_way, folder.mix = self.contents, kind, halfway, True
        folder.access += 1
        self.news(on.FolderHint(key), told)

    @rule(key=st.sampled_from(FOLDERS), told=st.booleans())
    def mend(self, key: FolderKey, told: bool) -> None:
        """Permissions or the record were put in order, the files stay as they are."""
        folder = self.disk[key]
        if folder.content and folder.kind in (SPOILED, PROTECTED):
            folder.kind = GOOD
            folder.access += 1
            self.news(on.FolderTouched(key), told)

    @rule(key=st.sampled_from(FOLDERS), told=st.booleans())
    def vanish(self, key: FolderKey, told: bool) -> None:
        self.disk[key] = OnDisk()
        self.news(on.TreeVanished(key), told)

    @rule(key=st.sampled_from(FOLDERS), told=st.booleans())
    def mix_goes(self, key: FolderKey, told: bool) -> None:
        """Stems stay without their mix."""
        if self.disk[key].content:
            self.disk[key].mix = False
            self.news(on.FolderHint(key), told)

    @rule(key=st.sampled_from(FOLDERS), held=st.booleans())
    def somebody_else_locks(self, key: FolderKey, held: bool) -> None:
        self.disk[key].locked = held

    @rule(key=st.sampled_from(FOLDERS))
    def needless_hint(self, key: FolderKey) -> None:
        self.news(on.FolderHint(key), told=True)

    @rule(key=st.sampled_from(FOLDERS))
    def tree_appears(self, key: FolderKey) -> None:
        """A directory was moved in: a walk of its own."""
        self.news(on.TreeAppeared(key), told=True)

    @rule(dataset=st.sampled_from(DATASETS))
    def events_overflow(self, dataset: str) -> None:
        self.news(on.WatchLost(dataset, "overflow"), told=True)

    def news(self, event: on.Event, told: bool) -> None:
        if told:
            self.handle(event)
        else:
            self.lost = True

    # Readings: asked for, made, delivered

    @precondition(lambda self: self.to_read)
    @rule(data=st.data())
    def make_reading(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.to_read))
        self.to_read.remove(key)
        self.made[key] = self.look(key)

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def deliver_reading(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.made)))
        self.handle(on.FolderRead(self.made.pop(key)))

    def look(self, key: FolderKey) -> Reading:
        """What `scan` would say of the folder as it is now."""
        folder = self.disk[key]
        signature = f"{folder.content} {folder.on_their_way}"
        if not folder.content or not folder.mix:
            return reading(key.path, Finding.GONE, dataset=key.dataset)
        known = self.catalog.get(key)
        memory = dict(known.memory) if known else {}
        finding = Finding.DUE
        if folder.kind == SPOILED:
            finding = Finding.BLOCKED
        elif folder.done == folder.content:
            finding = Finding.COMPLETE
        elif (known and known.verdict and known.signature == signature) or (
            "full_mix" in memory and memory["full_mix"].stamp.size == folder.content
        ):
            finding = Finding.FAILED
        return reading(
            key.path,
            finding,
            signature,
            dataset=key.dataset,
            access=str(folder.access),
            on_their_way=folder.on_their_way,
            memory=memory if finding is Finding.DUE else {},
        )

    # Walks

    @precondition(lambda self: any(not walk.ended for walk in self.walks))
    @rule(data=st.data(), flush=st.booleans())
    def walk_on(self, data: st.DataObject, flush: bool) -> None:
        self.step(data.draw(st.sampled_from([walk for walk in self.walks if not walk.ended])), flush=flush)

    def step(self, walk: WalkUnderWay, *, flush: bool) -> None:
        if walk.ahead:
            key = walk.ahead.pop(0)
            each = self.look(key)
            if each.finding is Finding.COMPLETE:
                walk.unchanged.append(key.path)  # the catalog knows it: its record is not read again
            elif self.disk[key].content:
                walk.batch.append(each)
            if each.finding is not Finding.GONE:
                walk.seen.append(key.path)
        if (walk.batch or walk.unchanged) and (flush or not walk.ahead):
            unchanged = tuple((path, 0) for path in walk.unchanged)
            walk.said.append(on.WalkRead(tuple(walk.batch), walk.dataset, unchanged))
            walk.batch.clear()
            walk.unchanged.clear()
        if not walk.ahead:
            walk.ended = True
            walk.said.append(walked(*walk.seen, dataset=walk.dataset, kind=walk.kind, empty=False))

    @precondition(lambda self: any(walk.said for walk in self.walks))
    @rule(data=st.data())
    def deliver_walk(self, data: st.DataObject) -> None:
        walk = data.draw(st.sampled_from([walk for walk in self.walks if walk.said]))
        self.handle(walk.said.popleft())
        if walk.ended and not walk.said:
            self.walks.remove(walk)

    # Workers

    @precondition(lambda self: any(process.alive for process in self.processes.values()))
    @rule(data=st.data())
    def worker_goes_on(self, data: st.DataObject) -> None:
        alive = [pid for pid, process in self.processes.items() if process.alive]
        self.work(data.draw(st.sampled_from(alive)))

    @precondition(lambda self: any(process.alive for process in self.processes.values()))
    @rule(data=st.data())
    def worker_dies(self, data: st.DataObject) -> None:
        alive = [pid for pid, process in self.processes.items() if process.alive]
        self.die(data.draw(st.sampled_from(alive)))

    @precondition(lambda self: any(process.said for process in self.processes.values()))
    @rule(data=st.data())
    def hear_worker(self, data: st.DataObject) -> None:
        talking = [pid for pid, process in self.processes.items() if process.said]
        self.hear(data.draw(st.sampled_from(talking)))

    def work(self, pid: int) -> None:
        process = self.processes[pid]
        if not process.booted:
            process.booted = True
            process.said.append(on.WorkerSaid(process.slot, pid, Ready(OFFERS)))
        elif process.job is not None:
            job, process.job = process.job, None
            if self.disk[key_of(job)].kind == DEADLY and not self.disk[key_of(job)].locked:
                self.die(pid)
            else:
                process.said.append(on.WorkerSaid(process.slot, pid, self.result(job)))

    def result(self, job: Job) -> Result:
        """What `worker.job` makes of the folder as it is now."""
        key = key_of(job)
        folder, now = self.disk[key], self.look(key)
        if folder.locked:
            return Result(job.number, Outcome.LOCKED)
        if now.finding is Finding.GONE:
            return Result(job.number, Outcome.GONE)
        if now.signature != job.signature:
            return Result(job.number, Outcome.CHANGED)
        if folder.kind in (SPOILED, PROTECTED):
            return Result(job.number, Outcome.BLOCKED, access=now.access)
        if folder.kind == DAMAGED:
            damage = FileMemory(stamp(size=folder.content), failure="damaged", judges=judges(OFFERS))
            return Result(job.number, Outcome.FAILED, reasons={"full_mix": "damaged"}, memory={"full_mix": damage})
        folder.done = folder.content
        return Result(job.number, Outcome.DONE, values={"lufs": -14.0})

    def die(self, pid: int) -> None:
        process = self.processes[pid]
        process.alive = False
        process.said.append(on.WorkerExited(process.slot, pid, "killed"))

    def hear(self, pid: int) -> None:
        process = self.processes[pid]
        event = process.said.popleft()
        if isinstance(event, on.WorkerExited):
            del self.processes[pid]
        self.handle(event)

    # The supervisor

    @rule(seconds=st.sampled_from((0.1, 1.0, SETTLE, 60.0, 700.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.tick()

    def handle(self, event: on.Event) -> None:
        self.perform(self.core.handle(event, self.now))
        self.note(event)
        self.tick()

    def tick(self) -> None:
        self.perform(self.core.tick(self.now))

    def perform(self, actions: list[do.Action]) -> None:
        for action in actions:
            match action:
                case do.SpawnWorker(slot):
                    pid = 1 + max(self.processes, default=self.contents + 100)
                    assert all(process.slot != slot for process in self.processes.values()), "two processes in a slot"
                    self.processes[pid] = Process(slot)
                    self.core.crew.slots[slot].spawned(pid, self.now)
                case do.KillWorker(slot):
                    for pid, process in list(self.processes.items()):
                        if process.slot == slot and process.alive:
                            self.die(pid)
                case do.SendJob(slot, job):
                    self.check_settled(job)
                    for process in self.processes.values():
                        if process.slot == slot and process.alive:
                            process.job = job
                case do.ReadFolder(key):
                    assert key not in self.to_read, "two readings of a folder at a time"
                    assert key not in self.made, "two readings of a folder at a time"
                    self.to_read.append(key)
                case do.WalkTree(dataset, paths, kind):
                    ahead = [key for key in FOLDERS if key.dataset == dataset and {"", key.path} & set(paths)]
                    self.walks.append(WalkUnderWay(dataset, ahead, kind=kind))
                case do.Remember(key):
                    self.catalog[key] = action

    def note(self, event: on.Event) -> None:
        """Keep what the core was told of folders, and of what a walk told, which may be old, what it believed."""
        readings: tuple[Reading, ...] = ()
        if isinstance(event, on.FolderRead):
            readings = (event.reading,)
        elif isinstance(event, on.WalkRead):
            readings = tuple(each for each in event.readings if each.finding is Finding.DUE or self.believed(each))
        for each in readings:
            self.heard[each.key].append((self.now, each.signature, each.on_their_way))

    def believed(self, each: Reading) -> bool:
        entry = self.core.ledger.active.get(each.key)
        return entry is not None and entry.state.value == each.finding.value

    def check_settled(self, job: Job) -> None:
        """Nothing is given out that was not seen alike for as long as it takes to settle."""
        newest = self.heard[key_of(job)][-1]
        assert newest[1:] == (job.signature, False), "given out by an old reading, or with a file on its way"
        first = newest[0]
        for when, signature, _ in reversed(self.heard[key_of(job)]):
            if signature != job.signature:
                break
            first = when
        assert newest[0] - first >= SETTLE, "given out before it had settled"

    # What must always hold

    @invariant()
    def no_folder_is_in_two_slots(self) -> None:
        at_work = [slot.assignment.key for slot in self.core.crew.slots if slot.assignment]
        running = [key for key, folder in self.core.ledger.active.items() if folder.state is FolderState.RUNNING]
        assert sorted(at_work) == sorted(running)
        assert len(set(at_work)) == len(at_work)

    @invariant()
    def the_books_agree(self) -> None:
        ledger = self.core.ledger
        assert not set(ledger.complete) & ledger.active.keys()
        for dataset in DATASETS:
            states = Counter(folder.state for key, folder in ledger.active.items() if key.dataset == dataset)
            states[FolderState.COMPLETE] = sum(key.dataset == dataset for key in ledger.complete)
            assert +ledger.counts[dataset] == +states
        bad = {key for key, each in ledger.active.items() if each.state in (FolderState.FAILED, FolderState.BLOCKED)}
        assert ledger.troubled == bad

    @invariant()
    def nothing_due_is_left_undone(self) -> None:
        """An idle worker and a queued folder do not wait for each other."""
        if any(slot.state is SlotState.IDLE for slot in self.core.crew.slots):
            assert not any(self.core.ledger.counts[dataset][FolderState.QUEUED] for dataset in DATASETS)

    # What must come out

    @rule()
    def quiet(self) -> None:
        """Nobody changes anything any more: every folder comes to its end, by one walk more where news were lost."""
        for folder in self.disk.values():
            folder.locked = False
        self.run_until(self.now + LONG)
        strict = not self.lost
        if self.lost:
            for dataset in DATASETS:
                self.handle(on.WatchLost(dataset, "lost"))
            self.run_until(self.now + LONG)
            self.lost = False
        for key, folder in self.disk.items():
            self.check(key, folder, ghosts_may_be=strict)

    def check(self, key: FolderKey, folder: OnDisk, *, ghosts_may_be: bool) -> None:
        entry = self.core.ledger.active.get(key)
        state = FolderState.COMPLETE if key in self.core.ledger.complete else entry.state if entry else None
        if not folder.content or not folder.mix:
            # A walk that began before it went may still tell of it; the next one will not.
            assert state is None or ghosts_may_be, f"{key} is gone and still {state}"
        elif folder.kind == SPOILED:
            assert state is FolderState.BLOCKED
        elif folder.done == folder.content:
            assert state is FolderState.COMPLETE, f"{key} is complete and called {state}"
        elif folder.on_their_way:
            assert state is FolderState.SETTLING, f"{key} is on its way and called {state}"
        elif self.was_given_up(key, folder):
            assert state is FolderState.FAILED
        else:
            assert state is EXPECTED[folder.kind], f"{key} is {folder.kind} and became {state}"
            assert (folder.done == folder.content) is (state is FolderState.COMPLETE)

    def was_given_up(self, key: FolderKey, folder: OnDisk) -> bool:
        """Whether its workers died (by chance, or because of it) as often as it may happen."""
        known = self.catalog.get(key)
        return bool(known and known.verdict) and known is not None and known.signature == f"{folder.content} False"

    def run_until(self, end: float) -> None:
        """Let everything that is under way arrive, and time pass, until `end`."""
        while True:
            for _ in self.everything_under_way():
                pass
            wakeup = self.core.next_wakeup()
            if wakeup is None or wakeup > end:
                break
            # A folder with a file on its way is looked at for ever: fewer looks show as much.
            self.now = max(self.now + ON_THEIR_WAY, wakeup)
            self.tick()
        self.now = max(self.now, end)
        self.tick()

    def everything_under_way(self) -> Iterator[None]:
        busy = True
        while busy:
            busy = False
            for key in list(self.to_read):
                self.to_read.remove(key)
                self.made[key] = self.look(key)
            for key in list(self.made):
                self.handle(on.FolderRead(self.made.pop(key)))
                busy = True
            for walk in list(self.walks):
                while not walk.ended:
                    self.step(walk, flush=True)
                while walk.said:
                    self.handle(walk.said.popleft())
                self.walks.remove(walk)
                busy = True
            for pid in list(self.processes):
                if pid in self.processes and self.processes[pid].alive:
                    self.work(pid)
                while pid in self.processes and self.processes[pid].said:
                    self.hear(pid)
                    busy = True
            yield


def key_of(job: Job) -> FolderKey:
    return FolderKey(job.dataset.decode(), job.path.decode())


TestWorld = World.TestCase
TestWorld.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

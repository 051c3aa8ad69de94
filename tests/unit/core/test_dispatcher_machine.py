"""Random histories of a disk, of lost and late news, of workers that die, against a simple model of what must come out.

The disk here is a few folders with a content each; readings and walks are made at one moment and delivered at another,
as threads do; a worker does its job on the disk as it is then, and what it says arrives later. Disks fail and fill up,
roots go and come, somebody dies over a folder and leaves his lock, an operator retries, bumps, accepts what is there,
and has the configuration read again.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from unittest import mock

import hypothesis.strategies as st
import msgspec
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from audiobatchd.core import actions as do
from audiobatchd.core import dataset as dataset_module
from audiobatchd.core import events as on
from audiobatchd.core import holds, walk_schedule
from audiobatchd.core.assessment import judges
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.messages import Job, Ready, Result
from audiobatchd.core.plan import Plan
from audiobatchd.core.queue import Lane
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.slot import SlotState
from audiobatchd.vocabulary.files import FileId, FolderKey
from audiobatchd.vocabulary.states import Cause, DatasetState, FolderState, Outcome, WalkKind, WatchReport
from support.core_rig import MISSING_ROOT, SETTLE, offer, plan, reading, stamp, walked

DATASETS = ("/a", "/b")
FOLDERS = tuple(FolderKey(dataset, path) for dataset in DATASETS for path in ("1", "2", "3"))
RENEWED = "3"
"""The folders of this name were always complete until an analyzer came along."""
OFFERS = (offer(),)
MAX_DEATHS = 2
MAX_SUSPECT = 3
ROW = 2
LONG = 700.0
REAP = 500.0
MEMORY = 1 << 30
ON_THEIR_WAY = 6.0
LOOK_AGAIN = 30.0
WATCHED = WatchReport(True, "inotify")
NO_MIX = -1

GONE = "gone"
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


class Root(Enum):
    """What a dataset's path leads to; the value is the device's number, None where there is no directory.

    EMPTY is the bare mount point of a lost mount, OTHER a directory with other things in it.
    """

    THERE = 1
    MISSING = None
    EMPTY = 5
    OTHER = 9

    @property
    def identity(self) -> FileId | None:
        """The directory as FileId(device, inode)."""
        return None if self.value is None else FileId(self.value, 2)


@dataclass
class OnDisk:
    """One folder. `content` changes with every change of a file; 0: it is not there. `done` is the content measured.

    `corpse`: whoever was at it died, and his lock is still there.
    """

    content: int = 0
    kind: str = GOOD
    access: int = 0
    done: int = 0
    on_their_way: bool = False
    mix: bool = True
    locked: bool = False
    corpse: bool = False


@dataclass
class Process:
    """A worker: what it is at, and what it said that has not arrived yet."""

    slot: int
    job: Job | None = None
    said: deque[on.Event] = field(default_factory=deque)
    alive: bool = True
    booted: bool = False
    told_to_stop: bool = False


@dataclass
class WalkUnderWay:
    """A walk: the folders it has yet to come by, what it came by, and what of that has not arrived yet."""

    dataset: str
    ahead: list[FolderKey]
    root: Root
    """What the dataset's path led to when the walk began, which is when it looks at the root."""
    batch: list[Reading] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    said: deque[on.Event] = field(default_factory=deque)
    kind: WalkKind = WalkKind.FULL
    tells_all: bool = True
    accepts: bool = False
    is_strange: bool = False
    ended: bool = False


class World(RuleBasedStateMachine):
    """The supervisor, the disk and the workers, driven by chance."""

    @initialize(workers=st.integers(1, 3), kinds=st.lists(st.sampled_from(KINDS), min_size=len(FOLDERS)))
    def start(self, workers: int, kinds: list[str]) -> None:
        """Folders are there already, and the service has just begun to settle them."""
        self.now = 1000.0
        self.constants = contextlib.ExitStack()
        self.constants.enter_context(mock.patch.object(holds, "ROW", ROW))
        for module in (dataset_module, walk_schedule):
            self.constants.enter_context(mock.patch.object(module, "LOOK_AGAIN", LOOK_AGAIN))
        self.core = Dispatcher(planned(workers, DATASETS), self.now)
        self.disk = {key: OnDisk() for key in FOLDERS}
        self.contents = 0
        self.processes: dict[int, Process] = {}
        self.to_read: list[FolderKey] = []
        self.made: dict[FolderKey, Reading] = {}
        self.walks: list[WalkUnderWay] = []
        self.catalog: dict[FolderKey, do.Remember] = {}
        self.heard: dict[FolderKey, list[tuple[float, str, bool]]] = {key: [] for key in FOLDERS}
        self.sighted: dict[FolderKey, int] = {}
        self.hindered: dict[str, Cause] = dict.fromkeys(DATASETS, Cause.NONE)
        self.posted: deque[on.Event] = deque()
        self.roots: dict[str, Root] = dict.fromkeys(DATASETS, Root.THERE)
        self.believed_device: dict[str, int] = {}
        """The device of each root that a walk was last believed of, as the catalog keeps it."""
        self.bare_walk: dict[str, bool] = dict.fromkeys(DATASETS, False)
        """Whether the last walk that the core was told of met nothing, and nothing said that this is right."""
        self.accepted: set[FolderKey] = set()
        """The folders that an accepted walk did not find, and no reading has found since."""
        self.found: set[FolderKey] = set()
        """The folders that a reading or a job found since the last accepted walk began."""
        self.jobs: dict[int, Job] = {}
        self.measured: dict[FolderKey, str] = {}
        """The signature of the files that a job measured, as the core was told."""
        self.withheld: set[FolderKey] = set()
        """The readings that are under way for longer than everything else."""
        self.walks_are_withheld = False
        self.lost = False
        for key, kind in zip(FOLDERS, kinds, strict=False):
            self.contents += 1
            self.disk[key] = OnDisk(self.contents, kind)
        self.tick()
        for pid in list(self.processes):
            self.work(pid)
            self.hear(pid)
        self.news_arrive(0.1)

    def teardown(self) -> None:
        if hasattr(self, "constants"):
            self.constants.close()

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

    # Roots, and what an operator says of them

    @rule(dataset=st.sampled_from(DATASETS), root=st.sampled_from(Root))
    def root_changes(self, dataset: str, root: Root) -> None:
        """A mount is lost, or there again, or a link is pointed elsewhere: only looks and walks tell of that."""
        self.roots[dataset] = root
        self.lost = True

    @rule(dataset=st.sampled_from(DATASETS), root=st.sampled_from((Root.MISSING, Root.EMPTY, Root.OTHER)))
    def root_goes_and_comes(self, dataset: str, root: Root) -> None:
        """It is missed at the next look where folders are known, none is forgotten, and it is found again."""
        self.root_changes(dataset=dataset, root=root)
        self.run_until(self.now + LOOK_AGAIN + 2 * ON_THEIR_WAY, work=False)
        is_ours = dataset in self.core.datasets
        if is_ours and self.core.ledger.known(dataset) - self.accepted and self.needs_acceptance(dataset):
            assert not self.core.datasets[dataset].works, "worked on where no folder is there"
        self.root_changes(dataset=dataset, root=Root.THERE)
        self.run_until(self.now + LOOK_AGAIN + 2 * ON_THEIR_WAY, work=False)
        if is_ours and not self.needs_acceptance(dataset):
            state = self.core.datasets[dataset].state
            assert state in (DatasetState.ACTIVE, DatasetState.WALKING), "its root is there again"

    @rule(dataset=st.sampled_from(DATASETS))
    def walk_is_accepted(self, dataset: str) -> None:
        """`rescan --accept`: what is there is right, be it nothing."""
        self.handle(on.RescanAsked(dataset, accepts=True))

    @precondition(lambda self: self.running())
    @rule(data=st.data(), told=st.booleans())
    def running_folder_vanishes(self, data: st.DataObject, told: bool) -> None:
        self.vanish(key=data.draw(st.sampled_from(self.running())), told=told)

    @precondition(lambda self: self.running())
    @rule(data=st.data(), early=st.booleans())
    def running_folders_vanish_for_good(self, data: st.DataObject, early: bool) -> None:
        """All of a dataset are deleted while jobs run, and that is accepted: once is enough, also with a late end."""
        dataset = data.draw(st.sampled_from(self.running())).dataset
        if dataset not in self.core.datasets:
            return
        self.roots[dataset] = Root.THERE
        self.run_until(self.now + 0.1, work=False)  # what was read before would tell of them again
        for key in FOLDERS:
            if key.dataset == dataset:
                self.vanish(key=key, told=False)
        self.run_until(self.now + (0.0 if early else LOOK_AGAIN), work=False)
        self.walk_is_accepted(dataset=dataset)
        self.run_until(self.now + 0.1, work=False)
        self.run_until(self.now + LONG)
        assert not self.core.ledger.known(dataset), "accepted as gone, and still known"
        assert self.core.datasets[dataset].state is DatasetState.ACTIVE

    def running(self) -> list[FolderKey]:
        return [key for key in self.core.ledger.active if self.is_running(key)]

    def is_running(self, key: FolderKey) -> bool:
        folder = self.core.ledger.active.get(key)
        return folder is not None and folder.state is FolderState.RUNNING

    def is_there(self, key: FolderKey) -> bool:
        """Whether the folder's directory can be found at its path."""
        return self.roots[key.dataset] is Root.THERE and self.disk[key].content > 0

    def is_bare(self, dataset: str) -> bool:
        """Whether nothing at all is in the root, or there is none."""
        root = self.roots[dataset]
        nothing = not any(self.is_there(key) for key in FOLDERS if key.dataset == dataset)
        return root in (Root.MISSING, Root.EMPTY) or (root is Root.THERE and nothing)

    def is_elsewhere(self, dataset: str) -> bool:
        """Whether the root is on another device than the one that was last believed in."""
        return dataset in self.believed_device and self.believed_device[dataset] != self.roots[dataset].value

    def needs_acceptance(self, dataset: str) -> bool:
        """Whether only an operator can say that the root as it is now is right."""
        return self.is_bare(dataset) or self.is_elsewhere(dataset)

    @rule(key=st.sampled_from(FOLDERS), held=st.booleans())
    def somebody_else_locks(self, key: FolderKey, held: bool) -> None:
        self.disk[key].locked = held

    @rule(key=st.sampled_from(FOLDERS))
    def somebody_dies_over_it(self, key: FolderKey) -> None:
        """A daemon on this machine or another; his lock stays."""
        self.disk[key].corpse = bool(self.disk[key].content)

    @rule(dataset=st.sampled_from(DATASETS), cause=st.sampled_from(list(Cause)))
    def disk_fails_or_fills_or_is_mended(self, dataset: str, cause: Cause) -> None:
        self.hindered[dataset] = cause if cause in (Cause.IO, Cause.SPACE) else Cause.NONE

    @rule(key=st.sampled_from(FOLDERS), event=st.sampled_from((on.FolderHint, on.FolderTouched, on.TreeAppeared)))
    def needless_event(self, key: FolderKey, event: type[on.FolderHint | on.FolderTouched | on.TreeAppeared]) -> None:
        """Nothing has happened; where a tree is said to have been moved in, it has a walk of its own."""
        self.news(event(key), told=True)

    @rule(dataset=st.sampled_from(DATASETS), asked=st.booleans())
    def events_overflow_or_a_walk_is_asked_for(self, dataset: str, asked: bool) -> None:
        self.news(on.RescanAsked(dataset) if asked else on.WatchLost(dataset, "overflow"), told=True)

    def news(self, event: on.Event, told: bool) -> None:
        if told:
            self.handle(event)
        else:
            self.lost = True

    # The operator

    @rule(key=st.sampled_from(FOLDERS))
    def retry(self, key: FolderKey) -> None:
        """The catalog forgives at once, the event comes by way of its thread."""
        if key in self.core.ledger.active or key in self.core.ledger.complete:
            self.catalog.pop(key, None)
            self.posted.append(on.RetryAsked(key))

    @rule(key=st.sampled_from(FOLDERS))
    def bump(self, key: FolderKey) -> None:
        self.handle(on.BumpAsked(key))

    @rule(dataset=st.sampled_from(DATASETS), seconds=st.sampled_from((None, 30.0, 0.0)))
    def pause_or_resume(self, dataset: str, seconds: float | None) -> None:
        self.handle(on.ResumeAsked(dataset) if seconds == 0.0 else on.PauseAsked(dataset, seconds))

    @rule(workers=st.integers(1, 3), anew=st.booleans(), names=st.sampled_from([*[DATASETS] * 4, DATASETS[:1]]))
    def configuration_is_read_again(self, workers: int, anew: bool, names: tuple[str, ...]) -> None:
        self.handle(on.Replanned(planned(workers, names), anew, frozenset(names if anew else ())))
        for key in FOLDERS:
            if key.dataset not in names:  # the catalog is rid of what describes nothing any more
                self.sighted.pop(key, None)
                self.measured.pop(key, None)
                self.accepted.discard(key)
                self.believed_device.pop(key.dataset, None)

    @rule(data=st.data(), large=st.booleans())
    def memory_is_measured(self, data: st.DataObject, large: bool) -> None:
        sizes = dict.fromkeys(self.processes, MEMORY // 2)
        if sizes and large:
            sizes[data.draw(st.sampled_from(sorted(sizes)))] = 2 * MEMORY
        self.handle(on.WorkersMeasured(sizes))

    @precondition(lambda self: self.posted)
    @rule()
    def deliver_posted(self) -> None:
        """What the catalog's thread, the reaper and probes have to say."""
        self.handle(self.posted.popleft())

    # Readings: asked for, made, delivered

    @precondition(lambda self: self.to_read)
    @rule(data=st.data())
    def make_reading(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.to_read))
        self.to_read.remove(key)
        self.made[key] = self.read(key)

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def deliver_reading(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.made)))
        self.handle(on.FolderRead(self.made.pop(key)))

    def read(self, key: FolderKey) -> Reading:
        """What `disk_tasks` answers; of a dataset that is not ours any more nothing is known."""
        if key.dataset not in self.core.datasets:
            return reading(key.path, Finding.GONE, dataset=key.dataset)
        if not self.is_there(key):
            if self.is_bare(key.dataset) or self.is_elsewhere(key.dataset):
                return reading(key.path, Finding.LOST, dataset=key.dataset)
            self.sighted.pop(key, None)
            return reading(key.path, Finding.GONE, dataset=key.dataset)
        self.sighted[key] = self.disk[key].content
        return self.look(key)

    def look(self, key: FolderKey) -> Reading:
        """What `scan` would say of the folder as it is now."""
        folder = self.disk[key]
        signature = signature_of(folder)
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
        answer = reading(
            key.path,
            finding,
            signature,
            dataset=key.dataset,
            access=str(folder.access),
            on_their_way=folder.on_their_way,
            memory=memory if finding is Finding.DUE else {},
        )
        if key.path == RENEWED and finding is Finding.DUE:
            answer = msgspec.structs.replace(answer, renewed=(OFFERS[0].name,))
        if known is None or known.signature != signature:
            return answer
        return msgspec.structs.replace(answer, charges=known.charges, suspicions=known.suspicions)

    # Walks

    @precondition(lambda self: any(not walk.ended for walk in self.walks))
    @rule(data=st.data(), flush=st.booleans())
    def walk_on(self, data: st.DataObject, flush: bool) -> None:
        self.step(data.draw(st.sampled_from([walk for walk in self.walks if not walk.ended])), flush=flush)

    def step(self, walk: WalkUnderWay, *, flush: bool) -> None:
        root = self.roots[walk.dataset]
        if root is not Root.THERE:
            walk.ahead.clear()  # from here on it meets nothing; what it came by before was there
        if walk.ahead:
            self.come_by(walk, walk.ahead.pop(0))
        lost = self.find_the_vanished(walk) if not walk.ahead else False
        if (walk.batch or walk.unchanged) and (flush or not walk.ahead):
            unchanged = tuple((path, 0) for path in walk.unchanged)
            walk.said.append(on.WalkRead(tuple(walk.batch), walk.dataset, unchanged))
            walk.batch.clear()
            walk.unchanged.clear()
        if not walk.ahead:
            walk.ended = True
            end = walked(
                *walk.seen,
                dataset=walk.dataset,
                kind=walk.kind,
                root=MISSING_ROOT if root is Root.MISSING and not walk.seen else "",
                empty=lost or (not walk.seen and self.is_bare(walk.dataset)),
                device=walk.root.value or root.value or Root.THERE.value,
            )
            walk.said.append(dataclasses.replace(end, is_strange=walk.is_strange))

    def come_by(self, walk: WalkUnderWay, key: FolderKey) -> None:
        """One folder's turn."""
        if walk.is_strange or not self.disk[key].content:
            return
        each = self.look(key)
        is_known = self.sighted.get(key) == self.disk[key].content
        self.sighted[key] = self.disk[key].content
        walk.seen.append(key.path)
        if walk.kind is WalkKind.PASS and is_known and not walk.tells_all:
            pass  # its directory's time has not changed
        elif each.finding is Finding.COMPLETE:
            walk.unchanged.append(key.path)  # the catalog knows it: its record is not read again
        else:
            walk.batch.append(each)

    def find_the_vanished(self, walk: WalkUnderWay) -> bool:
        """What the catalog knows and is not there; whether there is so much of it that none of that is believed."""
        gone = [key for key in self.sighted if key.dataset == walk.dataset and not self.is_there(key)]
        if walk.kind is WalkKind.PASS and gone and (self.is_bare(walk.dataset) or not walk.seen):
            return True
        if walk.kind is WalkKind.TREES or walk.is_strange or walk.accepts or self.is_bare(walk.dataset):
            return False
        for key in gone if walk.seen or walk.kind is WalkKind.PASS else ():
            del self.sighted[key]
            walk.batch.append(reading(key.path, Finding.GONE, dataset=key.dataset))
        return False

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
        if process.told_to_stop and process.job is None:
            self.die(pid)
        elif not process.booted:
            process.booted = True
            process.said.append(on.WorkerSaid(process.slot, pid, Ready(OFFERS)))
        elif process.job is not None:
            job, process.job = process.job, None
            key = key_of(job)
            if self.is_there(key) and self.disk[key].kind == DEADLY and not self.disk[key].locked:
                self.die(pid)
            else:
                process.said.append(on.WorkerSaid(process.slot, pid, self.result(job)))

    def result(self, job: Job) -> Result:  # noqa: PLR0911  # one for each way to end
        """What `worker.job` makes of the folder as it is now."""
        key = key_of(job)
        folder, now = self.disk[key], self.look(key)
        if self.roots[key.dataset] is not Root.THERE:
            return Result(job.number, Outcome.GONE)
        if folder.locked:
            return Result(job.number, Outcome.LOCKED)
        cause = self.hindered[key.dataset]
        if cause is Cause.IO:
            return Result(job.number, Outcome.ERROR, reasons={"": "EIO"}, cause=cause)
        corpse, folder.corpse = folder.corpse, False
        if corpse and not job.alone:
            return Result(job.number, Outcome.SUSPECT, reasons={"": "the process that worked on it died"}, charge=True)
        if now.finding is Finding.GONE:
            return Result(job.number, Outcome.GONE)
        if now.signature != job.signature:
            return Result(job.number, Outcome.CHANGED)
        if folder.kind in (SPOILED, PROTECTED):
            return Result(job.number, Outcome.BLOCKED, access=now.access)
        if folder.kind == DAMAGED:
            damage = FileMemory(stamp(size=folder.content), failure="damaged", judges=judges(OFFERS))
            return Result(job.number, Outcome.FAILED, reasons={"full_mix": "damaged"}, memory={"full_mix": damage})
        if cause is Cause.SPACE:
            return Result(job.number, Outcome.BLOCKED, reasons={"": "ENOSPC"}, access=now.access, cause=cause)
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
        if isinstance(event, on.WorkerSaid) and isinstance(event.message, Result):
            job = self.jobs[event.message.job]
            if event.message.outcome is Outcome.DONE and key_of(job) in self.core.ledger.complete:
                self.measured[key_of(job)] = job.signature
                self.found.add(key_of(job))

    # Answers that come late

    @precondition(lambda self: self.queued())
    @rule(data=st.data(), seconds=st.sampled_from((0.1, 2 * SETTLE)))
    def reading_arrives_late(self, data: st.DataObject, seconds: float) -> None:
        """It was made before a job was given out, and arrives when that has ended: it undoes nothing of that."""
        key = data.draw(st.sampled_from(self.queued()))
        self.handle(on.FolderHint(key))
        if key in self.to_read:
            self.to_read.remove(key)
            self.made[key] = self.read(key)
        self.withheld = {key}
        self.run_until(self.now + seconds)
        self.withheld = set()
        if key in self.made:
            is_done = self.is_measured(key)
            self.handle(on.FolderRead(self.made.pop(key)))
            assert self.is_measured(key) or not is_done, "undone by an older reading"

    @precondition(lambda self: any(walk.ahead for walk in self.walks))
    @rule(data=st.data(), kind=st.sampled_from((None, GONE, *KINDS)))
    def walk_arrives_late(self, data: st.DataObject, kind: str | None) -> None:
        """A folder that it came by was measured since, changed into one of this `kind`, or is GONE."""
        walk = data.draw(st.sampled_from([walk for walk in self.walks if walk.ahead]))
        key = data.draw(st.sampled_from(walk.ahead))
        while key in walk.ahead:
            self.step(walk, flush=False)
        self.walks_are_withheld = True
        if kind == GONE:
            self.vanish(key=key, told=True)
        elif kind is not None:
            self.files_change(key=key, kind=kind, told=True, halfway=False)
        self.run_until(self.now + 2 * SETTLE)
        self.walks_are_withheld = False
        is_done = self.is_measured(key) and walk.kind is not WalkKind.TREES  # see `Ledger.walk_begins`
        self.end(walk)
        assert self.is_measured(key) or not is_done, "undone by an older walk"

    def is_measured(self, key: FolderKey) -> bool:
        """Whether the core was told that a job has measured the folder as it is, and calls it complete."""
        return self.measured.get(key) == signature_of(self.disk[key]) and key in self.core.ledger.complete

    def end(self, walk: WalkUnderWay) -> None:
        """Have a walk come to its end, and be heard."""
        while not walk.ended:
            self.step(walk, flush=True)
        while walk.said:
            self.handle(walk.said.popleft())
        self.walks.remove(walk)

    def queued(self) -> list[FolderKey]:
        return [key for key, folder in self.core.ledger.active.items() if folder.state is FolderState.QUEUED]

    # Much at once, so that more comes of few steps

    @rule(seconds=st.sampled_from((0.1, SETTLE, 30.0)))
    def news_arrive(self, seconds: float) -> None:
        """Time passes, and readings, walks and everything else that is under way comes in; workers are slower."""
        self.run_until(self.now + seconds, work=False)

    @rule()
    def workers_work(self) -> None:
        """Each comes to the end of what it is at, and is heard."""
        for pid in list(self.processes):
            if self.processes[pid].alive:
                self.work(pid)
            while pid in self.processes and self.processes[pid].said:
                self.hear(pid)

    # The supervisor

    @rule(seconds=st.sampled_from((0.1, 1.0, SETTLE, 60.0, 700.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.tick()

    def handle(self, event: on.Event) -> None:
        before = {key for key in FOLDERS if self.core.ledger.knows(key)}
        accepted = {path for path, dataset in self.core.datasets.items() if dataset.belief.accepting}
        actions = self.core.handle(event, self.now)
        if isinstance(event, on.Walked) and event.kind is not WalkKind.TREES:
            self.note_end(event, before, is_accepted=event.dataset in accepted)
        for key in before:
            assert self.core.ledger.knows(key) or self.may_forget(key, event), f"{key} is forgotten"
        self.found |= found_by(event)
        self.accepted -= found_by(event)
        self.perform(actions)
        self.note(event)
        self.tick()

    def note_end(self, walk: on.Walked, before: set[FolderKey], *, is_accepted: bool) -> None:
        """Keep what the end of a walk said of the whole dataset, of which folders were known `before`."""
        known = {key for key in before if key.dataset == walk.dataset}
        self.bare_walk[walk.dataset] = bool(known) and (walk.root is None or (walk.empty and not is_accepted))
        if is_accepted and walk.empty and walk.root is not None and walk.kind is WalkKind.FULL:
            self.accepted |= known - self.found
            left = {key for key in self.accepted & known if self.core.ledger.knows(key)}
            assert all(map(self.is_running, left)), "accepted as gone, and still known"

    def may_forget(self, key: FolderKey, event: on.Event) -> bool:
        """Whether this event says that a folder is gone: no lost root does, nor a walk that did not come by it."""
        match event:
            case on.FolderRead(each) if each.key == key:
                return each.finding is Finding.GONE or (each.finding is Finding.LOST and key in self.accepted)
            case on.Walked():
                return key in self.accepted
        return key.dataset not in self.core.datasets

    def tick(self) -> None:
        bumped = {key for key, folder in self.core.ledger.active.items() if self.is_waiting(key) and folder.is_bumped}
        actions = self.core.tick(self.now)
        given = [key_of(action.job) for action in actions if isinstance(action, do.SendJob)]
        assert set(given[: len(bumped)]) <= bumped or bumped <= set(given), "a bumped folder goes first"
        self.perform(actions)

    def is_waiting(self, key: FolderKey, *, suspect: bool = False) -> bool:
        """Whether a worker may take this folder now, as far as its dataset goes."""
        folder = self.core.ledger.active[key]
        dataset = self.core.datasets.get(key.dataset)
        is_queued = folder.state is FolderState.QUEUED and folder.is_suspect == suspect
        if dataset is None or (dataset.is_counting and folder.lane is Lane.RENEWAL):
            return False  # those that are due again wait until it is told how many they are
        return is_queued and dataset.works

    def perform(self, actions: list[do.Action]) -> None:  # noqa: C901, PLR0912, PLR0915  # one case per action
        for action in actions:
            match action:
                case do.SpawnWorker(slot):
                    pid = 1 + max(self.processes, default=self.contents + 100)
                    # One that was killed and whose end is not heard of for long is lost, and has no slot any more.
                    assert all(each.slot != slot or not each.alive for each in self.processes.values())
                    self.processes[pid] = Process(slot)
                    self.core.handle(on.WorkerSpawned(slot, pid), self.now)
                case do.KillWorker(slot):
                    for pid, process in list(self.processes.items()):
                        if process.slot == slot and process.alive:
                            self.die(pid)
                case do.StopWorker(slot):
                    for process in self.processes.values():
                        process.told_to_stop |= process.slot == slot
                case do.SendJob(slot, job):
                    assert self.core.datasets[key_of(job).dataset].works, "a job where all are held up"
                    self.check_settled(job)
                    self.jobs[job.number] = job
                    assert self.measured.get(key_of(job)) != job.signature, "measured already"
                    assert not self.bare_walk[key_of(job).dataset], "a job where a walk met nothing"
                    for process in self.processes.values():
                        if process.slot == slot and process.alive:
                            process.job = job
                case do.ReadFolder(key):
                    assert key not in self.to_read, "two readings of a folder at a time"
                    assert key not in self.made, "two readings of a folder at a time"
                    self.to_read.append(key)
                case do.WalkTree(dataset, paths, kind, _, first, accepts):
                    self.found -= {key for key in self.found if accepts and key.dataset == dataset}
                    ahead = [key for key in FOLDERS if key.dataset == dataset and {"", key.path} & set(paths)]
                    known = [key for key in self.sighted if key.dataset == dataset]
                    is_strange = not accepts and self.is_elsewhere(dataset) and bool(known)
                    is_strange &= not any(map(self.is_there, known))
                    walk = WalkUnderWay(dataset, ahead, self.roots[dataset], kind=kind, tells_all=first)
                    walk.accepts, walk.is_strange = accepts, is_strange
                    self.walks.append(walk)
                case do.NoteRoot(dataset, (device, _)):
                    self.believed_device[dataset] = device
                case do.LookAtRoot(dataset):
                    self.posted.append(on.RootSeen(dataset, self.roots[dataset].identity, WATCHED))
                case do.Forget(dataset, paths, accepted):
                    for key in (FolderKey(dataset, path) for path in paths):
                        assert not self.core.ledger.knows(key), "forgotten, and still known"
                        self.catalog.pop(key, None)
                        if accepted:
                            self.sighted.pop(key, None)
                            self.heard[key].clear()
                case do.ReapLocks(dataset):
                    dead = [key for key in FOLDERS if key.dataset == dataset and self.disk[key].corpse]
                    dead = dead if self.roots[dataset] is Root.THERE else []
                    for key in dead:
                        self.disk[key].corpse = False
                    left = frozenset(key.path for key in dead)
                    # Every other one may have brought the death about.
                    self.posted.append(on.LocksSeen(dataset, {}, left, counted=frozenset(sorted(left)[::2])))
                case do.Probe(key, cause):
                    trouble = str(cause) if self.hindered[key.dataset] is cause else ""
                    self.posted.append(on.Probed(key.dataset, cause, trouble))
                case do.Remember(key):
                    self.catalog[key] = action

    def note(self, event: on.Event) -> None:
        """Keep what the core was told of folders, and of what a walk told, which may be old, what it believed."""
        readings: tuple[Reading, ...] = ()
        if isinstance(event, on.FolderRead) and event.reading.finding is Finding.LOST:
            pass  # which says nothing of the folder
        elif isinstance(event, on.FolderRead):
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
        assert set(ledger.troubled) == bad

    @invariant()
    def nothing_due_is_left_undone(self) -> None:
        """An idle worker and a queued folder do not wait for each other; a suspect waits until nothing else is."""
        busy = self.core.crew.at_work()
        idle = any(slot.state is SlotState.IDLE for slot in self.core.crew.slots)
        if not idle or any(slot.assignment and slot.assignment.alone for slot in busy):
            return
        active = self.core.ledger.active
        assert not any(self.is_waiting(key) for key in active)
        if not busy:
            being_read = self.core.agenda.being_read()
            assert not any(self.is_waiting(key, suspect=True) for key in active if key.dataset not in being_read)

    @invariant()
    def a_suspect_runs_alone(self) -> None:
        jobs = [slot.assignment for slot in self.core.crew.at_work() if slot.assignment]
        assert len(jobs) == 1 or not any(job.alone for job in jobs)
        for job in jobs:
            folder = self.core.ledger.active[job.key]
            assert job.alone or not folder.is_suspect

    @invariant()
    def readings_asked_for_are_those_that_are_waited_for(self) -> None:
        assert self.core.agenda.reading == {*self.to_read, *self.made}

    # What must come out

    @rule()
    def quiet(self) -> None:
        """Nobody changes anything any more: every folder comes to its end, by one walk more where news were lost."""
        for folder in self.disk.values():
            folder.locked = False
        self.roots = dict.fromkeys(DATASETS, Root.THERE)
        self.hindered = dict.fromkeys(DATASETS, Cause.NONE)
        for dataset in DATASETS:
            self.handle(on.ResumeAsked(dataset))
        self.run_until(self.now + LONG)
        strict = not self.lost
        if self.lost:
            for dataset in self.core.datasets:
                self.handle(on.WatchLost(dataset, "lost"))
            self.run_until(self.now + LONG)
            self.lost = False
        unclear = [dataset for dataset in self.core.datasets if self.needs_acceptance(dataset)]
        for dataset in unclear:
            self.walk_is_accepted(dataset=dataset)
        self.run_until(self.now + (LONG if unclear else 0.0))
        for key, folder in self.disk.items():
            if key.dataset in self.core.datasets:
                self.check(key, folder, ghosts_may_be=strict)
            else:
                assert key not in self.core.ledger.active
                assert key not in self.core.ledger.complete
        assert not any(dataset.holds for dataset in self.core.datasets.values())
        assert len(self.core.crew.slots) == self.core.plan.workers

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
        elif self.was_given_up(key, folder):
            assert state is FolderState.FAILED
        elif folder.on_their_way:
            assert state is FolderState.SETTLING, f"{key} is on its way and called {state}"
        else:
            assert state is EXPECTED[folder.kind], f"{key} is {folder.kind} and became {state}"
            assert (folder.done == folder.content) is (state is FolderState.COMPLETE)

    def was_given_up(self, key: FolderKey, folder: OnDisk) -> bool:
        """Whether workers or others died over it (by chance, or because of it) as often as it may happen."""
        known = self.catalog.get(key)
        return bool(known and known.verdict) and known is not None and known.signature == signature_of(folder)

    def run_until(self, end: float, *, work: bool = True) -> None:
        """Let everything that is under way arrive, and time pass, until `end`; `work`: and have the workers work."""
        while True:
            for _ in self.everything_under_way(work=work):
                pass
            wakeup = self.core.next_wakeup()
            if wakeup is None or wakeup > end:
                break
            # A folder with a file on its way is looked at for ever: fewer looks show as much.
            self.now = max(self.now + ON_THEIR_WAY, wakeup)
            self.tick()
        self.now = max(self.now, end)
        self.tick()

    def everything_under_way(self, *, work: bool) -> Iterator[None]:
        busy = True
        while busy:
            busy = False
            for key in [key for key in self.to_read if key not in self.withheld]:
                self.to_read.remove(key)
                self.made[key] = self.read(key)
            while self.posted:
                self.handle(self.posted.popleft())
                busy = True
            for key in self.made.keys() - self.withheld:
                self.handle(on.FolderRead(self.made.pop(key)))
                busy = True
            for walk in [] if self.walks_are_withheld else list(self.walks):
                self.end(walk)
                busy = True
            for pid in list(self.processes) if work else ():
                if pid in self.processes and self.processes[pid].alive:
                    self.work(pid)
                while pid in self.processes and self.processes[pid].said:
                    self.hear(pid)
                    busy = True
            yield


def found_by(event: on.Event) -> set[FolderKey]:
    """The folders that this event tells to be there."""
    match event:
        case on.FolderRead(each) if each.finding not in (Finding.GONE, Finding.LOST):
            return {each.key}
        case on.WalkRead(readings, dataset, unchanged):
            read = {each.key for each in readings if each.finding is not Finding.GONE}
            return read | {FolderKey(dataset, path) for path, _ in unchanged}
    return set()


def signature_of(folder: OnDisk) -> str:
    return f"{folder.content} {folder.on_their_way}"


def planned(workers: int, names: tuple[str, ...]) -> Plan:
    the_plan = plan(*names, workers=workers, max_deaths=MAX_DEATHS, backoff=(5.0, 20.0))
    limits = dataclasses.replace(the_plan.limits, max_suspect=MAX_SUSPECT)
    return dataclasses.replace(the_plan, limits=limits, reap=REAP, worker_memory=MEMORY)


def key_of(job: Job) -> FolderKey:
    return FolderKey(job.dataset.decode(), job.path.decode())


TestWorld = World.TestCase
TestWorld.settings = settings(
    max_examples=150,
    stateful_step_count=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

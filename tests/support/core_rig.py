"""What tests of the core are written in: short names for its messages, and a dispatcher with a clock in one's hand."""

from __future__ import annotations

from typing import TypeVar

from audiobatchd.core import actions as do
from audiobatchd.core.assessment import Offer, Policy
from audiobatchd.core.backoff import Backoff
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.events import (
    Event,
    FolderHint,
    FolderRead,
    Walked,
    WalkRead,
    WorkerExited,
    WorkerSaid,
    WorkerSpawned,
)
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.messages import Job, Ready, Result
from audiobatchd.core.plan import Limits, Plan
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.plugin_api import FULL_MIX, feature_name
from audiobatchd.vocabulary.files import ROLES, FileId, FileStamp, FolderKey
from audiobatchd.vocabulary.states import Outcome, WalkKind

DATASET = "/music"
SETTLE = 5.0
RESCAN = 3600.0
MISSING_ROOT = "missing"

REMEMBERED = {"drums": FileMemory(FileStamp(b"drums.wav", 1000, 1), adopted=("loudness",))}
"""Memory of a file whose values another tool wrote."""

_Action = TypeVar("_Action", bound=do.Action)


def key(path: str = "Song", dataset: str = DATASET) -> FolderKey:
    """A folder's key."""
    return FolderKey(dataset, path)


def offer(
    name: str = "loudness",
    version: int = 1,
    bases: tuple[str, ...] = ("lufs", "lra"),
    models: dict[str, str] | None = None,
    unavailable: str | None = None,
) -> Offer:
    """An analyzer that gives every one of `bases` for every role."""
    features = {role: tuple(feature_name(base, role) for base in bases) for role in ROLES}
    return Offer(name, version, features, models or {}, unavailable)


def stamp(name: str = "full_mix.flac", size: int = 1000, mtime_ns: int = 1) -> FileStamp:
    """A source file's stamp."""
    return FileStamp(name.encode(), size, mtime_ns)


def reading(
    path: str = "Song",
    finding: Finding = Finding.DUE,
    signature: str = "v1",
    *,
    dataset: str = DATASET,
    access: str = "",
    on_their_way: bool = False,
    reasons: dict[str, str] | None = None,
    memory: dict[str, FileMemory] | None = None,
    unavailable: int = 0,
    warnings: tuple[str, ...] = (),
) -> Reading:
    """One look at a folder."""
    return Reading(
        FolderKey(dataset, path),
        finding,
        signature="" if finding is Finding.GONE else signature,
        access=access,
        on_their_way=on_their_way,
        waits_for="bass.flac.part" if on_their_way else "",
        due=(f"{FULL_MIX}: loudness",) if finding is Finding.DUE else (),
        reasons=reasons or {},
        memory=memory or {},
        unavailable=unavailable,
        warnings=warnings,
    )


def walked(
    *seen: str,
    dataset: str = DATASET,
    kind: WalkKind = WalkKind.FULL,
    root: str = "",
    empty: bool | None = None,
    device: int = 1,
) -> Walked:
    """The end of a walk that came by the folders `seen`; `root` is `MISSING_ROOT` where there was no directory."""
    identity = None if root == MISSING_ROOT else FileId(device, 2)
    parents = frozenset(path.rpartition("/")[0] for path in seen if path)
    bare = not seen if empty is None else empty
    return Walked(dataset, kind, identity, bare, len(seen), parents, is_track="" in seen)


def came_by(*seen: str, dataset: str = DATASET) -> WalkRead:
    """What a walk delivers of complete folders that are as they were."""
    return WalkRead((), dataset, tuple((path, 0) for path in seen), len(seen))


def found(*readings: Reading, dataset: str = DATASET) -> WalkRead:
    """What a walk delivers of folders that are not as they were."""
    return WalkRead(readings, dataset)


def plan(
    *datasets: str,
    workers: int = 1,
    settle: float = SETTLE,
    max_deaths: int = 3,
    backoff: tuple[float, float] = (5.0, 300.0),
    features: tuple[str, ...] = (),
    once: bool = False,
    dry_run: bool = False,
) -> Plan:
    """A plan over these datasets (`DATASET` where none is named)."""
    names = datasets or (DATASET,)
    limits = Limits(dict.fromkeys(names, settle), max_deaths=max_deaths, backoff=Backoff(*backoff), once=once)
    return Plan(
        datasets=dict.fromkeys(names, RESCAN),
        limits=limits,
        policies=dict.fromkeys(names, Policy()),
        workers=workers,
        features=features,
        once=once,
        dry_run=dry_run,
    )


class Rig:
    """A dispatcher, the time, and a supervisor that starts processes and does nothing else.

    Every method answers the actions that followed.
    """

    def __init__(self, the_plan: Plan | None = None) -> None:
        self.now = 1000.0
        self.core = Dispatcher(the_plan or plan(), self.now)
        self.pid = 100

    def tick(self, after: float = 0.0) -> list[do.Action]:
        """Let time pass and ask what follows."""
        self.now += after
        actions = self.core.tick(self.now)
        for action in actions:
            if isinstance(action, do.SpawnWorker):
                self.pid += 1
                self.core.handle(WorkerSpawned(action.slot, self.pid), self.now)
        return actions

    def tell(self, *events: Event) -> list[do.Action]:
        """Let things happen now, and ask what follows."""
        actions = [action for event in events for action in self.core.handle(event, self.now)]
        return actions + self.tick()

    def boot(self, *offers: Offer) -> list[do.Action]:
        """Start every slot's process and let it say that it is ready."""
        actions = self.tick()
        for slot in self.core.slots:
            actions += self.tell(WorkerSaid(slot.index, slot.pid, Ready(offers or (offer(),))))
        return actions

    def start(self, *readings: Reading) -> list[do.Action]:
        """Boot, and let the first walk of every dataset find `readings`."""
        actions = self.boot()
        for dataset in self.core.datasets:
            here = tuple(each for each in readings if each.key.dataset == dataset)
            seen = (each.key.path for each in here)
            actions += self.tell(WalkRead(here, dataset), walked(*seen, dataset=dataset, empty=False))
        return actions

    def read(self, each: Reading) -> list[do.Action]:
        """Answer a `ReadFolder`."""
        return self.tell(FolderRead(each))

    def settled(self, each: Reading) -> list[do.Action]:
        """Answer what was asked of a folder that was just seen, now and once more when it has come to rest."""
        return self.read(each) + self.tick(SETTLE) + self.read(each)

    def end(self, slot: int = 0, outcome: Outcome = Outcome.DONE, **fields: object) -> list[do.Action]:
        """The worker in `slot` tells how its job ended."""
        assignment = self.core.slots[slot].assignment
        assert assignment is not None, "no job runs there"
        result = Result(assignment.number, outcome, **fields)  # type: ignore[arg-type]  # checked by no caller's type
        return self.tell(WorkerSaid(slot, self.core.slots[slot].pid, result))

    def die(self, slot: int = 0, how: str = "killed by signal 11") -> list[do.Action]:
        """The worker in `slot` is gone."""
        return self.tell(WorkerExited(slot, self.core.slots[slot].pid, how))


def only(kind: type[_Action], actions: list[do.Action]) -> list[_Action]:
    """The actions of one kind."""
    return [action for action in actions if isinstance(action, kind)]


def jobs(actions: list[do.Action]) -> list[Job]:
    """The jobs given out."""
    return [action.job for action in only(do.SendJob, actions)]


def reads(actions: list[do.Action]) -> list[FolderKey]:
    """The folders to be read."""
    return [action.key for action in only(do.ReadFolder, actions)]


def reports(actions: list[do.Action]) -> list[str]:
    """The names of the events that people are told of."""
    return [action.event for action in only(do.Report, actions)]


def working(rig: Rig) -> Rig:
    """A job on the folder `Song` is running in slot 0; a hint told of it."""
    rig.start()
    rig.tell(FolderHint(key()))
    assert jobs(rig.settled(reading())), "no job was given out"
    return rig


def running(rig: Rig) -> None:
    """A job on the folder `Song` is running in slot 0; the first walk found it."""
    rig.start(reading())
    rig.tick(SETTLE)
    assert jobs(rig.read(reading())), "no job was given out"

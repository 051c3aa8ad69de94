"""The sbatch file of docs/how-to/slurm.md as it is, under a real Slurm."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from audiobatchd.vocabulary.shard import Shard
from slurm.cluster import NODES, Cluster
from support.audio_files import make_track
from support.plugins import install_analyzer
from support.service import configuration, eventually, leftovers, record_of

SCRIPT = Path(__file__).parents[2] / "docs" / "how-to" / "slurm" / "audiobatchd.sbatch"
TASKS = frozenset(range(1, 9))
GATE = """
    gate = pathlib.Path({directory!r})
    (gate / ("at-" + os.environ["SLURMD_NODENAME"])).touch()
    while not (gate / "go").exists():
        time.sleep(0.01)
    return self.answer(audio)
"""


class Room:
    """A dataset, and what is to be exported to the tasks of an array."""

    def __init__(self, path: Path, cluster: Cluster) -> None:
        self.path, self.cluster = path, cluster
        self.dataset, self.gate = path / "dataset", path / "gate"
        self.paths = [f"Artist {number % 3}/Song {number}" for number in range(24)]
        self.folders = [self.dataset / path for path in self.paths]
        for number, folder in enumerate(self.folders):
            make_track(folder, seconds=1, stems=(), extension="wav", seed=number)
        env = install_analyzer(self.gate, "gate", GATE.format(directory=str(self.gate)))
        config = configuration(path / "once.toml", self.dataset, settle=0.0, plugins=["gate"])
        self.exported = {"DATASET": self.dataset, "CONFIG": config, **env}

    def is_of(self, path: str, *numbers: int) -> bool:
        """Tell whether a folder is of one of these shards of eight."""
        return any(Shard(number, len(TASKS)).has(path) for number in numbers)

    def submit(self, *options: str, **variables: object) -> str:
        """Submit the file; the job's number."""
        return self.cluster.submit(SCRIPT, *options, where=self.path, **self.exported, **variables)

    def go(self) -> None:
        """Let everything be measured."""
        (self.gate / "go").touch()

    def ends(self, job: str, **numbers: int) -> None:
        """Wait until so many of an array's tasks are in these states, and no other is."""
        eventually(
            lambda: Counter(self.cluster.states(job).values()) == numbers,
            what=lambda: f"{self.cluster.states(job)}\n{self.log(job)}\n{self.cluster.log()}",
        )

    def log(self, job: str) -> str:
        """Text that the tasks of an array have written."""
        return "".join(each.read_text(errors="replace") for each in sorted(self.path.glob(f"audiobatchd-{job}_*.log")))

    def done(self, job: str) -> Counter[str]:
        """How often each folder was measured; a task that comes second finds nothing to do, and gives no values."""
        return Counter(re.findall(r'folder-done .*?folder="([^"]+)" lufs=', self.log(job)))


@pytest.fixture
def room(tmp_path: Path, cluster: Cluster) -> Room:
    return Room(tmp_path, cluster)


def test_array_loses_nothing_with_a_machine(room: Room) -> None:
    job = room.submit()
    eventually(
        lambda: all((room.gate / f"at-{node}").exists() for node in NODES),
        what=lambda: room.log(job) + room.cluster.log(),
    )
    room.cluster.kill_node("n2")
    room.go()
    room.ends(job, COMPLETED=len(TASKS))
    restarted = [task for task, told in room.cluster.tasks(job).items() if told["Restarts"] != "0"]
    assert restarted, "the tasks of n2 were started again"
    assert room.done(job) == dict.fromkeys(room.paths, 1)
    assert all("lufs" in record_of(folder) for folder in room.folders)
    assert {int(number) for number in re.findall(r"Shard (\d)/8: .* of other shards", room.log(job))} == TASKS
    assert leftovers(room.dataset) == []


def test_parts_of_an_array_are_refused_then_named(room: Room) -> None:
    room.go()
    job = room.submit("--array=3,7")
    room.ends(job, FAILED=2)
    assert {told["ExitCode"] for told in room.cluster.tasks(job).values()} == {"2:0"}
    assert room.log(job).count("give --shard I/N with the numbers of the first array") == 2
    assert not any(record_of(folder) for folder in room.folders)
    job = room.submit("--array=3,7", SHARDS=8)
    room.ends(job, COMPLETED=2)
    assert room.done(job) == dict.fromkeys((path for path in room.paths if room.is_of(path, 3, 7)), 1)


def test_signal_of_slurm_drains_a_task(room: Room) -> None:
    job = room.submit("--array=1-1")
    eventually((room.gate / "at-n1").exists, what=lambda: room.log(job))
    room.cluster.run("scancel", "--batch", "--signal=TERM", job)
    room.go()
    room.ends(job, FAILED=1)
    assert {told["ExitCode"] for told in room.cluster.tasks(job).values()} == {"130:0"}
    assert 0 < sum(room.done(job).values()) < len(room.folders)
    assert leftovers(room.dataset) == []

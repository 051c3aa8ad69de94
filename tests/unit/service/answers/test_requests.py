"""What the control socket is answered: by a service that is there and has not begun to turn."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from audiobatchd.config.file import Config, DatasetConfig
from audiobatchd.control.requests import FolderName, Pause, Reloaded, Rescan, Resume, Retried, RetryFolders
from audiobatchd.core.assessment import Policy
from audiobatchd.core.events import MachineSeen, Replanned, RetryAsked, Walked, WalkRead
from audiobatchd.core.readings import Finding
from audiobatchd.core.schedule import Conditions, MachineFacts
from audiobatchd.errors import ConfigError, UnknownFolderError, UsageError
from audiobatchd.plugin_api import feature_name
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.sightings import Sighting
from audiobatchd.service.answers.requests import Answers
from audiobatchd.service.clock import SystemClock
from audiobatchd.service.supervisor import Supervisor
from audiobatchd.vocabulary.files import ROLES, FolderKey
from audiobatchd.vocabulary.shard import Shard
from audiobatchd.vocabulary.states import FolderState, WalkKind
from support.core_rig import came_by, offer, reading
from support.service import eventually


@dataclasses.dataclass(frozen=True)
class Given:
    """A source of one configuration."""

    config: Config
    shard: Shard | None = None

    def read(self) -> Config:
        return self.config

    def model_directories(self, config: Config) -> tuple[Path, ...]:  # noqa: ARG002  # see `planning.Source`
        return ()


class Room:
    """A service over two datasets."""

    def __init__(self, path: Path) -> None:
        self.one, self.two = str(path / "one"), str(path / "two")
        source = Given(Config(dataset=(DatasetConfig(self.one), DatasetConfig(self.two)), analyzers=()))
        self.catalog = Catalog(path / "catalog.sqlite")
        self.clock = SystemClock()
        self.supervisor = Supervisor(source.config, source, Policy(), self.catalog, self.clock)
        self.answers = Answers(self.supervisor, self.catalog, self.clock)

    def works(self) -> list[bool]:
        """Whether jobs are given out in each dataset."""
        return [dataset.works for dataset in self.supervisor.core.datasets.values()]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.supervisor.catalog_writes.stop(20)
    made.catalog.close()


def test_second_pause_changes_nothing(room: Room) -> None:
    assert room.answers.pause(Pause()).datasets == 2
    assert room.answers.pause(Pause()).datasets == 0
    assert room.works() == [False, False]


def test_pause_of_all_counts_those_that_went_on(room: Room) -> None:
    assert room.answers.pause(Pause(room.one)).datasets == 1
    assert room.answers.pause(Pause()).datasets == 1


def test_pause_with_another_end_counts(room: Room) -> None:
    assert room.answers.pause(Pause(room.one, 3600.0)).datasets == 1
    assert room.answers.pause(Pause(room.one)).datasets == 1, "for good, instead of for an hour"
    assert room.answers.pause(Pause(room.one, 3600.0)).datasets == 1, "for an hour, instead of for good"


def test_resume_right_after_a_pause_ends_it(room: Room) -> None:
    room.answers.pause(Pause())
    assert room.answers.resume(Resume()).datasets == 2
    assert room.works() == [True, True]
    assert room.answers.resume(Resume()).datasets == 0


def test_pause_right_after_a_resume_counts(room: Room) -> None:
    room.answers.pause(Pause(room.two))
    room.answers.resume(Resume(room.two))
    assert room.answers.pause(Pause(room.two)).datasets == 1
    assert room.works() == [True, False]


def test_resume_overrides_a_schedule_and_says_until_when(room: Room) -> None:
    plan = dataclasses.replace(room.supervisor.core.plan, schedules={room.one: Conditions(on_battery=False)})
    room.supervisor.tell(Replanned(plan, anew=False, rewalk=frozenset()))
    room.supervisor.tell(MachineSeen(MachineFacts(datetime(2026, 11, 30, tzinfo=UTC), UTC, on_battery=True)))
    assert room.works() == [False, True]
    (remark,) = room.answers.resume(Resume(room.one)).remarks
    assert remark.endswith(f"is paused: on battery; audiobatchctl resume --now {room.one} overrides that")
    answer = room.answers.resume(Resume(override=True))
    assert (answer.datasets, answer.remarks) == (1, [f"the schedule of {room.one} is overridden: on battery"])
    assert room.works() == [True, True]
    answer = room.answers.resume(Resume(room.one, override=True, seconds=60.0))
    assert answer.remarks[0].startswith(f"the schedule of {room.one} is overridden for ")


def test_length_without_an_override_is_refused(room: Room) -> None:
    with pytest.raises(UsageError, match="a length of time goes with an override of the schedule"):
        room.answers.resume(Resume(seconds=60.0))


def test_pause_lasts_over_a_restart(room: Room) -> None:
    room.answers.pause(Pause(room.one))
    eventually(lambda: room.catalog.facts.pauses(0.0) == {room.one: None})


def test_resume_tells_what_else_keeps_jobs_waiting(room: Room) -> None:
    root_is_gone = Walked(room.one, WalkKind.FULL, None, empty=True)
    room.supervisor.tell(root_is_gone)
    room.answers.pause(Pause(room.one))
    answer = room.answers.resume(Resume(room.one))
    assert answer.datasets == 1
    assert len(answer.remarks) == 1
    assert f"{room.one} is missing" in answer.remarks[0]


def test_answer_is_by_what_came_before_it(room: Room) -> None:
    core = room.supervisor.core
    room.supervisor._events.put(Walked(room.one, WalkKind.FULL, None, empty=True))
    assert room.answers.rescan(Rescan(room.two)).remarks
    assert core.datasets[room.one].state.value == "missing"


def test_bump_puts_a_folder_first_that_was_just_found(room: Room) -> None:
    room.supervisor._events.put(WalkRead((reading("A", dataset=room.one),), room.one))
    answer = asyncio.run(room.answers.bump(FolderName(room.one, "A")))
    assert (answer.folders, len(answer.remarks)) == (1, 1)
    assert answer.remarks[0].startswith("it is next when its files have been the same for")
    folder = room.supervisor.core.folders[FolderKey(room.one, "A")]
    assert (folder.state, folder.is_bumped) == (FolderState.SETTLING, True)


def test_bump_of_a_folder_that_has_just_gone_is_refused(room: Room) -> None:
    room.supervisor.tell(WalkRead((reading("A", dataset=room.one),), room.one))
    core = room.supervisor.core
    without = dataclasses.replace(core.plan, datasets={room.two: core.plan.datasets[room.two]})
    room.supervisor._events.put(Replanned(without, anew=False, rewalk=frozenset()))
    with pytest.raises(UnknownFolderError, match="there is no track folder A"):
        asyncio.run(room.answers.bump(FolderName(room.one, "A")))


def test_dataset_and_folder_that_are_none_are_refused(room: Room) -> None:
    with pytest.raises(UsageError, match="no such dataset"):
        room.answers.pause(Pause("/elsewhere"))
    with pytest.raises(UnknownFolderError, match="there is no track folder A"):
        asyncio.run(room.answers.bump(FolderName(room.one, "A")))


NAMES = ("Artist/Album/Broken", "Beyonce\u0301 - Halo", "One/Song", "Two/Song")


@pytest.fixture
def named(room: Room) -> Room:
    """The same with folders of these names, that wait in the dataset `one` and are known to its catalog."""
    room.supervisor.tell(WalkRead(tuple(reading(name, dataset=room.one) for name in NAMES), room.one))
    room.catalog.sightings.note(room.one, [Sighting(name, 1, finding=Finding.DUE) for name in NAMES])
    return room


@pytest.mark.parametrize("ask", ["explain", "bump", "retry"])
@pytest.mark.parametrize(
    ("folder", "meant"),
    [
        ("artist/album/broken", '"Artist/Album/Broken"'),
        ("Brokn", '"Artist/Album/Broken"'),
        ("Artist/Broken", '"Artist/Album/Broken"'),
        ("Else/Song", '"One/Song" or "Two/Song"'),
        ("Beyonc\u00e9 - Halo", '"Beyonce\u0301 - Halo"'),
        ("beyonce halo", '"Beyonce\u0301 - Halo"'),
        ("Halo", '"Beyonce\u0301 - Halo"'),
        ("Song", '"One/Song" or "Two/Song"'),
        ("Nothing like it", ""),
    ],
)
def test_folder_that_is_not_there_is_refused_with_the_nearest(named: Room, ask: str, folder: str, meant: str) -> None:
    name = FolderName(named.one, folder)
    asked = RetryFolders([name]) if ask == "retry" else name
    with pytest.raises(UnknownFolderError) as refused:
        asyncio.run(getattr(named.answers, ask)(asked))
    question = f": did you mean {meant}?" if meant else ""
    assert str(refused.value) == f"there is no track folder {folder} in {named.one}{question}"


@pytest.mark.parametrize("folder", ["Broken", "Album/Broken", "Artist/Album/Broken"])
def test_folder_goes_by_the_only_end_of_a_path(named: Room, folder: str) -> None:
    assert asyncio.run(named.answers.bump(FolderName(named.one, folder))).folders == 1
    assert named.supervisor.core.folders[FolderKey(named.one, "Artist/Album/Broken")].is_bumped
    assert asyncio.run(named.answers.retry(RetryFolders([FolderName(named.one, folder)]))).folders == 1


def retried(room: Room, *words: str, dataset: str = "") -> Retried:
    """Ask that these features of the folder `A` be measured, whatever its record has."""
    loudness = msgspec.structs.replace(offer(), groups=("loudness",))
    room.supervisor.core._parts.offers = (loudness, offer("mood", bases=("mood",)))
    room.supervisor.tell(came_by("A", dataset=room.one))
    request = RetryFolders([FolderName(room.one, "A")], features=list(words), dataset=dataset)
    return asyncio.run(room.answers.retry(request))


@pytest.mark.parametrize(
    ("words", "disowned"),
    [
        (("lufs", "lra", "lra_drums"), {"full_mix": ("lufs", "lra"), "drums": ("lra_drums",)}),
        (("loudness",), {role: (feature_name("lufs", role), feature_name("lra", role)) for role in ROLES}),
    ],
)
def test_retry_with_features_counts_complete_folders(
    room: Room, words: tuple[str, ...], disowned: dict[str, tuple[str, ...]]
) -> None:
    answer = retried(room, *words)
    assert (answer.folders, answer.remarks) == (1, [])
    room.supervisor.catalog_writes.stop(20)
    assert list(room.supervisor._events.taken()) == [RetryAsked(FolderKey(room.one, "A"), disowned)]


def test_retry_without_features_leaves_complete_folders(room: Room) -> None:
    answer = retried(room)
    assert answer.folders == 0
    assert "nothing is to be measured" in answer.remarks[0]


def test_retry_of_an_unknown_feature_is_refused(room: Room) -> None:
    with pytest.raises(UsageError, match="called 'lufz': did you mean 'lufs'"):
        retried(room, "lufz")


def test_retry_of_a_dataset_takes_no_features(room: Room) -> None:
    with pytest.raises(UsageError, match="features go with folders"):
        retried(room, "lufs", dataset=room.one)


def test_reloads_that_wait_are_one(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[int] = []
    may_go_on = threading.Event()

    def read(given: Given) -> Config:
        begun.append(len(begun) + 1)
        may_go_on.wait(20)
        if len(begun) > 1:
            raise ConfigError("line 7")
        return given.config

    async def ask() -> list[Reloaded | BaseException]:
        first = asyncio.create_task(room.answers.reload())
        while not begun:  # noqa: ASYNC110  # a thread sets no event
            await asyncio.sleep(0.01)
        left = asyncio.create_task(room.answers.reload())
        others = [asyncio.create_task(room.answers.reload()) for _ in range(3)]
        for _ in range(10):
            room.supervisor._reload_by_signal()
        await asyncio.sleep(0.01)
        left.cancel()  # the client of this request has gone: the others are answered all the same
        may_go_on.set()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
        await asyncio.sleep(0.01)
        return answers

    monkeypatch.setattr(Given, "read", read)
    first, *others = asyncio.run(ask())
    assert first == Reloaded([])
    assert list(map(str, others)) == ["line 7"] * 3, "by a reading that began after they came"
    assert begun == [1, 2]
    assert [each.getMessage() for each in caplog.records].count("configuration-refused") == 1

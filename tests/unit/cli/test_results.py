"""The values for commands: the service's where it has them, else those on disk, with the same refusals."""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from audiobatchd.cli.results import Served, Source, results_of
from audiobatchd.control.client import ControlClient
from audiobatchd.control.results import AskRows, Query
from audiobatchd.control.status import Status
from audiobatchd.errors import AudiobatchError, NoDaemonError, UsageError
from support.control_rig import ToldService, pieces, serving
from support.results_rig import dataset

MUSIC = {"A": {"bpm": 120.5}, "B": {}}


class Broken(ToldService):
    """A service whose answers in rows break off, or tell of an error."""

    end = b""

    async def rows(self, asked: AskRows) -> AsyncGenerator[bytes, None]:
        self.asked.append(asked)
        return pieces(b'{"columns":[]}\n["A",1]\n', self.end)


def arguments(root: Path, **others: object) -> argparse.Namespace:
    return argparse.Namespace(**{"dataset": str(root), "config": None, "disk": False, **others})


@pytest.fixture
def served(tmp_path: Path, busy: Status) -> Iterator[tuple[Broken, ControlClient, Path]]:
    """A service, a client of it, and a dataset on disk."""
    told = Broken(lambda: busy)
    with serving(tmp_path / "c.sock", lambda: busy, told):
        yield told, ControlClient(tmp_path / "c.sock"), dataset(tmp_path / "music", **MUSIC)


def refusals(source: Source) -> list[str]:
    """What is said of questions that cannot be."""
    said = []
    for query in (Query(("bmp",)), Query(sort=("-bmp",)), Query(where="bmp > 1"), Query(where="hex(bpm)")):
        with pytest.raises(UsageError) as raised:
            list(source.rows(query))
        said.append(str(raised.value))
    for ask in (source.histogram, lambda name: list(source.summary([name])), lambda name: source.scatter("bpm", name)):
        with pytest.raises(UsageError) as raised:
            ask("bmp")
        said.append(str(raised.value))
    return said


def test_service_that_knows_the_dataset_is_asked(served: tuple[Broken, ControlClient, Path]) -> None:
    told, client, root = served
    told.end = b'["B",null]\n{"rows":2}\n'
    with results_of(arguments(root), client) as source:
        assert isinstance(source, Served)
        assert list(source.rows(Query(("folder", "bpm")))) == [("A", 1), ("B", None)]
        assert source.histogram("bpm").counts == (2,)
        assert [each.count for each in source.summary()] == [2]
        assert source.scatter("bpm", "bpm").count == 2


@pytest.mark.parametrize("others", [{"disk": True}, {"config": "c.toml"}])
def test_disk_is_read_where_that_is_asked_for(
    served: tuple[Broken, ControlClient, Path], tmp_path: Path, others: dict[str, object]
) -> None:
    told, client, root = served
    (tmp_path / "c.toml").write_text("")
    if "config" in others:
        others = {"config": tmp_path / "c.toml"}
    with results_of(arguments(root, **others), client) as source:
        assert list(source.rows(Query(("folder", "bpm")))) == [("A", 120.5), ("B", None)]
    assert told.asked == []


def test_disk_is_read_where_no_service_answers(tmp_path: Path) -> None:
    counts: list[int] = []
    root = dataset(tmp_path / "music", **MUSIC)
    with results_of(arguments(root), ControlClient(tmp_path / "none.sock"), told=counts.append) as source:
        assert list(source.rows(Query(("bpm",)))) == [(120.5,), (None,)]
    assert counts == [2]


def test_both_refuse_in_the_same_words(served: tuple[Broken, ControlClient, Path]) -> None:
    _, client, root = served
    with results_of(arguments(root), client) as known, results_of(arguments(root, disk=True), client) as read:
        assert refusals(known) == refusals(read)


def test_condition_that_the_service_refuses_is_wrong_usage(
    served: tuple[Broken, ControlClient, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, client, root = served
    told.end = b'{"error":"cannot evaluate the condition bpm: integer overflow"}\n'
    with (
        results_of(arguments(root), client) as source,
        pytest.raises(UsageError, match="cannot evaluate the condition bpm"),
    ):
        list(source.rows(Query(where="bpm")))

    async def refusing(_: object, _asked: object) -> None:
        raise UsageError("cannot evaluate the condition bpm: near ')': syntax error")

    for name in ("summary", "histogram", "scatter"):
        monkeypatch.setattr(ToldService, name, refusing)
    with results_of(arguments(root), client) as source:
        for ask in (
            lambda: list(source.summary(["bpm"])),
            lambda: source.histogram("bpm"),
            lambda: source.scatter("bpm", "bpm"),
        ):
            with pytest.raises(UsageError, match="cannot evaluate the condition bpm"):
                ask()


def test_answer_that_breaks_off_is_no_answer(served: tuple[Broken, ControlClient, Path]) -> None:
    told, client, root = served
    with results_of(arguments(root), client) as source:
        with pytest.raises(NoDaemonError, match="broke off"):
            list(source.rows(Query()))
        told.end = b'{"error":"it takes more than 60 s"}\n'
        with pytest.raises(AudiobatchError, match="more than 60 s"):
            list(source.rows(Query()))

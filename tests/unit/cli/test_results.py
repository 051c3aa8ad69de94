"""The values for commands: the service's where it has them, else those on disk, with the same refusals."""

from __future__ import annotations

import argparse
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import IO

import msgspec
import pytest

from audiobatchd.cli import results
from audiobatchd.cli.results import Served, Source, results_of
from audiobatchd.control.client import ControlClient
from audiobatchd.control.results import AskColumns, AskRows, Column, Query
from audiobatchd.control.server import routes
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


@pytest.mark.parametrize("in_memory", [1, 8 << 20], ids=["in a file", "in memory"])
def test_reader_that_pauses_gets_the_whole_answer(
    served: tuple[Broken, ControlClient, Path], monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    told, client, root = served
    monkeypatch.setattr(routes, "_SLOW", 0.2)
    monkeypatch.setattr(results, "_IN_MEMORY", in_memory)

    async def rows(_: AskRows) -> AsyncGenerator[bytes, None]:
        return pieces(b'{"columns":[]}\n', *[b'["%s"]\n' % (b"x" * 100_000)] * 20, b'{"rows":20}\n')

    monkeypatch.setattr(told, "rows", rows)
    with results_of(arguments(root), client, slowly=True) as source:
        answer = source.rows(Query())
        next(answer)
        time.sleep(1)
        assert len(list(answer)) == 19


def test_answer_that_breaks_off_gives_no_row(served: tuple[Broken, ControlClient, Path]) -> None:
    _, client, root = served
    with results_of(arguments(root), client, slowly=True) as source, pytest.raises(NoDaemonError):
        next(source.rows(Query()))


def test_full_temporary_disk_is_told_in_words(
    served: tuple[Broken, ControlClient, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, client, root = served
    told.end = b'{"rows":1}\n'

    def full(**_: object) -> IO[bytes]:
        return Path("/dev/full").open("w+b", buffering=0)

    monkeypatch.setattr(results, "SpooledTemporaryFile", full)
    with results_of(arguments(root), client, slowly=True) as source, pytest.raises(AudiobatchError) as raised:
        list(source.rows(Query()))
    assert "in a temporary file: No space left on device; the variable TMPDIR names" in str(raised.value)


def test_many_long_names_are_chosen_from_all(
    served: tuple[Broken, ControlClient, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, client, root = served
    keys = [f"{number:04}{'x' * 61}" for number in range(1000)]
    columns = [Column("folder", "text"), *(Column(key, "number") for key in keys), Column("state", "text")]

    async def tell_columns(_: AskColumns) -> list[Column]:
        return columns

    async def rows(asked: AskRows) -> AsyncGenerator[bytes, None]:
        told.asked.append(asked)
        encode = msgspec.json.encode
        head = encode({"columns": columns[:500]})  # the last ones have gone meanwhile
        return pieces(head + b"\n", encode(["A", *range(499)]) + b"\n", b'{"rows":1}\n')

    monkeypatch.setattr(told, "columns", tell_columns)
    monkeypatch.setattr(told, "rows", rows)
    with results_of(arguments(root), client) as source:
        wanted = (*reversed(keys), "folder")
        assert list(source.rows(Query(wanted, "folder <> ''"))) == [(*[None] * 501, *reversed(range(499)), "A")]
        assert told.asked == [AskRows(str(root), [], "folder <> ''")]
        with pytest.raises(UsageError, match="state or why beside so many columns"):
            next(source.rows(Query((*keys, "state"))))

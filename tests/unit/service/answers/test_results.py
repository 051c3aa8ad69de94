"""Answers about values: in pieces, a few at once, and refused where nothing is known."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audiobatchd.control.results import AskColumns, AskHistogram, AskRows, AskScatter, AskSummary
from audiobatchd.core.assessment import Policy
from audiobatchd.errors import UsageError
from audiobatchd.results import query
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.service.answers import results
from audiobatchd.service.answers.results import ResultAnswers
from support.results_rig import ToldStates, dataset

RECORDS = {"a": {"n": 1, "yes": True}, "b": {"n": 2, "m": {"Rock": 1}}, "c": {"n": None}}


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[ResultAnswers]:
    """Answers about one dataset of three folders, of which one failed."""
    root = dataset(tmp_path / "music", **RECORDS)
    with closing(Catalog(tmp_path / "catalog.sqlite")) as catalog:
        reader = FolderReader(str(root), (), Policy(), (), True, catalog)
        for name in RECORDS:
            reader.read(name)

        def known(name: str) -> tuple[str, ToldStates]:
            if name != "music":
                raise UsageError("no such dataset")
            return str(root), ToldStates(c=("failed", "damaged"))

        yield ResultAnswers(catalog, known)


async def lines(pieces: AsyncGenerator[bytes, None]) -> list[object]:
    return [json.loads(line) for line in b"".join([piece async for piece in pieces]).splitlines()]


def test_rows_come_after_columns_and_before_their_count(
    answers: ResultAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "_PART", 1)

    async def ask() -> list[object]:
        return await lines(await answers.rows(AskRows("music", ["folder", "n", "yes", "m", "state"])))

    head, *rows, end = asyncio.run(ask())
    assert isinstance(head, dict)
    assert [column["name"] for column in head["columns"]] == ["folder", "n", "yes", "m", "state"]
    assert rows == [
        ["a", 1, True, None, "complete"],
        ["b", 2, None, {"Rock": 1}, "complete"],
        ["c", None, None, None, "failed"],
    ]
    assert end == {"rows": 3}


def test_rows_that_break_off_tell_why(answers: ResultAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_PART", 1)

    async def ask() -> list[object]:
        pieces = await answers.rows(AskRows("music", ["folder"]))
        first = await anext(pieces)
        pieces._pieces._results._guard._left = -1  # type: ignore[attr-defined]  # its time is over
        monkeypatch.setattr(query, "_ANY", "")
        rest = await lines(pieces)
        return [json.loads(first.splitlines()[1]), *rest]

    first, *rest = asyncio.run(ask())
    assert first == ["a"]
    assert rest[-1] == {"rows": 3} or "takes more than" in str(rest[-1])


@pytest.mark.parametrize(
    "asked", [AskRows("other"), AskRows("music", where="nope > 1"), AskRows("music", sort=["nope"])], ids=repr
)
def test_wrong_question_is_refused_before_anything_is_told(answers: ResultAnswers, asked: AskRows) -> None:
    with pytest.raises(UsageError):
        asyncio.run(answers.rows(asked))
    assert answers._streams == 0


def test_only_so_many_answers_are_under_way(answers: ResultAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_STREAMS", 2)

    async def ask() -> None:
        begun = [await answers.rows(AskRows("music")) for _ in range(2)]
        with pytest.raises(UsageError, match="try again"):
            await answers.rows(AskRows("music"))
        await begun[0].aclose()
        await begun[0].aclose()
        again = await answers.rows(AskRows("music"))
        assert (await lines(again))[-1] == {"rows": 3}
        await again.aclose()
        await begun[1].aclose()

    asyncio.run(ask())
    assert answers._streams == 0


def test_figures_are_answered(answers: ResultAnswers) -> None:
    async def ask() -> None:
        assert [each.name for each in await answers.columns(AskColumns("music"))][3:] == ["m", "n", "yes"]
        assert (await answers.histogram(AskHistogram("music", "n", 2))).counts == (1, 1)
        assert (await answers.scatter(AskScatter("music", "n", "n", 2, "state = 'complete'"))).count == 2
        assert [each.count for each in await answers.summary(AskSummary("music", ["n"], "n > 1"))] == [1]

    asyncio.run(ask())


def test_catalog_in_memory_has_nothing_to_tell() -> None:
    with closing(Catalog(None)) as catalog, pytest.raises(UsageError, match="is not kept"):
        asyncio.run(ResultAnswers(catalog, lambda name: (name, ToldStates())).columns(AskColumns("music")))

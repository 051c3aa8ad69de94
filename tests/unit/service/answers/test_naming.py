"""Folders that are not there under the name that is asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.core.readings import Finding
from audiobatchd.errors import UnknownFolderError
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.sightings import Sighting
from audiobatchd.service.answers.naming import Naming, no_folder
from audiobatchd.vocabulary.files import FolderKey

KNOWN = ("Artist/Broken", "caf\udce9/Song", "A\nB", "Twice/Same", "Other/Same")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog(tmp_path / "catalog.sqlite")
    made.sightings.note("/m", [Sighting(path, 1, finding=Finding.DUE) for path in KNOWN])
    made.sightings.note("/m", [Sighting("Artist", 1, finding=Finding.GONE)])
    yield made
    made.close()


def found(catalog: Catalog, path: str, *, known: bool = True) -> str:
    return asyncio.run(Naming(catalog.sightings, lambda _: known).found_by_end(FolderKey("/m", path))).path


def test_only_end_of_a_path_is_found(catalog: Catalog) -> None:
    assert found(catalog, "Broken") == "Artist/Broken"


def test_end_that_the_service_has_forgotten_is_offered(catalog: Catalog) -> None:
    with pytest.raises(UnknownFolderError, match=r'folder Broken in /m: did you mean "Artist/Broken"\?$'):
        found(catalog, "Broken", known=False)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("Same", 'Same in /m: did you mean "Other/Same" or "Twice/Same"?'),
        ("Song2", r'Song2 in /m: did you mean "caf\xe9/Song"?'),
        ("A B", r'A B in /m: did you mean "A\x0aB"?'),
        ("", ". in /m"),
        ("x" * 4000, f"{'x' * 4000} in /m"),
        ("%_'\"", "%_'\" in /m"),
    ],
)
def test_refusal_has_names_as_they_are_shown(catalog: Catalog, path: str, said: str) -> None:
    with pytest.raises(UnknownFolderError) as refused:
        found(catalog, path)
    assert str(refused.value) == f"there is no track folder {said}"


def test_closed_catalog_offers_nothing(catalog: Catalog) -> None:
    catalog.close()
    with pytest.raises(UnknownFolderError, match=r"^there is no track folder Brokn in /m$"):
        found(catalog, "Brokn")


def test_one_search_for_near_names_goes_on_at_a_time(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    search = catalog.sightings.alike

    def slow(*asked: object) -> list[str]:
        begun.set()
        assert go_on.wait(60)
        return search(*asked)  # type: ignore[arg-type]  # as it was asked

    async def ask() -> list[str]:
        naming = Naming(catalog.sightings, lambda _: True)
        first = asyncio.create_task(naming.found_by_end(FolderKey("/m", "Brokn")))
        assert await asyncio.to_thread(begun.wait, 20)
        second = asyncio.create_task(naming.found_by_end(FolderKey("/m", "Brokn")))
        await asyncio.wait([second])
        go_on.set()
        return [str(each) for each in await asyncio.gather(first, second, return_exceptions=True)]

    monkeypatch.setattr(catalog.sightings, "alike", slow)
    assert ["did you mean" in each for each in asyncio.run(ask())] == [True, False]


def test_refusal_without_a_guess_asks_nothing() -> None:
    assert str(no_folder("A", "/m")) == "there is no track folder A in /m"

"""Folders that the values' table lacks are among the rows, in their order, with nothing but a name and a state."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from audiobatchd.control.results import Query
from audiobatchd.core.assessment import Policy
from audiobatchd.results import query
from audiobatchd.results.sources import open_catalog
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.folder_reader import FolderReader
from support.results_rig import ToldStates, dataset


@pytest.mark.parametrize("sort", [(), ("-n",), ("-state",)])
def test_unlisted_folders_are_rows_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sort: tuple[str, ...]) -> None:
    monkeypatch.setattr(query, "_PART", 2)
    root = dataset(tmp_path / "music", a={"n": 2}, c={"n": 3, "yes": True}, e={"n": 1})
    states = ToldStates(b"b", b"d\xff", b"e", b=("blocked", "Permission denied"))
    with closing(Catalog(tmp_path / "catalog.sqlite")) as catalog:
        reader = FolderReader(str(root), (), Policy(), (), True, catalog)
        for name in "ace":
            reader.read(name)
        with open_catalog(tmp_path / "catalog.sqlite", str(root), states) as results:
            asked = Query(("folder", "n", "state", "why"), sort=sort)
            told = list(results.rows(asked))
            assert sorted(told, key=str) == [
                ("a", 2, "complete", ""),
                ("b", None, "blocked", "Permission denied"),
                ("c", 3, "complete", ""),
                ("d\\xff", None, "complete", ""),
                ("e", 1, "complete", ""),
            ]
            orders = {(): "abcde", ("-n",): "caebd", ("-state",): "acdeb"}
            assert "".join(str(row[0])[0] for row in told) == orders[sort]
            assert results.page(asked, "", 1) == (told[1:], 5)
            [short] = results.summary(("state",))
            assert {each.label: each.count for each in short.frequent} == {"complete": 4, "blocked": 1}

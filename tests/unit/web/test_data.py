"""Values and their pictures from a real server over a real catalog; whatever is asked is bounded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest

from audiobatchd.core.assessment import Policy
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.service.answers.results import ResultAnswers
from audiobatchd.web import data
from support.results_rig import ToldStates, dataset
from support.web_rig import Site, site

HOSTILE = '<img src=x onerror="alert(1)">'
RECORDS = {f"song {number}": {"bpm": 100.0 + number, "lufs": -10.0 - number} for number in range(8)}
ODD = {HOSTILE: {"bpm": 90, "is": True, "genre": {"Rock": 0.5}}, "odd'%_": {"bpm": None, "title": "a\x1bb"}}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = dataset(tmp_path_factory.mktemp("data") / "music", **RECORDS, **ODD)
    with closing(Catalog(root.parent / "catalog.sqlite")) as catalog, site(root) as made:
        reader = FolderReader(str(root), (), Policy(), (), True, catalog)
        for name in (*RECORDS, *ODD):
            reader.read(name)
        answers = ResultAnswers(catalog, lambda _: (str(root), ToldStates(**{"song 1": ("failed", "damaged")})))
        for name in ("columns", "page", "summary", "histogram", "scatter"):
            setattr(made.service, name, getattr(answers, name))
        made.log_in()
        yield made


def ask(page: Site, what: str, **asked: object) -> tuple[int, object]:
    query = urlencode({"dataset": str(page.service.root), **asked}, doseq=True)
    answer = page.ask(f"/api/{what}?{query}")
    return answer.status, json.loads(answer.body)


def told(page: Site, what: str, **asked: object) -> dict[str, object]:
    status, answer = ask(page, what, **asked)
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


def test_rows_are_a_part_with_the_number_of_all(page: Site) -> None:
    found = told(page, "rows", columns=["folder", "bpm", "state"], sort="-bpm", limit=2, offset=1)
    assert found["rows"] == [["song 6", 106.0, "complete"], ["song 5", 105.0, "complete"]]
    assert found["total"] == 10
    assert [each["name"] for each in found["columns"]] == ["folder", "bpm", "state"]  # type: ignore[attr-defined]
    assert told(page, "rows", offset=1 << 40)["rows"] == []


@pytest.mark.parametrize(
    ("search", "expected"), [("SONG 3", ["song 3"]), ("'%_", ["odd'%_"]), ("<img", [HOSTILE]), ("%", ["odd'%_"])]
)
def test_search_is_a_text_in_the_folders_name(page: Site, search: str, expected: list[str]) -> None:
    found = told(page, "rows", columns="folder", search=search)
    assert (found["rows"], found["total"]) == ([[each] for each in expected], len(expected))


def test_condition_and_search_count_together(page: Site) -> None:
    found = told(page, "rows", columns="folder", where="bpm > 105 or state = 'failed'", search="song")
    assert found["rows"] == [["song 1"], ["song 6"], ["song 7"]]


@pytest.mark.parametrize(
    "asked",
    [
        {"where": "bpm > 1) or (1"},
        {"where": "hex(zeroblob(200000000)) = ''"},
        {"where": "1; drop table values_1"},
        {"where": "x" * 9000},
        {"sort": "nothing"},
        {"columns": "nothing"},
        {"limit": 201},
        {"limit": 0},
        {"limit": 10**30},
        {"offset": -1},
        {"offset": "nan"},
        {"search": "x" * 2000},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(page: Site, asked: dict[str, object]) -> None:
    status, answer = ask(page, "rows", **asked)
    assert status == 400
    assert isinstance(answer, dict)
    assert answer["error"]


def test_bars_tell_their_bounds(page: Site) -> None:
    found = told(page, "histogram", feature="bpm", bins=4)
    bars = list(ET.fromstring(str(found["svg"])).iter("rect"))  # noqa: S314  # ours
    total = 0
    for bar in bars:
        low, high = bar.attrib["data-low"], bar.attrib["data-high"]
        last = "=" if float(high) == found["edges"][-1] else ""  # type: ignore[index]
        listed = told(page, "rows", where=f"bpm >= {low} and bpm <{last} {high}")
        total += int(str(listed["total"]))
        assert f": {listed['total']}" in "".join(bar.itertext())
    assert total == sum(found["counts"]) == 9  # type: ignore[call-overload]
    assert found["missing"] == 1


def test_scatter_and_summary_are_the_catalogs(page: Site) -> None:
    found = told(page, "scatter", x="bpm", y="lufs")
    assert (found["count"], found["missing"]) == (8, 2)
    assert str(found["svg"]).count("<rect") == len(found["cells"])  # type: ignore[arg-type]
    assert ask(page, "scatter", x="bpm", y="lufs", bins=1000)[0] == 400
    assert ask(page, "histogram", feature="bpm", bins=100_000)[0] == 400
    status, summary = ask(page, "summary", features=["bpm"], where="bpm > 105")
    assert (status, summary[0]["count"]) == (200, 2)  # type: ignore[index]
    assert {"folder", "bpm"} <= {each["name"] for each in ask(page, "columns")[1]}  # type: ignore[attr-defined]


def test_record_is_what_lies_on_disk(page: Site) -> None:
    assert told(page, "record", folder=HOSTILE) == {
        "values": {"bpm": 90, "is": True, "genre": {"Rock": 0.5}},
        "files": {"full_mix": "full_mix.flac"},
    }


def test_record_without_sense_is_said(page: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = page.service.root / "broken"
    folder.mkdir()
    (folder / "full_mix.flac").touch()
    assert told(page, "record", folder="broken") == {"values": {}, "files": {"full_mix": "full_mix.flac"}}
    record = folder / "broken.INFO"
    record.write_text('{"bpm": NaN, "n": 1, "deep": ' + "[" * 100 + "]" * 100 + "}")
    assert told(page, "record", folder="broken")["values"]["n"] == 1  # type: ignore[index]
    record.write_text('{"\\ud800x": 1, "half": "\\ud800"}')
    assert told(page, "record", folder="broken")["values"] == {"?x": 1, "half": "?"}
    record.write_text("[1]")
    status, answer = ask(page, "record", folder="broken")
    assert status == 422
    assert "record" in str(answer)
    with open(record, "wb") as file:
        file.truncate(1 << 40)
    assert ask(page, "record", folder="broken")[0] == 422
    record.unlink()
    os.mkfifo(record)
    assert ask(page, "record", folder="broken")[0] == 422
    monkeypatch.setattr(data, "_AT_ONCE", 0)
    assert ask(page, "record", folder="broken")[0] == 503


def test_record_is_read_through_no_link(page: Site, tmp_path: Path) -> None:
    (tmp_path / "secret.INFO").write_text('{"secret": 1}')
    folder = page.service.root / "links"
    folder.mkdir()
    (folder / "links.INFO").symlink_to(tmp_path / "secret.INFO")
    assert ask(page, "record", folder="links")[0] == 404
    (page.service.root / "way").symlink_to(tmp_path)
    for name in ("way", "../music/song 1", "nowhere"):
        assert ask(page, "record", folder=name)[0] == 404

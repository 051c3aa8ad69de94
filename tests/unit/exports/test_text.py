"""Tables as text, read back by the standard library."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.control.results import Column, Kind, Row
from audiobatchd.exports.text import Output, write_csv, write_tsv
from audiobatchd.exports.tracks import Table, fields_of, tracks_of
from support.export_rig import export, make_dataset


@pytest.mark.parametrize(("form", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_table_reads_back(tmp_path: Path, form: str, delimiter: str) -> None:
    target = tmp_path / "table"
    assert export(make_dataset(tmp_path / "music"), form, target, "--stems") == 0
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=delimiter))
    assert [row["folder"] for row in rows] == [
        "'=cmd|' C calc'!A0",
        "Dr. Dre - 01",
        'caf\\xe9, "quoted"',
    ]
    by_folder = {row["folder"]: row for row in rows}
    dre = by_folder["Dr. Dre - 01"]
    assert float(dre["bpm"]) == 120.5
    assert dre["bpm_is_defined"] == "true"
    assert dre["sample_rate"] == ""
    assert json.loads(dre["genre"]) == {"Rock": 0.5}
    assert dre["vocals_path"] == "Dr. Dre - 01/vocals.FLAC"
    assert by_folder["'=cmd|' C calc'!A0"]["key"] == "-1"
    assert by_folder["'=cmd|' C calc'!A0"]["full_mix_path"] == "'=cmd|' C calc'!A0/full_mix.FLAC"
    assert float(by_folder['caf\\xe9, "quoted"']["lufs"]) == -30


def test_lines_of_json_have_every_field(tmp_path: Path) -> None:
    target = tmp_path / "table.jsonl"
    assert export(make_dataset(tmp_path / "music"), "jsonl", target, "--columns", "bpm", "genre") == 0
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [list(row) for row in rows] == [["folder", "bpm", "genre", "full_mix_path"]] * 3
    by_folder = {row["folder"]: row for row in rows}
    assert by_folder["=cmd|' C calc'!A0"]["genre"] == {"Pop": 0.25}
    assert by_folder['caf\\xe9, "quoted"']["bpm"] is None


def test_column_that_changes_its_kind_lets_no_formula_in() -> None:
    kinds: tuple[Kind, ...] = ("number", "flag", "mapping", "text")
    fields = fields_of([Column("folder", "text"), *(Column(kind, kind) for kind in kinds)], ["mapping"], ())
    rows: list[Row] = [
        ("a", 1.5, True, {"Rock": 1}, "-x"),
        ("b", "=1", "+1", "-1", "@x"),
        ("c", {"=": "="}, {}, {"=": "="}, 2),
    ]
    out = io.StringIO()
    write_csv(Table("/music", fields, (), tracks_of("/music", fields, rows, (), {})), out)
    assert list(csv.reader(io.StringIO(out.getvalue())))[1:] == [
        ["a", "1.5", "true", '{"Rock": 1}', "'-x"],
        ["b", "", "", "", "'@x"],
        ["c", "", "", "", "2"],
    ]


def test_numbers_among_texts_are_no_formulas() -> None:
    fields = fields_of([Column("folder", "text"), Column("lufs", "text")], [], ())
    values = (-14.2, -3, -1e-07, "n/a", "-1+1", "-x", "+1", "-1\n", "-")
    out = io.StringIO()
    rows: list[Row] = [("a", value) for value in values]
    write_csv(Table("/music", fields, (), tracks_of("/music", fields, rows, (), {})), out)
    cells = [row[1] for row in csv.reader(io.StringIO(out.getvalue(), newline=""))]
    assert cells == ["lufs", "-14.2", "-3", "-1e-07", "n/a", "'-1+1", "'-x", "'+1", "'-1\n", "'-"]


@pytest.mark.parametrize(("write", "delimiter", "end"), [(write_csv, ",", "\r\n"), (write_tsv, "\t", "\n")])
def test_line_ends_within_a_text_end_no_row(write: Callable[[Table, Output], None], delimiter: str, end: str) -> None:
    fields = fields_of([Column("folder", "text"), Column("title", "text")], [], ())
    titles = ["a\rb", "a\nb", "a\r\nb", "b\r\n", "plain"]
    out = io.StringIO(newline="")
    rows: list[Row] = [("a", title) for title in titles]
    write(Table("/music", fields, (), tracks_of("/music", fields, rows, (), {})), out)
    text = out.getvalue()
    assert text.endswith(f"a{delimiter}plain{end}")
    read = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert [row[1] for row in read] == ["title", *titles]

"""Parquet, read back by its own library."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from audiobatchd.exports import parquet as ours
from support.export_rig import export, make_dataset
from support.results_rig import dataset


def test_columns_have_types_units_and_missing_values(tmp_path: Path) -> None:
    target = tmp_path / "table.parquet"
    assert export(make_dataset(tmp_path / "music"), "parquet", target) == 0
    table = parquet.read_table(target)
    types = {field.name: field.type for field in table.schema}
    assert types["bpm"] == pa.float64()
    assert types["key"] == pa.string()
    assert types["bpm_is_defined"] == pa.bool_()
    assert types["genre"] == pa.map_(pa.string(), pa.float64())
    assert all(field.nullable for field in table.schema)
    assert table.schema.field("lufs").metadata == {b"unit": b"LUFS", b"description": b"Integrated loudness"}
    rows = {row["folder"]: row for row in table.to_pylist()}
    assert rows["Dr. Dre - 01"]["genre"] == [("Rock", 0.5)]
    assert rows["Dr. Dre - 01"]["sample_rate"] is None
    assert rows["=cmd|' C calc'!A0"]["bpm"] == 250.0


def test_large_whole_numbers_are_rounded(tmp_path: Path) -> None:
    music = dataset(tmp_path / "music", A={"m": {"x": 2**53 + 1}, "n": 2**53 + 1}, B={"m": {"x": 1}, "n": 1})
    assert export(music, "parquet", tmp_path / "table.parquet") == 0
    first, _ = parquet.read_table(tmp_path / "table.parquet").to_pylist()
    assert (first["m"], first["n"]) == ([("x", 2.0**53)], 2.0**53)


def test_mapping_with_a_number_beyond_doubles_is_text(tmp_path: Path) -> None:
    music = dataset(tmp_path / "music", A={"m": {"x": 10**400}}, B={"m": {"x": 1}})
    assert export(music, "parquet", tmp_path / "table.parquet") == 0
    first, second = parquet.read_table(tmp_path / "table.parquet").to_pylist()
    assert (first["m"], second["m"]) == (f'{{"x": {10**400}}}', '{"x": 1}')


def test_rows_come_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "_GROUP", 2)
    target = tmp_path / "table.parquet"
    assert export(make_dataset(tmp_path / "music"), "parquet", target) == 0
    assert parquet.ParquetFile(target).num_row_groups == 2


def test_missing_library_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert export(make_dataset(tmp_path / "music"), "parquet", tmp_path / "x") == 1
    assert "pyarrow is needed: it is not installed: " in capsys.readouterr().err
    assert not (tmp_path / "x").exists()

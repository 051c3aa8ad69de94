"""Tracks of exports: values in the types of their columns, and where their audio is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiobatchd.control.results import Column, Value
from audiobatchd.errors import AudiobatchError
from audiobatchd.exports.tracks import Field, Track, Type, fields_of, has_numbers_alone, opened, roles_of, tracks_of


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("number", 1.5, 1.5),
        ("number", True, 1),
        ("number", 10**30, 100.0),
        ("text", "word", "word"),
        ("text", True, "true"),
        ("text", 1.5, "1.5"),
        ("text", {"b": 1, "a": "é"}, '{"a": "é", "b": 1}'),
        ("flag", False, False),
        ("flag", None, None),
        ("mapping", {"Rock": 0.5}, {"Rock": 0.5}),
        # What has changed since the columns were asked for:
        ("number", "=1+1", None),
        ("number", {"Rock": 0.5}, None),
        ("flag", "=1+1", None),
        ("flag", 1, None),
        ("mapping", "=1+1", None),
        ("mapping", {"Rock": "=1+1"}, None),
    ],
)
def test_values_are_of_the_type_of_their_column(kind: str, value: Value, expected: Value) -> None:
    columns = [Column("folder", "text"), Column("it", kind)]  # type: ignore[arg-type]  # the cases are strings
    fields = fields_of(columns, ["it"], ())
    (track,) = tracks_of("/nowhere", fields, [("Song", value)], (), {"it": (0.0, 100.0)})
    assert track.values == {"folder": "Song", "it": expected}
    assert type(track.values["it"]) is type(expected)


def test_mapping_of_other_than_numbers_is_text() -> None:
    assert has_numbers_alone([None, {"a": 1, "b": 0.5}])
    assert not has_numbers_alone([{"a": 1}, {"a": True}])
    assert not has_numbers_alone([{"a": "x"}])
    (field,) = fields_of([Column("it", "mapping", "u", "d")], [], ())
    assert field == Field("it", Type.TEXT, "u", "d")


def test_paths_of_files_are_fields(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    (folder / "Full_Mix.MP3").write_bytes(b"")
    fields = fields_of([Column("folder", "text")], (), roles_of(stems=True))
    rows = [("caf\\xe9",), ("gone",)]
    there, gone = tracks_of(str(tmp_path), fields, rows, roles_of(stems=True), {})
    assert there.folder == "caf\udce9"
    assert there.files == {"full_mix": "Full_Mix.MP3"}
    assert there.values["full_mix_path"] == "caf\\xe9/Full_Mix.MP3"
    assert there.values["drums_path"] is None
    assert gone.values["full_mix_path"] is None


def test_dataset_that_is_a_track_has_its_files_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "full_mix.wav").write_bytes(b"RIFF")
    fields = fields_of([Column("folder", "text")], (), roles_of(stems=False))
    (track,) = tracks_of(str(tmp_path), fields, [(".",)], roles_of(stems=False), {})
    assert track.values == {"folder": ".", "full_mix_path": "full_mix.wav"}
    source, size = opened(str(tmp_path), track, "full_mix")
    with source:
        assert (source.read(), size) == (b"RIFF", 4)


def test_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "Song").mkdir()
    os.mkfifo(tmp_path / "Song" / "full_mix.wav")
    track = Track("Song", {}, {"full_mix": "full_mix.wav"})
    with pytest.raises(AudiobatchError, match="is no plain file"):
        opened(str(tmp_path), track, "full_mix")
    with pytest.raises(AudiobatchError, match="No such file"):
        opened(str(tmp_path), Track("Gone", {}, {"full_mix": "full_mix.wav"}), "full_mix")

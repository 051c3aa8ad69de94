"""The module that stable-audio-tools loads: always the same, and without anything of a dataset in it."""

from __future__ import annotations

import json
from pathlib import Path

from audiobatchd.exports import custom_metadata
from support.export_rig import export, make_dataset


def test_module_is_the_same_whatever_is_exported(tmp_path: Path) -> None:
    export(make_dataset(tmp_path / "music"), "stable-audio-tools", tmp_path / "set")
    assert (tmp_path / "set" / "custom_metadata.py").read_bytes() == Path(custom_metadata.__file__).read_bytes()


def test_names_that_are_no_text_are_found(tmp_path: Path, monkeypatch: object) -> None:
    index = tmp_path / "metadata.jsonl"
    index.write_text(json.dumps({"relpath": "caf\udce9/full_mix.wav", "values": {"path": 1, "__x": 2}}) + "\n")
    custom_metadata.INDEX, before = str(index), custom_metadata.INDEX
    try:
        found = custom_metadata.get_custom_metadata({"relpath": "caf\udce9/full_mix.wav"}, None)
        assert found == {"track_path": 1, "track___x": 2}
        assert custom_metadata.get_custom_metadata({}, None) == {"__reject__": True}
    finally:
        custom_metadata.INDEX = before

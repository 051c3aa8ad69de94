"""Directories for training programs, read back by the real libraries."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import IO, Any

import dill
import pytest
import webdataset

from audiobatchd.exports import audio_sets
from audiobatchd.exports.forms import AUDIO_SETS
from support.export_rig import VALUES, export, make_dataset
from support.results_rig import dataset

ORDER = sorted(VALUES, key=os.fsencode)
"""The folders that have a full mix, as they are exported."""


@pytest.mark.parametrize("with_audio", [True, False])
def test_hugging_face_loads_the_files_with_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, with_audio: bool
) -> None:
    target = tmp_path / "set"
    assert export(make_dataset(tmp_path / "music"), "huggingface", target, *["--with-audio"] * with_audio) == 0
    rows = load_audio_folder(target, tmp_path / "cache", monkeypatch)
    assert [row["folder"] for row in rows] == [name.replace("\udce9", "\\xe9") for name in ORDER]
    for name, row in zip(ORDER, rows, strict=True):
        path = Path(row["audio"]["path"])
        assert path.read_bytes() == b"full_mix of " + os.fsencode(name)
        assert path.is_symlink() is not with_audio
    assert rows[ORDER.index("Dr. Dre - 01")]["bpm"] == 120.5


def test_hugging_face_takes_stems_of_whole_sets_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "set"
    assert export(make_dataset(tmp_path / "music"), "huggingface", target, "--stems") == 1
    (row,) = load_audio_folder(target, tmp_path / "cache", monkeypatch)
    assert row["folder"] == "Dr. Dre - 01"
    assert Path(row["vocals"]["path"]).read_bytes() == b"vocals of Dr. Dre - 01"


def test_hugging_face_is_told_files_from_keys_of_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "music" / "Dr. Dre - 01" / "Dr. Dre - 01.INFO"
    make_dataset(tmp_path / "music")
    record.write_text('{"file_name": "/etc/passwd", "original_file_name": "a.mp3", "full_mix_path": "own"}')
    assert export(tmp_path / "music", "huggingface", tmp_path / "set", "--where", "folder like 'Dr%'") == 0
    (row,) = load_audio_folder(tmp_path / "set", tmp_path / "cache", monkeypatch)
    assert Path(row["audio"]["path"]).read_bytes() == b"full_mix of Dr. Dre - 01"
    assert (row["file_name_value"], row["original_file_name_value"]) == ("/etc/passwd", "a.mp3")
    assert row["full_mix_path"] == "Dr. Dre - 01/full_mix.FLAC"


def test_hugging_face_keeps_all_keys_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    music = dataset(tmp_path / "music", A={"file_name": 1, "file_name_value": 2, "audio": "mine", "drums": 4})
    assert export(music, "huggingface", tmp_path / "set") == 0
    (row,) = load_audio_folder(tmp_path / "set", tmp_path / "cache", monkeypatch)
    assert (row["file_name_value_value"], row["file_name_value"]) == (1, 2)
    assert (row["audio_value"], row["drums"]) == ("mine", 4)


def load_audio_folder(target: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Load it with the library, which is not to ask any server, and decode nothing."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(cache))
    import datasets  # noqa: PLC0415  # reads the environment when it is loaded

    loaded = datasets.load_dataset("audiofolder", data_dir=str(target), cache_dir=str(cache), split="train")
    for name, feature in list(loaded.features.items()):
        if isinstance(feature, datasets.Audio):
            loaded = loaded.cast_column(name, datasets.Audio(decode=False))
    return list(loaded)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves shards open
def test_web_dataset_keeps_what_belongs_together(tmp_path: Path) -> None:
    target = tmp_path / "set"
    assert export(make_dataset(tmp_path / "music"), "webdataset", target, "--with-audio", "--stems") == 0
    shards = [str(path) for path in sorted(target.iterdir())]
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode())
    assert [sample["json"]["folder"] for sample in samples] == [name.replace("\udce9", "\\xe9") for name in ORDER]
    dre = samples[ORDER.index("Dr. Dre - 01")]
    assert dre["flac"] == b"full_mix of Dr. Dre - 01"
    assert dre["vocals.flac"] == b"vocals of Dr. Dre - 01"
    assert dre["json"]["genre"] == {"Rock": 0.5}


def test_web_dataset_refers_to_audio_and_is_the_same_twice(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "music")
    for name in ("one", "two"):
        export(dataset, "webdataset", tmp_path / name)
    (one,), (two,) = (list((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    with tarfile.open(one) as shard:
        assert shard.getnames() == [f"{number:08d}.json" for number in range(3)]
        member = shard.extractfile("00000001.json")
        assert member is not None
        assert json.load(member)["path"] == str(dataset / "Dr. Dre - 01" / "full_mix.FLAC")


def test_web_dataset_keeps_a_path_that_a_record_has(tmp_path: Path) -> None:
    music = dataset(tmp_path / "music", A={"path": "mine", "path_value": 2, "drums_path": "own"})
    assert export(music, "webdataset", tmp_path / "set") == 0
    with tarfile.open(tmp_path / "set" / "shard-000000.tar") as shard:
        member = shard.extractfile("00000000.json")
        assert member is not None
        sample = json.load(member)
    assert sample["path"] == str(music / "A" / "full_mix.flac")
    assert (sample["path_value_value"], sample["path_value"], sample["drums_path"]) == ("mine", 2, "own")


def test_web_dataset_has_room_for_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    music = dataset(tmp_path / "music", A={"bpm": 1})
    os.truncate(music / "A" / "full_mix.flac", 8 << 30)

    def copy_small(source: IO[bytes], target: IO[bytes], length: int, **_: object) -> None:
        if length < 1 << 20:
            target.write(source.read(length))

    monkeypatch.setattr(tarfile, "copyfileobj", copy_small)
    assert export(music, "webdataset", tmp_path / "set", "--with-audio") == 0
    with tarfile.open(tmp_path / "set" / "shard-000000.tar") as shard:
        members = shard.next(), shard.next()
    assert [(each.name, each.size) for each in members if each][1:] == [("00000000.flac", 8 << 30)]


@pytest.mark.parametrize("limit", ["_SAMPLES", "_BYTES"])
def test_web_dataset_begins_another_shard_when_one_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(audio_sets, limit, 1)
    export(make_dataset(tmp_path / "music"), "webdataset", tmp_path / "set")
    shards = sorted((tmp_path / "set").iterdir())
    assert [shard.name for shard in shards] == [f"shard-{number:06d}.tar" for number in range(3)]
    for number, shard in enumerate(shards):
        with tarfile.open(shard) as opened:
            assert opened.getnames() == [f"{number:08d}.json"]


@pytest.mark.parametrize("with_audio", [True, False])
def test_stable_audio_tools_gets_values_and_rejects_stems(tmp_path: Path, *, with_audio: bool) -> None:
    target = tmp_path / "set"
    dataset = make_dataset(tmp_path / "music")
    export(dataset, "stable-audio-tools", target, *["--with-audio"] * with_audio)
    (settings,) = json.loads((target / "dataset.json").read_text())["datasets"]
    assert settings["path"] == str(target / "audio" if with_audio else dataset)
    # As the loader does it: the module by its path, the function pickled and made again for every sample.
    name = "metadata_module"
    namespace: dict[str, object] = {"__name__": name, "__file__": settings["custom_metadata_module"]}
    exec(compile(Path(settings["custom_metadata_module"]).read_text(), name, "exec"), namespace)  # noqa: S102
    pickled = dill.dumps(namespace["get_custom_metadata"])
    found = {}
    for directory, _, names in os.walk(settings["path"]):
        for each in names:
            relpath = os.path.relpath(os.path.join(directory, each), settings["path"])
            found[relpath] = dill.loads(pickled)({"relpath": relpath, "sample_rate": 48000}, None)  # noqa: S301
    taken = {relpath: values for relpath, values in found.items() if "__reject__" not in values}
    assert len(taken) == 3
    values = next(values for values in taken.values() if values["folder"] == "=cmd|' C calc'!A0")
    assert (values["bpm"], values["track_sample_rate"]) == (250, 44100)
    assert "sample_rate" not in values
    if not with_audio:
        assert found["Dr. Dre - 01/drums.FLAC"] == {"__reject__": True}


def test_audio_that_cannot_be_copied_leaves_no_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "music")
    (dataset / "Dr. Dre - 01" / "full_mix.FLAC").unlink()
    os.mkfifo(dataset / "Dr. Dre - 01" / "full_mix.FLAC")
    for form in AUDIO_SETS:
        assert export(dataset, form, tmp_path / form, "--with-audio") == 1
        assert "full_mix.FLAC: it is no plain file" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["music"]

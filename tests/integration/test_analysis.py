"""`audiobatchctl analyze` and `features`, every analyzer at once, a package that adds one, the same bits everywhere."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutagen.flac import FLAC

from audiobatch_analyzers.engines import essentia
from audiobatchd import EssentiaAnalyzer, read_info, save_to_info
from audiobatchd.audio.decode import decode
from audiobatchd.audio.source import open_source
from audiobatchd.disk.record import opened
from audiobatchd.errors import AnalyzerUnavailableError, UnmeasurableError
from audiobatchd.plugin_api import ENTRY_POINT_GROUP, FULL_MIX, View
from support.audio_files import make_track, tone, write_audio
from support.model_graphs import EFFNET_BACKBONE, STYLES, digests_in, write_default_models, write_effnet_head
from support.plugins import install_analyzer
from support.service import configuration, features_of, record_of, run

EXAMPLE = Path(__file__).parents[2] / "docs" / "how-to" / "example-analyzer"
ALL = [point.name for point in distribution("audiobatchd").entry_points.select(group=ENTRY_POINT_GROUP)]
HEAVY: dict[str, Any] = {"analyzer.quality.heavy": True}
"""Key of a configuration that turns all detectors of `quality` on."""
MIX = {
    "lufs", "lra", "true_peak", "sample_peak", "bpm", "bpm_essentia", "bpm_is_defined", "bpm_confidence", "beat_count",
    "beat_regularity", "beat_steadiness", "danceability", "atonality", "brightness", "roughness", "hardness", "depth",
    "booming", "reverberation", "sharpness", "warmth", "duration", "sample_rate", "channels", "codec", "bit_depth",
    "bit_rate", "spectral_flatness", "spectral_flux", "spectral_skewness", "spectral_kurtosis", "rms_energy_bass",
    "rms_energy_body", "rms_energy_mid", "rms_energy_air", "saturation_ratio", "saturation_count", "tonic",
    "tonic_strength", "tonic_scale", "key", *(f"hpcp_{number}" for number in range(12)),
    *(f"tiv_{number}" for number in range(12)), "onset_count", "onset_density", "onset_strength_mean",
    "onset_strength_std", "syncopation", "on_beat_ratio", "rhythmic_complexity", "rhythmic_evenness", "ioi_mean",
    "ioi_std", "quality_cut_start", "quality_cut_end", "quality_false_stereo", "quality_bandwidth_hz",
    "quality_dc_offset", "quality_clipped_share",
}  # fmt: skip
DRUMS = {
    "lufs_drums", "lra_drums", "onset_density_average_drums", "onset_density_variance_drums", "syncopation_drums",
    "rhythmic_complexity_drums", "rhythmic_evenness_drums",
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    models = write_default_models(tmp_path / "models")
    trusted = digests_in(models)
    return configuration(tmp_path / "all.toml", analyzers=ALL, model_directory=str(models), trusted_models=trusted)


def test_a_file_is_measured_and_nothing_written(tmp_path: Path, config: Path) -> None:
    folder = make_track(tmp_path / "Track", seconds=6, stems=("drums",))
    code, out, err = run("audiobatchctl", "analyze", folder / "full_mix.flac", "--config", config, "--json")
    answer = json.loads(out)
    assert (code, set(answer["values"]), answer["unavailable"]) == (0, MIX, {}), err
    code, out, err = run("audiobatchctl", "analyze", folder / "drums.flac", "--config", config)
    assert (code, {line.split()[0] for line in out.splitlines()}) == (0, DRUMS), err
    assert record_of(folder) == {}


def test_a_folder_is_measured_and_saved(tmp_path: Path, config: Path) -> None:
    folder = make_track(tmp_path / "Track", seconds=6, stems=("drums",))
    code, out, err = run(
        "audiobatchctl", "analyze", folder, "--config", config, "--save", "--features", "bpm", "lufs_drums"
    )
    assert (code, "Saved in the record of Track" in out) == (0, True), err
    assert {"bpm", "lufs_drums"} <= set(features_of(folder))
    assert "danceability" not in features_of(folder)
    assert not (tmp_path / "Track.lock").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere.flac"], 2, "no such file or folder"),
        (["."], 2, "no full mix"),
        (["song.flac", "--save"], 2, "no track folder: there is no full mix in"),
        (["song.flac", "--features", "tempo"], 2, "cannot find a feature or an analyzer called 'tempo'"),
        (["empty.flac"], 1, "empty.flac: is empty"),
        (["fifo.flac"], 1, "fifo.flac: is a FIFO"),
    ],
)
def test_unmeasurable_files_are_told(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    write_audio(tmp_path / "song.flac", tone(1), 44100)
    (tmp_path / "empty.flac").touch()
    os.mkfifo(tmp_path / "fifo.flac")
    path, *options = arguments
    found = run("audiobatchctl", "analyze", tmp_path / path, *options)
    assert (found[0], said in found[1] + found[2]) == (code, True), found


def test_several_are_measured_in_one_process(tmp_path: Path) -> None:
    song, other = (make_track(tmp_path / name, seconds=4, stems=()) for name in ("Song", "Other"))
    bad = make_track(tmp_path / "Bad", seconds=4, stems=()) / "full_mix.flac"
    bad.write_bytes(bad.read_bytes()[:20_000])
    env = install_analyzer(
        tmp_path / "plugin",
        "probe",
        f"""
        with open({str(tmp_path / "pids")!r}, "a") as file:
            print(os.getpid(), file=file)
        print("noise")
        return self.answer(audio)
        """,
    )
    config = configuration(tmp_path / "c.toml", plugins=["probe"])
    analyze = ("audiobatchctl", "analyze", song, bad, tmp_path, other / "full_mix.flac", song, "--config", config)
    code, out, err = run(*analyze, env=env)
    assert code == 1, err
    assert re.sub(r"-?[0-9.]+ ", "N ", out) == (
        f"{song}\nlufs   N LUFS\nlra    N LU\nprobe  N s\n\n"
        f"{bad}\n! full_mix.flac: cannot be decoded: its audio is damaged at N s\n\n"
        f"{tmp_path}\n! no track folder: there is no full mix in {tmp_path}\n\n"
        f"{other}/full_mix.flac\nlufs   N LUFS\nlra    N LU\nprobe  N s\n"
    )
    assert len({*(tmp_path / "pids").read_text().split()}) == 1
    told = json.loads(run(*analyze, "--json", env=env)[1])
    assert [each["path"] for each in told] == [str(each) for each in (song, bad, tmp_path, other / "full_mix.flac")]
    assert [sorted(each["values"]) for each in told] == [["lra", "lufs", "probe"], [], [], ["lra", "lufs", "probe"]]
    assert told[2]["failures"] == {"": f"no track folder: there is no full mix in {tmp_path}"}
    code, out, err = run(*analyze[:2], tmp_path / "Sonk", *analyze[2:], env=env)
    assert (code, out) == (2, "")
    assert f"no such file or folder: {tmp_path}/Sonk: did you mean {song}?" in err
    assert run(*analyze, "--features", "lufz", env=env)[0] == 2


def test_crash_over_one_file_stops_no_other(tmp_path: Path) -> None:
    songs = [make_track(tmp_path / name, seconds=seconds) for name, seconds in (("A", 2), ("B", 4), ("C", 2))]
    body = "os._exit(7) if audio.duration > 3 else None\nreturn self.answer(audio)"
    env = install_analyzer(tmp_path / "plugin", "probe", body)
    config = configuration(tmp_path / "c.toml", plugins=["probe"])
    code, out, err = run("audiobatchctl", "analyze", *songs, "--config", config, "--json", env=env)
    told = json.loads(out)
    assert (code, [each["values"].get("probe") for each in told]) == (1, [2.0, None, 2.0]), err
    assert told[1]["failures"] == {"": "cannot ask the analyzers: exit code 7"}


def test_file_of_a_folder_saves_the_folder(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Track", seconds=2, stems=("drums",))
    (folder / "cover.jpg").touch()
    config = configuration(tmp_path / "c.toml")
    files = [folder / "cover.jpg", folder / "full_mix.flac", folder / "drums.flac"]
    code, out, err = run("audiobatchctl", "analyze", *files, "--config", config, "--save")
    assert (code, out.count("Saved in the record of Track")) == (0, 1), err
    assert {"lufs", "lufs_drums"} <= set(features_of(folder))


def test_every_feature_is_listed(config: Path) -> None:
    _, out, _ = run("audiobatchctl", "features", "--config", config, "--json")
    known = {each["name"]: each for each in json.loads(out)["features"]}
    assert set(known) >= MIX
    assert known["true_peak"]["unit"] == "dBTP"
    code, text, _ = run("audiobatchctl", "features", "--config", config)
    assert (code, "lufs_vocals" in text) == (0, True)


def test_a_model_of_another_digest_is_not_used(tmp_path: Path) -> None:
    models = write_default_models(tmp_path / "models")
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=6, stems=())
    keys: dict[str, Any] = {"settle": 0.0, "analyzers": ["classifiers"], "model_directory": str(models)}
    config = configuration(tmp_path / "c.toml", dataset, **keys)
    assert run("audiobatchctl", "models", "verify", "--config", config)[0] == 1
    assert run("audiobatchd", "--config", config, "--once", dataset)[0] == 0
    assert list(dataset.rglob("*.INFO")) == []
    _, text, _ = run("audiobatchctl", "features", "--config", config)
    assert f"  ! unavailable here: cannot trust {models}/msd-musicnn-1.pb: its SHA-256 is " in text
    configuration(config, dataset, **keys, trusted_models=digests_in(models))
    assert run("audiobatchctl", "models", "verify", "--config", config)[0] == 0
    assert run("audiobatchd", "--config", config, "--once", dataset)[0] == 0
    assert "danceability" in features_of(folder)
    assert "unavailable here" not in run("audiobatchctl", "features", "--config", config)[1]


def test_edit_of_tags_is_measured_and_nothing_else(tmp_path: Path, config: Path) -> None:
    dataset = tmp_path / "dataset"
    mix = dataset / "Track" / "full_mix.flac"
    mix.parent.mkdir(parents=True)
    write_audio(mix, tone(1), 44100, metadata={"title": "One"})
    asked = ("--features", "lufs", "duration", "track_metadata_title")
    command = ("audiobatchd", "--config", config, "--once", dataset, *asked)
    code, _, err = run(*command)
    assert code == 0, err
    before = record_of(mix.parent)
    tags = FLAC(mix)
    tags["title"] = "Another one, and a longer one"
    tags.save()
    code, _, err = run(*command)
    assert code == 0, err
    after = record_of(mix.parent)
    assert (before["track_metadata_title"], after["track_metadata_title"]) == ("One", "Another one, and a longer one")
    assert (after["lufs"], after["duration"]) == (before["lufs"], 1.0)
    old, new = (each["_audiobatch"]["analyzers"] for each in (before, after))
    assert new["loudness"] == old["loudness"]
    assert new["tags"]["full_mix"]["fingerprint"] != old["tags"]["full_mix"]["fingerprint"]


LABEL_HEADS = {
    "genre_discogs400": "essentia_genre",
    "mtg_jamendo_moodtheme": "essentia_mood",
    "mtg_jamendo_instrument": "essentia_instrument",
}


def ten_by_essentia(models: Path, mix: Path) -> dict[str, float]:
    """The ten most probable styles of the mix by Essentia's own predictors, most probable first."""
    with opened(str(mix.parent)) as folder, open_source(folder, os.fsencode(mix.name)) as source:
        samples = decode(source, FULL_MIX, 60.0).view(View(16000, mono=True))
    standard = essentia.standard()
    embed = standard.TensorflowPredictEffnetDiscogs(
        graphFilename=str(models / f"{EFFNET_BACKBONE}.pb"), output="PartitionedCall:1"
    )
    predict = standard.TensorflowPredict2D(
        graphFilename=str(models / "genre_discogs400-discogs-effnet-1.pb"),
        input="serving_default_model_Placeholder",
        output="PartitionedCall:0",
    )
    means = np.asarray(predict(embed(samples))).mean(axis=0)
    return {STYLES[place]: float(means[place]) for place in np.argsort(-means)[:10]}


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A configuration with the three heads of many labels."""
    for head in LABEL_HEADS:
        write_effnet_head(tmp_path / "models", head)
    trusted = digests_in(tmp_path / "models")
    keys: dict[str, Any] = {"model_directory": str(tmp_path / "models"), "trusted_models": trusted}
    config = configuration(tmp_path / "c.toml", tmp_path / "dataset", settle=0.0, analyzers=["classifiers"], **keys)
    with config.open("a") as file:
        file.write(f"[analyzer.classifiers]\nheads = {json.dumps([*LABEL_HEADS])}\n")
    return config


def test_effnet_s_labels_reach_record_and_log(tmp_path: Path, labelled: Path) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=6, stems=("drums",))
    (folder / "Track.INFO").write_text('{"theirs": {"Rock": 1.10}, "essentia_mood": null, "last": 2.0}')
    code, _, err = run("audiobatchd", "--config", labelled, "--once", dataset)
    assert code == 0, err
    record = record_of(folder)
    wanted = ten_by_essentia(tmp_path / "models", folder / "full_mix.flac")
    assert list(record["essentia_genre"]) == list(wanted)
    assert list(record["essentia_genre"].values()) == pytest.approx(list(wanted.values()), abs=6e-5)
    assert [len(record[name]) for name in LABEL_HEADS.values()] == [10, 10, 10]
    assert list(record)[:3] == ["theirs", "essentia_mood", "last"]
    assert '"theirs": {"Rock": 1.10}' in (folder / "Track.INFO").read_text()
    models = record["_audiobatch"]["analyzers"]["essentia_genre"]["full_mix"]["models"]
    assert models.keys() == {EFFNET_BACKBONE, "genre_discogs400-discogs-effnet-1"}
    label, number = next(iter(record["essentia_genre"].items()))
    assert f'essentia_genre="{label} {number:g}; ' in err


def test_labels_by_hand_and_by_scripts(tmp_path: Path, labelled: Path) -> None:
    folder = make_track(tmp_path / "dataset" / "Track", seconds=6, stems=())
    mix, models = folder / "full_mix.flac", tmp_path / "models"
    analyzer = EssentiaAnalyzer(models, heads=["genre_discogs400"], trusted_models=digests_in(models))
    results = analyzer.analyze_file(mix)
    genres = results["essentia_genre"]
    assert isinstance(genres, dict)
    assert list(genres) == list(ten_by_essentia(models, mix))
    save_to_info(folder, results)
    assert list(read_info(folder)["essentia_genre"].items()) == list(genres.items())
    code, out, err = run("audiobatchctl", "analyze", mix, "--config", labelled, "--features", "essentia_genre")
    names = ["essentia_genre", *[" " * len("essentia_genre")] * 9]
    lines = [f"{name}  {label} {number}" for name, (label, number) in zip(names, genres.items(), strict=True)]
    assert (code, out.splitlines()) == (0, lines), err


def test_the_beats_are_a_file_that_counts(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=6, stems=())
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, analyzers=["rhythm"])
    command = ("audiobatchd", "--config", config, "--once", dataset)
    assert run(*command)[0] == 0
    grid = folder / "Track.BEATS_GRID"
    first = grid.read_text()
    beats = [float(line) for line in first.splitlines()]
    assert len(beats) == record_of(folder)["beat_count"]
    assert beats == sorted(beats)
    assert ".BEATS_GRID" not in record_of(folder)
    code, out, _ = run("audiobatchctl", "missing", dataset, "--config", config)
    assert (code, out) == (0, "Nothing is missing.\n")
    grid.unlink()
    code, out, _ = run("audiobatchctl", "missing", dataset, "--config", config)
    assert (code, ".BEATS_GRID" in out) == (1, True)
    assert run(*command)[0] == 0
    assert grid.read_text() == first


def test_a_record_of_the_version_before_gets_the_new_meanings(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    beaten, beatless = dataset / "Beaten", dataset / "Beatless"
    pulse = tone(8) * (np.arange(8 * 44100) % 22050 < 2205)[:, np.newaxis]
    for folder, samples in ((beaten, pulse), (beatless, np.concatenate([tone(0.2), np.zeros((8 * 44100, 2))]))):
        folder.mkdir(parents=True)
        write_audio(folder / "full_mix.wav", samples.astype(np.float32), 44100)
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, analyzers=["rhythm"])
    command = ("audiobatchd", "--config", config, "--once", dataset)
    assert run(*command)[0] == 0
    for folder in (beaten, beatless):
        # What version 1 wrote, beside a key of another tool.
        record = {"bpm": 738.28, "bpm_is_defined": True, "bpm_confidence": 4.25, "beat_count": 147}
        entry = record_of(folder)["_audiobatch"]
        entry["analyzers"]["rhythm"]["full_mix"] |= {"version": 1, "unmeasurable": {}}
        record |= {"beat_regularity": 0.982, "brightness": 51, "_audiobatch": entry}
        text = json.dumps(record).replace('"brightness": 51', '"brightness": 51.20')
        (folder / f"{folder.name}.INFO").write_text(text)
    code, out, _ = run("audiobatchctl", "missing", dataset, "--config", config)
    assert (code, out.count("Stale: bpm")) == (1, 2)
    code, _, err = run(*command)
    assert code == 0, err
    after = record_of(beaten)
    assert (type(after["bpm_is_defined"]), after["bpm_is_defined"]) == (int, 1)
    assert 0.0 <= after["beat_regularity"] < 0.05
    assert 0.9 < after["beat_steadiness"] <= 1.0
    after = record_of(beatless)
    assert features_of(beatless) == {"bpm_is_defined": 0, "brightness": 51.2}
    assert after["_audiobatch"]["analyzers"]["rhythm"]["full_mix"]["unmeasurable"]["bpm"]
    assert '"brightness": 51.20' in (beatless / "Beatless.INFO").read_text()
    assert run("audiobatchctl", "missing", dataset, "--config", config)[:2] == (0, "Nothing is missing.\n")
    assert run("audiobatchd", "--config", config, "--once", dataset, "--dry-run")[1].startswith("Folders to Process: 0")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the documented package in a place of its own; the environment in which it is found."""
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--no-index", "--target", site, EXAMPLE], check=True)
    return {"PYTHONPATH": str(site)}


def test_one_worker_and_four_give_the_same_bits(tmp_path: Path, example: dict[str, str]) -> None:
    models = write_default_models(tmp_path / "models")
    told = []
    for workers in (1, 4):
        dataset = tmp_path / f"by {workers}"
        for number in range(4):
            stems = ("bass", "drums", "other")
            make_track(dataset / f"Track {number}", seconds=4 + number / 7, stems=stems, seed=number)
        config = configuration(
            tmp_path / "c.toml",
            dataset,
            settle=0.0,
            analyzers=[*ALL, "crest", "harmony"],
            workers=workers,
            model_directory=str(models),
            trusted_models=digests_in(models),
            **HEAVY,
        )
        code, _, err = run("audiobatchd", "--config", config, "--once", dataset, timeout=220, env=example)
        assert code == 0, err
        folders = sorted(dataset.iterdir())
        records = [record_of(folder) for folder in folders]
        for record in records:
            for entries in record["_audiobatch"]["analyzers"].values():
                for entry in entries.values():
                    del entry["measured"], entry["host"]
                    for read in (entry["fingerprint"], *entry.get("others", {}).values()):
                        del read["mtime_ns"]
        files = (path for folder in folders for path in sorted(folder.iterdir()))
        beside = [path for path in files if path.suffix not in {".flac", ".INFO"}]
        told.append((json.dumps(records, sort_keys=True), [(path.name, path.read_bytes()) for path in beside]))
    assert told[0] == told[1]
    some = {"harmony_crest", "onset_density_average_drums", "quality_clicks", "tiv_0"}
    assert all(some <= record.keys() for record in json.loads(told[0][0]))
    assert {".BEATS_GRID", ".HARMONY", ".ONSETS"} <= {Path(name).suffix for name, _ in told[0][1]}


def test_another_package_adds_an_analyzer(tmp_path: Path, example: dict[str, str]) -> None:
    write_audio(tmp_path / "song.wav", tone(1, channels=1), 44100)
    config = configuration(tmp_path / "c.toml", analyzers=["clipped", "crest"])
    found = run("audiobatchctl", "analyze", tmp_path / "song.wav", "--config", config, env=example)
    assert found[:2] == (0, "clipped  0 samples\ncrest    3.01 dB\n"), found


def test_another_package_needs_several_files_and_a_result(tmp_path: Path, example: dict[str, str]) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=2, stems=("bass", "other"))
    config = configuration(tmp_path / "c.toml", dataset, analyzers=["clipped", "crest", "harmony"])
    once = ("audiobatchd", "--config", config, "--once", dataset, "--features", "harmony_crest")
    code, _, err = run(*once, env=example)
    assert code == 0, err
    first = features_of(folder)
    assert first.keys() == {"crest", "harmony_crest"}
    assert np.load(folder / "Track.HARMONY").shape == (2,)
    crest = record_of(folder)["_audiobatch"]["analyzers"]["crest"]
    analyze = (
        "audiobatchctl",
        "analyze",
        folder,
        "--config",
        config,
        "--features",
        "harmony_crest",
        ".HARMONY",
        "--json",
    )
    told = json.loads(run(*analyze, env=example)[1])
    assert told["values"] == {"harmony_crest": first["harmony_crest"]}
    assert base64.b64decode(told["binary_files"][".HARMONY"]) == (folder / "Track.HARMONY").read_bytes()
    (folder / "other.flac").unlink()
    code, _, err = run(*once, env=example)
    assert code == 0, err
    entries = record_of(folder)["_audiobatch"]["analyzers"]
    assert entries["crest"] == crest
    assert "others" not in entries["harmony"]["full_mix"]
    song = ("audiobatchctl", "analyze", folder / "full_mix.flac", "--config", config)
    code, out, err = run(*song, env=example)
    assert (code, "harmony_crest" in out, "bytes" in out) == (0, True, True), err


def test_the_guide_s_analyzer_measures_a_file(tmp_path: Path) -> None:
    models = write_default_models(tmp_path / "models")
    folder = make_track(tmp_path / "Track", seconds=6, stems=())
    analyzer = EssentiaAnalyzer(models, trusted_models=digests_in(models))
    results = analyzer.analyze_file(folder / "full_mix.flac")
    assert set(results) == {"danceability", "atonality"}
    write_audio(tmp_path / "short.wav", tone(1), 44100)
    with pytest.raises(UnmeasurableError, match=r"short\.wav: shorter than one patch"):
        analyzer.analyze_file(tmp_path / "short.wav")
    with pytest.raises(FileNotFoundError):
        analyzer.analyze_file(None)


def test_the_guide_s_analyzer_without_models_says_what_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(AnalyzerUnavailableError, match="models fetch danceability-msd-musicnn-1"):
        EssentiaAnalyzer(tmp_path)

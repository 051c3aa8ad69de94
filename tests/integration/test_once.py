"""`audiobatchd --once` as people use it: the same numbers, each once, and an exit code that a script can trust."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audiobatchd import analyze_folder_loudness
from support.audio_files import make_track
from support.plugins import install_analyzer, install_gate
from support.service import PROGRAMS, configuration, eventually, features_of, leftovers, once, record_of, run

STEMS = ("drums", "bass", "other", "vocals")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three tracks, one of them below two more directories."""
    root = tmp_path / "dataset"
    make_track(root / "A - One", seconds=4, stems=STEMS, seed=1)
    make_track(root / "B - Two", seconds=4, stems=("drums",), extension="wav", seed=2)
    make_track(root / "Artist" / "Album" / "Three", seconds=4, stems=(), extension="mp3", seed=3)
    return root


def test_a_pass_measures_everything_and_a_second_one_nothing(dataset: Path) -> None:
    code, out, err = once(dataset)
    assert code == 0, err
    assert "Total folders:  3" in out
    assert "Success:        3" in out
    expected = {f"{name}_{role}".removesuffix("_full_mix") for name in ("lufs", "lra") for role in ("full_mix", *STEMS)}
    assert features_of(dataset / "A - One").keys() == expected
    assert features_of(dataset / "Artist" / "Album" / "Three").keys() == {"lufs", "lra"}
    assert leftovers(dataset) == []
    before = {path: path.stat() for path in dataset.rglob("*.INFO")}
    code, out, _ = once(dataset)
    assert code == 0
    assert "Skipped (done): 3" in out
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in before} == {
        path: (status.st_ino, status.st_mtime_ns) for path, status in before.items()
    }


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--features", "lufs")], ids=str)
def test_a_pass_that_finds_no_track_ends_with_3(tmp_path: Path, options: tuple[str, ...]) -> None:
    root = tmp_path / "library"
    root.mkdir()
    code, out, err = once(root, *options)
    assert (code, f"No track folder was found in {root}" in out) == (3, True), err
    assert f"audiobatchctl import YOUR_MUSIC {root}" in out
    for name in ("song.flac", "D/D.flac", "E/full_mix.wv"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    code, out, err = once(root, *options)
    assert code == 3, err
    assert "1 audio file loose in the dataset's directory (such as song.flac): give each a folder" in out
    assert "1 audio file named like its folder (such as D/D.flac): call each full_mix" in out
    assert "1 source file in a format that is not read (such as E/full_mix.wv): convert them" in out
    assert leftovers(root) == []


def test_pass_tells_what_it_leaves_out_and_measures(dataset: Path) -> None:
    (dataset / "D").mkdir()
    (dataset / "D" / "d.flac").touch()
    code, out, err = once(dataset)
    assert (code, "Success:        3" in out) == (0, True), err
    assert out.endswith(
        f"\n\nLeft out in {dataset}:\n  1 audio file named like its folder (such as D/d.flac): "
        "call each full_mix, with the extension that it has\n"
    )


def test_only_what_changed_is_measured_again(dataset: Path) -> None:
    once(dataset)
    folder = dataset / "A - One"
    before = record_of(folder)
    shutil.copy(folder / "bass.flac", folder / "drums.flac")
    code, out, _ = once(dataset)
    assert (code, "Success:        1" in out) == (0, True)
    after = record_of(folder)
    assert after["lufs_drums"] == before["lufs_bass"]
    entries, old = (record["_audiobatch"]["analyzers"]["loudness"] for record in (after, before))
    assert {role for role in entries if entries[role] != old[role]} == {"drums"}


def test_same_bytes_at_another_time_cost_no_rewrite(dataset: Path) -> None:
    once(dataset)
    folder = dataset / "A - One"
    record = folder / "A - One.INFO"
    before = record.stat().st_ino
    for path in folder.glob("*.flac"):
        os.utime(path, ns=(1, 1))
    code, out, _ = once(dataset)
    assert (code, "Success:        1" in out) == (0, True)
    assert record.stat().st_ino == before


def test_foreign_keys_stay_and_null_is_missing(dataset: Path) -> None:
    folder = dataset / "B - Two"
    record = folder / "B - Two.INFO"
    record.write_text('{"brightness": 1.10, "lufs": null, "tags": {"b": [1.0, 2]}}')
    assert once(dataset)[0] == 0
    text = record.read_text()
    assert '"brightness": 1.10' in text
    assert json.loads(text)["tags"] == {"b": [1.0, 2]}
    assert json.loads(text)["lufs"] < 0


def test_a_record_of_other_tools_is_adopted(dataset: Path) -> None:
    folder = dataset / "Artist" / "Album" / "Three"
    record = folder / "Three.INFO"
    record.write_text('{"lufs": -1.0, "lra": 2.0}')
    assert once(dataset)[0] == 0
    assert record.read_text() == '{"lufs": -1.0, "lra": 2.0}'
    assert once(dataset, "--overwrite")[0] == 0
    assert record_of(folder)["lufs"] < -1.0


def test_overwrite_measures_what_is_complete(dataset: Path) -> None:
    once(dataset)
    record = dataset / "A - One" / "A - One.INFO"
    values = features_of(dataset / "A - One")
    before = record.stat().st_ino
    code, out, _ = once(dataset, "--overwrite")
    assert (code, "Success:        3" in out) == (0, True)
    assert record.stat().st_ino != before
    assert features_of(dataset / "A - One") == values


def test_features_restrict_what_is_due(dataset: Path) -> None:
    (dataset / "B - Two" / "B - Two.INFO").write_text('{"lufs": -9.0, "lufs_drums": -9.0}')
    code, out, _ = once(dataset, "--features", "lufs", "lufs_drums")
    assert (code, "Skipped (done): 1" in out, "Success:        2" in out) == (0, True, True)


def test_an_analyzer_s_name_asks_for_all_that_it_gives(dataset: Path) -> None:
    assert once(dataset, "--features", "loudness", plugins=["peaks"])[0] == 0
    assert features_of(dataset / "Artist" / "Album" / "Three").keys() == {"lufs", "lra"}
    assert once(dataset, "--features", "loudness", "peaks", plugins=["peaks"])[0] == 0
    assert features_of(dataset / "Artist" / "Album" / "Three").keys() > {"lufs", "lra", "true_peak"}


def test_an_unknown_feature_is_refused(dataset: Path) -> None:
    code, _, err = once(dataset, "--features", "lufs", "brightness", "loudnes")
    assert code == 2
    assert "brightness" in err
    assert "did you mean 'loudness'" in err
    assert not list(dataset.rglob("*.INFO"))


def test_dry_run_writes_nothing(dataset: Path) -> None:
    once(dataset)
    (dataset / "A - One" / "A - One.INFO").unlink()
    code, out, _ = once(dataset, "--dry-run")
    assert code == 0
    assert "A - One: would measure full_mix: loudness; drums: loudness" in out
    assert "Folders to Process: 1" in out
    assert not (dataset / "A - One" / "A - One.INFO").exists()
    assert leftovers(dataset) == []


def test_a_failed_folder_makes_the_exit_code_1(dataset: Path) -> None:
    (dataset / "B - Two" / "full_mix.wav").write_bytes(b"")
    code, out, _ = once(dataset)
    assert code == 1
    assert "Failed:         1" in out
    assert "B - Two: full_mix.wav: " in out
    assert "lufs_drums" in record_of(dataset / "B - Two"), "the good stem is measured all the same"


def test_a_single_track_folder_is_a_dataset_too(dataset: Path) -> None:
    code, out, _ = once(dataset / "A - One")
    assert (code, "Success:        1" in out) == (0, True)
    assert "lufs" in record_of(dataset / "A - One")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--once", "nowhere"], 2, "no such dataset"),
        (["--once", "musik"], 2, "/musik: did you mean "),
        (["--overwrite", "."], 2, "goes with --once"),
        (["--workers", "0", "."], 2, "expected a whole number from 1 to 512, got '0'"),
        (["--config", "nowhere.toml"], 78, "cannot read nowhere.toml"),
        (["--once", ".", "..", "--dry-run"], 78, "overlap"),
    ],
)
def test_wrong_usage_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "music").mkdir()
    answer, _, err = run("audiobatchd", *arguments)
    assert (answer, message in err) == (code, True), err


def test_a_pass_does_not_load_what_only_a_service_needs(dataset: Path) -> None:
    program = (
        "import sys\n"
        "from audiobatchd.cli.daemon import main\n"
        "code = main(sys.argv[1:])\n"
        "print(*sorted(sys.modules), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    config = configuration(dataset.parent / "c.toml", dataset, settle=0.0)
    command = [sys.executable, "-c", program, "--config", str(config), "--once", str(dataset)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "Success:        3" in done.stdout) == (0, True), done.stderr
    loaded = set(done.stderr.splitlines()[-1].split())
    assert not loaded & {"aiohttp", "watchdog", "rich", "fasteners", "systemd", "numpy", "av", "scipy"}


def test_a_pass_that_is_ended_is_no_success(dataset: Path, tmp_path: Path) -> None:
    env = {**os.environ, **install_gate(tmp_path / "gate")}
    config = configuration(tmp_path / "c.toml", dataset, plugins=["gate"], settle=0.0, stop_grace=0.0)
    command = list(map(str, (PROGRAMS / "audiobatchd", "--config", config, "--once", dataset)))
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        eventually((tmp_path / "gate" / "at-full_mix").exists)
        running.terminate()
        out, _ = running.communicate(timeout=60)
    assert (running.returncode, "Success:        0" in out) == (130, True)


def test_a_summary_is_for_every_terminal(dataset: Path) -> None:
    (dataset / "Artist").rename(dataset / "日本")
    (dataset / "日本" / "Album" / "Three" / "full_mix.mp3").write_bytes(b"")
    code, out, err = once(dataset, env={"PYTHONIOENCODING": "latin-1"})
    assert (code, "Traceback" in err) == (1, False), err
    assert r"\u65e5\u672c/Album/Three: full_mix.mp3: is empty" in out


def test_a_reader_that_has_gone_is_no_error(dataset: Path, tmp_path: Path) -> None:
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0)
    reading, writing = os.pipe()
    os.close(reading)
    command = list(map(str, (PROGRAMS / "audiobatchd", "--config", config, "--once", dataset)))
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_analyzer_that_fails_to_import_is_unavailable(dataset: Path, tmp_path: Path) -> None:
    env = install_analyzer(tmp_path / "plugin", "mood", "return self.answer(audio)")
    module = tmp_path / "plugin" / "mood_analyzer.py"
    module.write_text("import a_library_that_is_not_there\n" + module.read_text())
    code, out, err = once(dataset, plugins=["mood"], env=env)
    assert (code, "Success:        3" in out) == (0, True), err
    assert "analyzer-unavailable analyzer=mood" in err
    assert "a_library_that_is_not_there" in err


def test_an_unknown_analyzer_is_a_configuration_error(tmp_path: Path) -> None:
    config = configuration(tmp_path / "c.toml", tmp_path, analyzers=["loudnes"])
    code, _, err = run("audiobatchd", "--config", config, "--once", tmp_path)
    assert code == 78
    assert 'cannot find the analyzer "loudnes": did you mean "loudness"?' in err


@pytest.mark.parametrize("arguments", [["--once"], []], ids=["one pass", "service"])
def test_wrong_option_of_an_analyzer_ends_the_start(tmp_path: Path, arguments: list[str]) -> None:
    config = configuration(tmp_path / "c.toml", tmp_path)
    with config.open("a") as file:
        file.write("[analyzer.loudness]\nmehtod = 1\n")
    code, out, err = run("audiobatchd", "--config", config, *arguments, tmp_path, "--state-dir", tmp_path / "state")
    assert (code, out) == (78, "")
    assert f"{config}: [analyzer.loudness] unknown option `mehtod` (there are: none) (line 7)\n" in err


@pytest.mark.parametrize("lost", ["moved away", "emptied"])
def test_pass_ends_when_its_dataset_goes_away_while_it_settles(dataset: Path, tmp_path: Path, lost: str) -> None:
    config = configuration(tmp_path / "c.toml", dataset, settle=4.0)
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [PROGRAMS / "audiobatchd", "--config", config, "--once", dataset], stdout=out, stderr=out
        )
    try:
        eventually(lambda: "dataset-active" in log.read_text(), what=log.read_text)
        dataset.rename(tmp_path / "elsewhere")
        if lost == "emptied":
            dataset.mkdir()
        assert process.wait(60) == 1
    finally:
        process.kill()
        process.wait()
    assert "dataset-missing" in log.read_text()
    assert "its dataset is not there any more" in log.read_text()


def test_raised_limit_makes_folders_due_again(dataset: Path, tmp_path: Path) -> None:
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, max_duration=2)
    assert run("audiobatchd", "--config", config, "--once", dataset)[0] == 0
    assert features_of(dataset / "B - Two") == {}
    assert "Skipped (done): 3" in run("audiobatchd", "--config", config, "--once", dataset)[1]
    configuration(config, dataset, settle=0.0)
    assert run("audiobatchd", "--config", config, "--once", dataset)[0] == 0
    measured = features_of(dataset / "B - Two")
    assert measured.keys() == {"lufs", "lra", "lufs_drums", "lra_drums"}
    # Nor does the library, or a pass with the lower limit again, take away what is there.
    configuration(config, dataset, settle=0.0, max_duration=2)
    assert run("audiobatchd", "--config", config, "--once", dataset, "--overwrite")[0] == 0
    assert features_of(dataset / "B - Two") == measured
    assert analyze_folder_loudness(dataset / "B - Two") == measured


def test_fault_of_one_analyzer_leaves_the_others(dataset: Path, tmp_path: Path) -> None:
    env = install_analyzer(tmp_path / "site", "broken", "raise RuntimeError('no luck')")
    code, out, _ = once(dataset, plugins=["broken"], env=env)
    assert code == 1
    assert "analyzer broken failed: RuntimeError: no luck" in out
    assert features_of(dataset / "B - Two").keys() == {"lufs", "lra", "lufs_drums", "lra_drums"}


def test_analyzer_that_cannot_load_leaves_the_others(dataset: Path, tmp_path: Path) -> None:
    env = install_analyzer(tmp_path / "site", "broken", "return self.answer(audio)")
    module = tmp_path / "site" / "broken_analyzer.py"
    module.write_text(module.read_text().replace("        pass\n", "        raise RuntimeError('no luck')\n"))
    code, out, err = once(dataset, plugins=["broken"], env=env)
    assert code == 0, out + err
    assert "it cannot be loaded: RuntimeError: no luck" in err
    assert features_of(dataset / "B - Two").keys() == {"lufs", "lra", "lufs_drums", "lra_drums"}

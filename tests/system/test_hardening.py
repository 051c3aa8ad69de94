"""The unit's fences: that they stand, and that the work goes on behind them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support.model_graphs import BACKBONE, digests_in, write_default_models
from support.musicnn_graph import write_musicnn
from support.service import record_of
from system.unit import DROP_INS, MUSIC, Unit, all_measured

EXPOSURE = 1.0
HOME = "/home/mia/Music"


def test_systemd_finds_no_fault_with_the_unit(unit: Unit) -> None:
    answer = unit.machine.run("systemd-analyze", "verify", "--man=no", "audiobatchd.service")
    assert answer.text == ""
    for page in ("man1/audiobatchd.1.gz", "man1/audiobatchctl.1.gz", "man5/audiobatchd.toml.5.gz"):
        assert unit.machine.path(f"/usr/share/man/{page}").exists()


def test_systemd_calls_it_safe(unit: Unit) -> None:
    told = unit.machine.run("systemd-analyze", "security", "--no-pager", "audiobatchd").out
    found = re.search(r"Overall exposure level for audiobatchd.service: ([0-9.]+)", told)
    assert found
    assert float(found[1]) <= EXPOSURE, told


def test_every_analyzer_works_behind_the_fences(unit: Unit) -> None:
    unit.begin(MUSIC, analyzers=None)
    shown = unit.machine.run("audiobatchctl", "status", env={"COLUMNS": "200"}).out
    assert "rhythm with RhythmExtractor2013" in shown
    assert "danceability, atonality need models: audiobatchctl models fetch" in shown
    assert "is unavailable" not in shown

    (pid,) = unit.workers()
    told = unit.machine.passing(f"/proc/{pid}/status").read_text()
    assert re.search(r"^Seccomp:\s+2$", told, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", told, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", told, re.MULTILINE)


@pytest.mark.parametrize(("engine", "title"), [("tensorflow", "TensorFlow"), ("onnxruntime", "ONNX Runtime")])
def test_an_engine_computes_the_same_behind_the_fences(unit: Unit, engine: str, title: str) -> None:
    models = unit.machine.path("/var/lib/audiobatchd/models")
    try:
        # With the operations of a published one: convolutions are what engines make code for.
        write_musicnn(write_default_models(models), BACKBONE)
        keys: dict[str, Any] = {"trusted_models": digests_in(models), "analyzer.classifiers.engine": engine}
        unit.begin(MUSIC, analyzers=["classifiers", "loudness", "peaks", "rhythm"], **keys)
        folder = unit.add("Mia - Long Way", track="song")
        unit.becomes(complete=1)
        shown = unit.machine.run("audiobatchctl", "status", env={"COLUMNS": "200"}).out
        assert f"danceability by {BACKBONE}, danceability-{BACKBONE}, run by {title}" in shown
        command = ("audiobatchctl", "analyze", f"{MUSIC}/Mia - Long Way", "--json")
        outside = json.loads(unit.machine.run(*command).out)["values"]
    finally:
        for path in models.iterdir():
            path.unlink()
    record = record_of(folder)
    for feature in ("lufs", "true_peak", "bpm", "danceability", "atonality"):
        assert record[feature] == pytest.approx(outside[feature], abs=1e-4), feature


def test_a_dataset_in_a_home_is_all_that_it_sees_of_homes(unit: Unit) -> None:
    unit.begin(HOME)
    drop_in = unit.machine.path(f"{DROP_INS}/dataset-home-mia-Music.conf").read_text()
    assert "ProtectHome=tmpfs" in drop_in
    assert f'BindPaths="-{HOME}"' in drop_in
    folder = unit.add("Harbour", dataset=HOME, user="mia")
    unit.becomes(complete=1)
    all_measured([folder], "lufs")
    assert unit.machine.run("ls", f"/proc/{unit.show('MainPID')}/root/home").out.split() == ["mia"]


def test_service_cannot_write_elsewhere(unit: Unit) -> None:
    unit.begin(MUSIC)
    unit.machine.run("install", "-d", "-g", "audiobatch", "-m", "2775", "/srv/other")
    # Not even root could, where the service is.
    inside = ("nsenter", "--mount", f"--target={unit.show('MainPID')}", "touch")
    unit.machine.run(*inside, f"{MUSIC}/trial")
    for place in ("/srv/other", "/etc", "/var/log", "/usr/lib/audiobatchd"):
        answer = unit.machine.run(*inside, f"{place}/trial", check=False)
        assert "Read-only file system" in answer.err, place

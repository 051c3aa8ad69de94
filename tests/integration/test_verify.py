"""Files that lost bits: found by their digests, reported with what was measured, measured again when asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.audio_files import make_track
from support.service import PROGRAMS, configuration, eventually, features_of, once, run


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A dataset of two measured tracks."""
    for number, name in enumerate(("A", "B")):
        make_track(tmp_path / "dataset" / name, seconds=2.0, stems=("drums",), extension="wav", seed=number)
    assert once(tmp_path / "dataset")[0] == 0
    configuration(tmp_path / "c.toml", tmp_path / "dataset")
    return tmp_path


def verify(place: Path, *options: object) -> tuple[int, dict[str, Any]]:
    command = ("audiobatchctl", "verify", place / "dataset", "--json", "--config", place / "c.toml", *options)
    code, out, err = run(*command)
    assert out, err
    return code, json.loads(out)


def damage(path: Path) -> None:
    """Silence a second of audio, and leave the size and the time as they were."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(status.st_size // 2)
        file.write(bytes(status.st_size // 3))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_damage_is_found_reported_and_measured_only_when_asked(place: Path) -> None:
    assert verify(place)[0] == 0
    folder, report = place / "dataset" / "B", place / "report.jsonl"
    before, content = features_of(folder), (folder / "B.INFO").read_bytes()
    copy = (folder / "full_mix.wav").read_bytes()
    damage(folder / "full_mix.wav")
    assert "Skipped (done): 2" in once(place / "dataset")[1], "a pass sees nothing of it"

    code, told = verify(place, "-o", report)
    assert (code, told["intact"], told["differing"], told["after"]) == (1, 3, 1, None)
    (line,) = [json.loads(each) for each in report.read_text().splitlines()]
    assert (line["folder"], line["file"]) == ("B", "full_mix.wav")
    assert line["values"] == {"lufs": before["lufs"]}
    assert line["noted"][0]["digest"] != line["digest"]
    assert (folder / "B.INFO").read_bytes() == content, "nothing is measured again by looking"
    assert run("audiobatchctl", "verify", place / "dataset", "-o", report)[0] == 2, "a report is never written over"

    time = (folder / "full_mix.wav").stat().st_mtime_ns
    (folder / "full_mix.wav").write_bytes(copy)
    os.utime(folder / "full_mix.wav", ns=(time, time))
    assert verify(place)[0] == 0, "a copy was put back"

    damage(folder / "full_mix.wav")
    assert run("audiobatchctl", "analyze", "--save", folder, "--config", place / "c.toml")[0] == 0
    assert features_of(folder)["lufs"] != before["lufs"]
    assert verify(place)[0] == 0
    assert json.loads(report.read_text())["values"]["lufs"] == before["lufs"]


def test_it_ends_in_time_and_goes_on(place: Path) -> None:
    damage(place / "dataset" / "A" / "drums.wav")
    code, told = verify(place, "--for", "0.1s", "-o", place / "first.jsonl")
    assert (code, told["folders"], told["after"]) == (1, 1, "A")
    assert json.loads((place / "first.jsonl").read_text())["file"] == "drums.wav"
    code, told = verify(place, "--after", told["after"], "-o", place / "second.jsonl")
    assert (code, told["folders"], told["after"]) == (0, 1, None)
    assert (place / "second.jsonl").read_text() == ""
    assert verify(place, "--after", "B")[0] == 1, "nothing compared is no success"


@pytest.mark.parametrize("end", ["interrupted", "killed"])
def test_broken_off_it_tells_and_keeps_what_it_found(place: Path, end: str) -> None:
    damage(place / "dataset" / "A" / "full_mix.wav")
    process = subprocess.Popen(
        ["env", "--default-signal=INT", PROGRAMS / "audiobatchctl", "verify", place / "dataset", "--rate", "1 KiB",
         "-o", place / "report.jsonl", "--config", place / "c.toml"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    hidden = place / ".report.jsonl.audiobatch-export"
    eventually(lambda: hidden.exists() and hidden.stat().st_size > 0)
    if end == "killed":
        (reading,) = psutil.Process(process.pid).children()
        reading.kill()
    else:
        os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == (1 if end == "killed" else 130)
    assert (b"the process ended with -9" in err) == (end == "killed")
    assert b"! 1 file with another content" in out
    assert b"--after=A" in out
    assert json.loads((place / "report.jsonl").read_text())["folder"] == "A"
    assert not hidden.exists()

"""Exports of a data set that a real service works on: equal to those without it, and whole whatever is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.audio_files import make_track
from support.export_rig import export, make_dataset
from support.service import configuration, eventually, run, service

CLOSE_TO_THE_END = """
import os, signal, sys
from audiobatchd.cli import control
from audiobatchd.exports import publish

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(publish, sys.argv[1], die)
control.main(sys.argv[2:])
"""


@pytest.mark.parametrize("form", ["jsonl", "csv", "webdataset"])
def test_service_and_records_export_the_same(tmp_path: Path, form: str) -> None:
    root = tmp_path / "music"
    track = make_track(root / "Song", seconds=1.0, stems=("drums",))
    shutil.copytree(track, root / "Dr. No")
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.0)) as daemon:
        daemon.becomes(complete=2)

        def export_by_service() -> bytes:
            shutil.rmtree(tmp_path / "served", ignore_errors=True)
            (tmp_path / "served").mkdir()
            target = tmp_path / "served" / "out"
            options = ["--format", form, "-o", target, "--complete-only", "--stems"]
            code, out, err = run("audiobatchctl", "--socket", daemon.socket, "export", root, *options)
            return content(target) if code == 0 else (out + err).encode()

        export(root, form, tmp_path / "read", "--stems")
        expected = content(tmp_path / "read")
        eventually(lambda: export_by_service() == expected, what=lambda: (export_by_service(), expected))
        assert daemon.stop() == 0


def content(target: Path) -> bytes:
    """All bytes of an export."""
    files = sorted(each for each in target.rglob("*") if each.is_file()) if target.is_dir() else [target]
    return b"".join(each.read_bytes() for each in files)


@pytest.mark.parametrize("form", ["csv", "webdataset"])
@pytest.mark.parametrize("step", ["_sync", "_rename", "_sync_one"])
def test_killed_export_is_made_again(tmp_path: Path, form: str, step: str) -> None:
    root, target = make_dataset(tmp_path / "music"), tmp_path / "out"
    words = ["--socket", str(tmp_path / "no"), "export", str(root), "--format", form, "-o", str(target)]
    done = subprocess.run([sys.executable, "-c", CLOSE_TO_THE_END, step, *words], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    assert export(root, form, target) == 0
    assert sorted(os.listdir(tmp_path)) == ["music", "out"]


def test_full_disk_leaves_no_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if os.geteuid():
        pytest.skip("mounting takes root")
    root, small = make_dataset(tmp_path / "music"), tmp_path / "small"
    small.mkdir()
    (root / "Dr. Dre - 01" / "full_mix.FLAC").write_bytes(os.urandom(1 << 20))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        for form in ("webdataset", "huggingface"):
            assert export(root, form, small / "out", "--with-audio") == 1
            assert "No space left on device" in capsys.readouterr().err
            assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "music")
    for number in range(300):
        folder = root / f"More {number}"
        folder.mkdir()
        (folder / "full_mix.wav").write_bytes(b"")
        (folder / f"{folder.name}.INFO").write_text(json.dumps({f"key_{each}": each for each in range(50)}))
    command: list[str | Path] = [
        Path(sys.executable).with_name("audiobatchctl"),
        "--socket",
        tmp_path / "no",
        "export",
        root,
    ]
    with subprocess.Popen(
        [*command, "--format", "csv", "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait() == 141

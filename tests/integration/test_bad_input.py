"""Every bad input: what its folder becomes, what is said, that the others go on, and that a mend is seen by itself.

All cases share one daemon, as they would on a NAS.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from audiobatchd import has_features, read_info
from audiobatchd.vocabulary.names import shown
from support.audio_files import make_track, tone, write_audio
from support.service import Service, configuration, eventually, features_of, leftovers, record_of, run, service

ROOT = os.geteuid() == 0
GOOD = ("Good 1", "Good 2")


def with_good_mix(folder: Path) -> None:
    """Put a good full mix there, whatever is there now."""
    for path in folder.glob("full_mix.*"):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    write_audio(folder / "full_mix.flac", tone(4), 44100)


@dataclass(frozen=True)
class Case:
    """Bad input, and what its folder becomes."""

    name: str
    spoil: Callable[[Path], None]
    """Makes a good track folder bad."""
    state: str
    reason: str
    mend: Callable[[Path], None] | None = with_good_mix
    """Makes it good again; None where nothing does."""


def wave_header(size: int, *, tag: int, channels: int, rate: int, bits: int) -> bytes:
    """The head of a wav file with `size` bytes of samples; `tag` 1 is PCM, 3 is float."""
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16) + form + struct.pack("<4sI", b"data", size)
    )


def instead(name: str, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / "full_mix.flac").unlink()
        (folder / name).write_bytes(content)

    return spoil


def cut(extension: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / "full_mix.flac").unlink()
        path = folder / f"full_mix.{extension}"
        write_audio(path, tone(4), 48000)
        os.truncate(path, path.stat().st_size // 2)

    return spoil


def not_finite(value: float) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / "full_mix.flac").unlink()
        samples = tone(4)
        samples[44100, 0] = value
        data = samples.astype("<f4").tobytes()
        header = wave_header(len(data), tag=3, channels=2, rate=44100, bits=32)
        (folder / "full_mix.wav").write_bytes(header + data)

    return spoil


def special(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / "full_mix.flac").unlink()
        make(folder / "full_mix.wav")

    return spoil


def record(content: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda folder: void((folder / f"{folder.name}.INFO").write_text(content, encoding))


def sparse_record(folder: Path) -> None:
    record("")(folder)
    os.truncate(folder / f"{folder.name}.INFO", 50_000_000_000)


def socket_record(folder: Path) -> None:
    descriptor = os.open(folder, os.O_PATH)  # the path itself is longer than a socket's may be
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{descriptor}/{folder.name}.INFO")
    os.close(descriptor)


def unlink_record(folder: Path) -> None:
    path = folder / f"{folder.name}.INFO"
    path.rmdir() if path.is_dir() else path.unlink()


def void(_: object) -> None:
    pass


def long_silence(folder: Path) -> None:
    """Seven hours at 8 kHz, 16 bits, mono: a hole behind a header."""
    (folder / "full_mix.flac").unlink()
    size = 7 * 3600 * 8000 * 2
    header = wave_header(size, tag=1, channels=1, rate=8000, bits=16)
    (folder / "full_mix.wav").write_bytes(header)
    os.truncate(folder / "full_mix.wav", len(header) + size)


def read_only_record(folder: Path) -> None:
    record('{"mine": 1}')(folder)
    (folder / f"{folder.name}.INFO").chmod(0o444)


MANY_KEYS = "{" + ",".join(f'"k{number}": {number}.50' for number in range(500_000)) + "}"
HUGE_VERSION = (
    '{"_audiobatch": {"analyzers": {"loudness": {"full_mix": {"version": 1' + "0" * 30 + ', "fingerprint": '
    '{"file": "full_mix.flac", "size": 1, "mtime_ns": 1, "digest": ""}}}}}}'
)
HEADER_ONLY = wave_header(0, tag=1, channels=2, rate=44100, bits=16)
CASES = [
    Case("empty file", instead("full_mix.flac", b""), "failed", "full_mix.flac: "),
    Case("text", instead("full_mix.flac", b"these are no samples\n" * 500), "failed", "full_mix.flac: "),
    Case("random bytes", instead("full_mix.flac", np.random.default_rng(1).bytes(50000)), "failed", "full_mix.flac: "),
    Case("header only", instead("full_mix.wav", HEADER_ONLY), "failed", "full_mix.wav: "),
    *(Case(f"cut {each}", cut(each), "failed", f"full_mix.{each}: ") for each in ("flac", "mp3", "ogg", "opus", "m4a")),
    Case("NaN", not_finite(float("nan")), "failed", "not finite"),
    Case("infinite", not_finite(float("inf")), "failed", "not finite"),
    Case("FIFO", special(os.mkfifo), "failed", "FIFO"),
    Case("directory", special(Path.mkdir), "failed", "directory"),
    Case("dangling link", special(lambda path: path.symlink_to("nowhere.wav")), "failed", "dangling link"),
    Case("link loop", special(lambda path: path.symlink_to(path.name)), "failed", "full_mix.wav: "),
    Case(
        "unreadable file",
        lambda f: (f / "full_mix.flac").chmod(0),
        "blocked",
        "Permission denied",
        lambda f: (f / "full_mix.flac").chmod(0o644),
    ),
    Case("record not JSON", record("{'lufs': 1}"), "blocked", "cannot understand the record", unlink_record),
    Case("record a list", record("[1, 2]"), "blocked", "cannot understand the record", record("{}")),
    Case("record cut", record('{\n  "a": 1,\n  "bpm": 12'), "blocked", "line 3, key 'bpm': it ends", record("{}")),
    Case("record in UTF-16", record("{}", "utf-16"), "blocked", "it is UTF-16; save it as UTF-8", unlink_record),
    Case("record of 50 GB", sparse_record, "blocked", "50,000,000,000 bytes are more than the 16 MiB", unlink_record),
    Case("record of many keys", record(MANY_KEYS), "complete", ""),
    Case("record of an empty file", record(""), "complete", ""),
    Case("record of zeros", record("\0" * 4096), "complete", ""),
    Case("record with a mark", record('{"mine": 1}', "utf-8-sig"), "complete", ""),
    Case("record not finite", record('{"lufs": -Infinity, "lra": 1e400, "mine": [NaN, "\\ud800"]}'), "complete", ""),
    Case("record by a huge version", record(HUGE_VERSION), "blocked", "cannot understand _audiobatch", unlink_record),
    Case("record a socket", socket_record, "blocked", "it is not a regular file", unlink_record),
    Case("record a FIFO", lambda f: os.mkfifo(f / f"{f.name}.INFO"), "blocked", "not a regular file", unlink_record),
    Case("record read-only", read_only_record, "blocked", "read-only", lambda f: (f / f"{f.name}.INFO").chmod(0o644)),
    Case("record a directory", lambda f: (f / f"{f.name}.INFO").mkdir(), "blocked", "directory", unlink_record),
    Case("read-only folder", lambda f: f.chmod(0o555), "blocked", "read-only", lambda f: f.chmod(0o755)),
    Case("unreadable folder", lambda f: f.chmod(0), "blocked", "cannot read the folder", lambda f: f.chmod(0o755)),
    Case("n" * 255, void, "blocked", "longer than its record's name allows (250 bytes)", None),
    Case("n" * 251, void, "blocked", "longer than its record's name allows (250 bytes)", None),
    Case("ü" * 125, void, "complete", ""),
    Case("seven hours", long_silence, "complete", ""),
    Case("two full mixes", lambda f: void(write_audio(f / "full_mix.mp3", tone(4), 44100)), "complete", ""),
    Case(os.fsdecode(b"caf\xe9 \xff"), void, "complete", ""),
    Case("new\nline", void, "complete", ""),
]


def without_privileges(directory: Path, config: Path) -> Iterator[Service]:
    """The daemon without root's power to ignore permissions."""
    if not ROOT:
        with service(directory, config) as running:
            yield running
        return
    with service(directory, config, prefix=["setpriv", "--bounding-set=-all", "--inh-caps=-all"]) as running:
        yield running


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bad") / "dataset"
    template = root.parent / "template"
    make_track(template, seconds=4, stems=("drums",), seed=5)
    for name in (*GOOD, *(case.name for case in CASES)):
        shutil.copytree(template, root / name)
    for case in CASES:
        case.spoil(root / case.name)
    shutil.copytree(template, root / "Stems only")
    (root / "Stems only" / "full_mix.flac").unlink()
    (root / "Loop").mkdir()
    (root / "Loop" / "again").symlink_to(root)
    return root


@pytest.fixture(scope="module")
def daemon(dataset: Path) -> Iterator[Service]:
    config = configuration(dataset.parent / "c.toml", dataset, settle=0.2, rescan=2.0, workers=2)
    yield from without_privileges(dataset.parent / "daemon", config)


@pytest.fixture(scope="module")
def troubles(daemon: Service, dataset: Path) -> dict[str, tuple[str, str]]:
    """State and reason of every folder in trouble, when all have come to an end."""
    bad = sum(case.state != "complete" for case in CASES)
    total = len(CASES) + len(GOOD)

    def ended() -> bool:
        states = daemon.states()
        return states.get("complete", 0) == total - bad and sum(states.values()) == total and "settling" not in states

    eventually(ended, 90, lambda: f"{daemon.states()}\n{daemon.log()}")
    found: dict[str, tuple[str, str]] = {}
    for line in daemon.log().splitlines():
        for state in ("failed", "blocked"):
            if f" folder-{state} " in line:
                name = line.split("folder=", 1)[1].split(" reason=", 1)[0].strip('"')
                found[name] = (state, line.split(" reason=", 1)[1])
    return found


@pytest.mark.parametrize("case", [case for case in CASES if case.state != "complete"], ids=lambda case: case.name[:20])
def test_state_and_message(troubles: dict[str, tuple[str, str]], case: Case) -> None:
    state, reason = troubles[shown(case.name)]
    assert state == case.state
    assert case.reason.lower() in reason.lower()


def test_everybody_else_is_measured(troubles: dict[str, tuple[str, str]], dataset: Path) -> None:
    for name in (*GOOD, *(case.name for case in CASES if case.state == "complete")):
        assert shown(name) not in troubles
        assert "lufs_drums" in record_of(dataset / name), name


def test_a_damaged_mix_does_not_cost_the_stem(troubles: dict[str, tuple[str, str]], dataset: Path) -> None:
    for case in CASES:
        if troubles.get(case.name, ("", ""))[0] == "failed":
            record = record_of(dataset / case.name)
            assert "lufs_drums" in record
            assert "lufs" not in record, f"nothing may be written for {case.name}"


def test_too_long_is_unmeasurable_with_the_reason(troubles: dict[str, tuple[str, str]], dataset: Path) -> None:
    record = record_of(dataset / "seven hours")
    assert "lufs" not in record
    entry = record["_audiobatch"]["analyzers"]["loudness"]["full_mix"]
    assert "longer than 6 h" in entry["unmeasurable"]["lufs"]


def test_status_warns_of_what_is_not_measured(troubles: dict[str, tuple[str, str]], daemon: Service) -> None:
    status = daemon.status()
    assert status is not None
    warnings = "\n".join(status.datasets[0].warnings)
    assert "two full mixes: full_mix.mp3" in warnings
    assert "Stems only: it has stems but no full mix" in warnings


def test_foreign_data_is_left_as_it_is(troubles: dict[str, tuple[str, str]], dataset: Path) -> None:
    assert (dataset / "record not JSON" / "record not JSON.INFO").read_text() == "{'lufs': 1}"
    assert (dataset / "record a list" / "record a list.INFO").read_text() == "[1, 2]"
    assert (dataset / "record read-only" / "record read-only.INFO").read_text() == '{"mine": 1}'
    assert leftovers(dataset) == []


def test_no_line_is_repeated(troubles: dict[str, tuple[str, str]], daemon: Service) -> None:
    lines = [line.split(" ", 1)[1] for line in daemon.log().splitlines() if " folder-" in line]
    assert sorted(lines) == sorted(set(lines))


def test_a_mend_is_picked_up_by_itself(troubles: dict[str, tuple[str, str]], daemon: Service, dataset: Path) -> None:
    mended = [case for case in CASES if case.state != "complete" and case.mend is not None]
    for case in mended:
        assert case.mend is not None
        case.mend(dataset / case.name)
    left = sum(case.state != "complete" and case.mend is None for case in CASES)
    daemon.becomes(complete=len(CASES) + len(GOOD) - left, blocked=left, timeout=60)
    for case in mended:
        assert "lufs" in record_of(dataset / case.name), case.name
    assert record_of(dataset / "record read-only")["mine"] == 1
    assert leftovers(dataset) == []


def fill_up(path: Path) -> None:
    """Write to `path` until its file system is full."""
    with path.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))


def test_permissions_that_are_mended_above_a_track(tmp_path: Path) -> None:
    """Find, watch and tell of what lay below a directory that could not be read, without the next full walk."""
    root = tmp_path / "dataset"
    for name in ("Artist/T1", "Locked/T2"):
        make_track(root / name, seconds=1, stems=(), seed=1)
    (root / "Artist").chmod(0)
    (root / "Locked").chmod(0o555)
    try:
        for daemon in without_privileges(tmp_path / "daemon", configuration(tmp_path / "c.toml", root, settle=0.1)):
            daemon.becomes(blocked=2)
            code, out, _ = run("audiobatchctl", "check", root / "Locked", "--features", "lufs")
            assert (code, "Ready:          1" in out) == (1, True)
            (root / "Locked").chmod(0o755)
            daemon.becomes(complete=1, blocked=1)
            (root / "Artist").chmod(0o755)
            daemon.becomes(complete=2)
            make_track(root / "Artist" / "T3", seconds=1, stems=(), seed=2)
            daemon.becomes(complete=3)
    finally:
        (root / "Artist").chmod(0o755)


@pytest.mark.skipif(not ROOT, reason="mounting a small file system takes root")
def test_a_full_disk_blocks_until_there_is_room(tmp_path: Path) -> None:
    root = tmp_path / "full"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", root], check=True)
    try:
        make_track(root / "Track", seconds=1, stems=(), seed=1)
        (root / "Track" / "Track.INFO").write_text('{"mine": 1}')
        fill_up(root / "filler")
        config = configuration(tmp_path / "c.toml", root, settle=0.1, rescan=1.0, workers=1)
        with service(tmp_path / "daemon", config) as daemon:
            daemon.says("No space left on device")
            daemon.becomes(blocked=1)
            assert record_of(root / "Track") == {"mine": 1}
            (root / "filler").unlink()
            daemon.becomes(complete=1)
        assert record_of(root / "Track")["mine"] == 1
        assert leftovers(root) == []
    finally:
        subprocess.run(["umount", root], check=True)


@pytest.mark.parametrize(
    ("name", "made_as"),
    [
        ("full_mix.oga", "ogg"),
        ("full_mix.m4b", "m4a"),
        ("full_mix.mp4", "m4a"),
        ("full_mix.aifc", "aiff"),
        ("full_mix.wave", "wav"),
        ("Full_Mix.wav", "wav"),
        ("FULL_MIX.FLAC", "flac"),
    ],
)
def test_decodable_files_are_taken_under_other_names(tmp_path: Path, name: str, made_as: str) -> None:
    usual = tmp_path / "dataset" / "Usual"
    usual.mkdir(parents=True)
    write_audio(usual / f"full_mix.{made_as}", tone(4), 44100)
    other = tmp_path / "dataset" / "Other"
    other.mkdir()
    shutil.copyfile(usual / f"full_mix.{made_as}", other / name)
    shutil.copyfile(usual / f"full_mix.{made_as}", other / f"DRUMS.{made_as}")
    config = configuration(tmp_path / "c.toml", tmp_path / "dataset", settle=0.0)
    code, out, err = run("audiobatchd", "--config", config, "--once", tmp_path / "dataset")
    assert code == 0, out + err
    features = features_of(other)
    assert features_of(usual) == {key: value for key, value in features.items() if not key.endswith("_drums")}
    assert features["lufs_drums"] == features["lufs"]
    assert record_of(other)["_audiobatch"]["analyzers"]["loudness"]["full_mix"]["fingerprint"]["file"] == name


# Records


def test_records_of_other_tools_keep_what_is_theirs(troubles: dict[str, tuple[str, str]], dataset: Path) -> None:
    def text(name: str) -> bytes:
        return (dataset / name / f"{name}.INFO").read_bytes()

    assert b'\n  "mine": [NaN, "\\ud800"],\n' in text("record not finite")
    assert text("record with a mark").startswith(b'{\n  "mine": 1,\n')
    assert b'"k0": 0.50,' in text("record of many keys")
    assert b'"k499999": 499999.50,' in text("record of many keys")
    for name in ("record not finite", "record of many keys", "record of zeros", "record of an empty file"):
        found = read_info(dataset / name)
        assert isinstance(found["lufs"], float)
        assert math.isfinite(found["lufs"])
        assert has_features(dataset / name, ["lufs", "lra", "lufs_drums"])


def test_keys_beyond_the_catalog_are_found_on_the_disk(
    troubles: dict[str, tuple[str, str]], daemon: Service, dataset: Path
) -> None:
    asked = ("missing", dataset, "--features", "k499999", "lufs", "--json")
    answer = json.loads(run("audiobatchctl", "--socket", daemon.socket, *asked)[1])
    lacking = {each["folder"]: each["missing"] for each in answer["folders"]}
    assert "record of many keys" not in lacking
    assert lacking[GOOD[0]] == ["k499999"]


def test_a_limit_that_is_raised_lets_a_record_in(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=4, stems=())
    (folder / "Track.INFO").write_text('{"mine": "' + "x" * 2000 + '"}')
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, record_limit="1 KiB")
    with service(tmp_path, config) as daemon:
        daemon.becomes(blocked=1)
        daemon.says("its 2,012 bytes are more than the 1 KiB allowed; move the file away, or raise record_limit")
        assert run("audiobatchd", "--config", config, "--once", dataset)[0] == 1
        _, out, _ = run("audiobatchctl", "missing", dataset, "--config", config, "--features", "mine")
        assert "more than the 1 KiB allowed" in out
        configuration(config, dataset, settle=0.0, record_limit="4 KiB")
        assert run("audiobatchctl", "--socket", daemon.socket, "reload")[0] == 0
        daemon.becomes(complete=1)
    assert read_info(folder)["mine"] == "x" * 2000

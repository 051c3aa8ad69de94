"""One pass divided among processes that know nothing of each other: every folder once, whoever dies."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from audiobatchd.vocabulary.shard import SHARDS_VARIABLE, Shard
from support.audio_files import make_track
from support.plugins import install_gate
from support.service import PROGRAMS, TIMEOUT, configuration, eventually, leftovers, once, record_of

PATHS = [f"Artist {number % 2}/Song {number}" for number in range(9)]
JOB = Path(__file__).parents[2] / "packaging" / "container" / "kubernetes" / "one-pass.yaml"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Nine tracks."""
    root = tmp_path / "dataset"
    for number, path in enumerate(PATHS):
        make_track(root / path, seconds=1, stems=(), extension="wav", seed=number)
    return root


def of(number: int, count: int) -> set[str]:
    """The tracks of a shard."""
    return {path for path in PATHS if Shard(number, count).has(path)}


def begun(command: list[str], **variables: str) -> subprocess.Popen[str]:
    """A pass under way in a session of its own."""
    command = [str(PROGRAMS / command[0]), *command[1:]]
    return subprocess.Popen(
        command,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end of a pass: (exit code, standard output, standard error)."""
    out, err = process.communicate(timeout=TIMEOUT)
    return process.returncode, out, err


def done(log: str) -> list[str]:
    """The folders that were measured."""
    return re.findall(r'folder-done .*?folder="([^"]+)" lufs=', log)


def test_two_shards_at_once_measure_all_and_nothing_twice(dataset: Path, tmp_path: Path) -> None:
    config = str(configuration(tmp_path / "once.toml", dataset, settle=0.0))
    shards = [f"{number}/2" for number in (1, 2)]
    passes = [begun(["audiobatchd", "--config", config, "--once", str(dataset), "--shard", each]) for each in shards]
    for number, process in enumerate(passes, 1):
        code, out, err = ended(process)
        own = of(number, 2)
        assert (code, sorted(done(err))) == (0, sorted(own)), err
        assert f"Total folders:  {len(own)}\n" in out
        assert f"\nShard {number}/2: {len(own)} track folders, and {len(PATHS) - len(own)} of other shards\n" in out
    assert all("lufs" in record_of(dataset / path) for path in PATHS)
    assert leftovers(dataset) == []


def test_what_a_killed_shard_left_is_done_by_one_that_helps(dataset: Path, tmp_path: Path) -> None:
    env = install_gate(tmp_path / "gate")
    config = str(configuration(tmp_path / "once.toml", dataset, settle=0.0, plugins=["gate"], workers=1))
    killed = begun(["audiobatchd", "--config", config, "--once", str(dataset), "--shard", "2/2"], **env)
    eventually((tmp_path / "gate" / "at-full_mix").exists)
    os.killpg(killed.pid, signal.SIGKILL)
    assert ended(killed)[0] == -signal.SIGKILL
    (tmp_path / "gate" / "go").touch()
    code, out, err = once(dataset, "--shard", "1/2", "--then-any", plugins=["gate"], env=env)
    assert (code, sorted(done(err))) == (0, sorted(PATHS)), err
    assert set(done(err)[: len(of(1, 2))]) == of(1, 2), "its own first"
    assert f"\nShard 1/2 done: {len(of(1, 2))}; of the other shards then: {len(of(2, 2))} folders\n" in out
    assert leftovers(dataset) == []


def test_shards_of_an_indexed_job_are_all_folders(dataset: Path, tmp_path: Path) -> None:
    job = yaml.safe_load(JOB.read_text())["spec"]
    [container] = job["template"]["spec"]["containers"]
    command = [str(dataset) if word == "/music" else word for word in container["args"]]
    places = tmp_path / "audiobatchd"
    places.mkdir()
    configuration(places / "audiobatchd.toml", dataset, settle=0.0)
    variables = {each["name"]: each["value"] for each in container["env"]} | {"XDG_CONFIG_HOME": str(tmp_path)}
    seen: list[str] = []
    indices = [str(index) for index in range(job["completions"])]
    pods = [begun([*command, "--dry-run"], JOB_COMPLETION_INDEX=index, **variables) for index in indices]
    for pod in pods:
        code, out, err = ended(pod)
        assert code == 0, err
        seen += re.findall(r"^(.*): would measure ", out, re.MULTILINE)
    assert sorted(seen) == sorted(PATHS)


def test_empty_shard_is_success_and_an_empty_dataset_not(dataset: Path, tmp_path: Path) -> None:
    number = next(number for number in range(1, 100) if not of(number, 99))
    again = tmp_path / "again.jsonl"
    again.write_text(json.dumps({"folder": PATHS[0], "features": ["lufs"]}))
    code, out, err = once(dataset, "--shard", f"{number}/99", "--again", again)
    assert "No track folder is there" not in out, "it is of another shard"
    assert (code, f"\nShard {number}/99: no track folder, 9 folders of other shards\n" in out) == (0, True), err
    (tmp_path / "bare").mkdir()
    code, out, err = once(tmp_path / "bare", "--shard", "1/2")
    assert (code, "No track folder was found" in out, "Shard" in out) == (3, True, False), err


@pytest.mark.parametrize(
    ("options", "env", "why"),
    [
        (["--shard", "0/2"], {}, "--shard takes I/N, such as 2/8, or auto, not '0/2'"),
        (["--shard", ""], {}, "not ''"),
        (["--then-any"], {}, "--then-any goes with --shard"),
        (["--shard", "1/2", "--then-any", "--overwrite"], {}, "--then-any cannot go with --overwrite"),
        (["--shard", "auto"], {}, "neither SLURM_ARRAY_TASK_ID (Slurm) nor JOB_COMPLETION_INDEX (Kubernetes) is set"),
        (["--shard", "auto"], {"JOB_COMPLETION_INDEX": "0"}, f"{SHARDS_VARIABLE} is not"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_shard_that_cannot_be_is_refused(dataset: Path, options: list[str], env: dict[str, str], why: str) -> None:
    code, out, err = once(dataset, *options, env=env)
    assert (code, out, why in err) == (2, "", True), err


def test_environment_is_not_asked_unless_told_to(dataset: Path) -> None:
    code, out, err = once(dataset, "--dry-run", env={"JOB_COMPLETION_INDEX": "0", SHARDS_VARIABLE: "9"})
    assert (code, "Folders to Process: 9" in out) == (0, True), err


def test_service_takes_no_shard(dataset: Path) -> None:
    done = subprocess.run(
        [PROGRAMS / "audiobatchd", dataset, "--shard", "1/2"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "--shard goes with --once" in done.stderr) == (2, True)

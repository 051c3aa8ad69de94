"""Passes on a Dask cluster: real schedulers, nannies and workers with TLS between them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from audiobatchd.locks import kernel
from stress.cluster import Stress
from stress.witness import Witness
from support.audio_files import make_track
from support.certificates import made_certificate
from support.cluster_rig import Cluster, cluster
from support.plugins import install_analyzer
from support.service import PROGRAMS, configuration, eventually, features_of, leftovers, run

_GATED = """
    while not pathlib.Path({go!r}).exists():
        time.sleep(0.02)
    return self.answer(audio)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of two workers; its analyzer `gated` waits for the file `go`."""
    directory = tmp_path_factory.mktemp("cluster")
    env = install_analyzer(directory / "plugins", "gated", _GATED.format(go=str(directory / "go")))
    with cluster(directory, 2, env=env) as started:
        yield started


def tracks(root: Path, count: int) -> Path:
    """Make a dataset of short tracks."""
    for number in range(count):
        make_track(root / f"Song {number}", seconds=1, stems=(), extension="wav", seed=number)
    return root


def test_pass_measures_on_the_workers_of_a_cluster(made: Cluster, tmp_path: Path) -> None:
    (made.directory / "go").touch()
    dataset = tracks(tmp_path / "dataset", 6)
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, analyzers=["gated"])
    code, out, err = run(
        "audiobatchd", "--once", dataset, "--config", config, "--scheduler", made.address, *made.tls, env=made.env
    )
    assert code == 0, err
    assert "Success:        6" in out
    assert f"Folders by machine: {os.uname().nodename} 6" in out
    assert "host-joined" in err  # the second one may come too late for so little
    assert all(features_of(folder).keys() == {"gated"} for folder in dataset.iterdir())
    assert leftovers(dataset) == []
    assert [each.name for each in dataset.iterdir() if each.name.startswith(".")] == []
    eventually(lambda: not made.children(), what="its workers live on")


def test_workers_end_with_a_killed_pass(made: Cluster, tmp_path: Path) -> None:
    (made.directory / "go").unlink(missing_ok=True)
    dataset = tracks(tmp_path / "dataset", 3)
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, analyzers=["gated"])
    process = made.start_pass("killed", dataset, "--config", config)
    eventually(lambda: len(list(dataset.glob("*.lock"))) == 2, what=lambda: made.log("killed"))
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not made.children(), what="its workers live on")
    (made.directory / "go").touch()
    made.processes.pop("killed").wait()
    again = made.start_pass("again", dataset, "--config", config)
    assert again.wait(60) == 0, made.log("again")
    del made.processes["again"]


def test_wrong_authority_is_refused(made: Cluster, tmp_path: Path) -> None:
    dataset = tracks(tmp_path / "dataset", 1)
    certificate, key = made_certificate(tmp_path, "other")
    other = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]
    code, _, err = run("audiobatchd", "--once", dataset, "--scheduler", made.address, *other)
    assert (code, f"cannot trust the scheduler {made.address}" in err) == (2, True), err
    assert leftovers(dataset) == []


@pytest.mark.timeout(240)
def test_nothing_is_lost_or_done_twice_amid_kills(tmp_path: Path) -> None:
    witness = Witness()
    dataset = tracks(tmp_path / "dataset", 8)
    for folder in dataset.iterdir():
        witness.watch(folder)
    env = install_analyzer(tmp_path / "plugins", "dawdle", _GATED.format(go=str(tmp_path / "go")))
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, analyzers=["dawdle"])
    try:
        with cluster(tmp_path, 2, env=env) as made:
            stress = Stress(made, dataset, config, witness, random.Random(1))
            for kinds in (("child", "nanny"), ("worker", "client"), ("scheduler",)):
                eventually(lambda: is_at_work(stress), what=lambda: made.log("client"))
                assert all(map(stress.kill, kinds)), kinds
                eventually(lambda: held(dataset) < 2, what="nothing was killed")
            eventually(lambda: is_at_work(stress), what=lambda: made.log("client"))
            (tmp_path / "go").touch()
            assert stress.until_done(60), made.log("client")
    finally:
        witness.drain()
        witness.stop()
    assert stress.lost() == []
    assert [*witness.faults, *witness.too_many()] == []


def is_at_work(stress: Stress) -> bool:
    """Start again what has ended; tell whether both workers are at a folder."""
    stress.tend()
    return held(stress.dataset) == 2


def held(dataset: Path) -> int:
    """Count the folders that a worker is at."""
    count = 0
    for path in dataset.glob("*.lock"):
        with suppress(FileNotFoundError):
            descriptor = kernel.open_lock(str(path), os.O_RDONLY)
            count += kernel.is_held(descriptor)
            kernel.close_lock(descriptor)
    return count


def test_local_cluster_measures(tmp_path: Path) -> None:
    dataset = tracks(tmp_path / "dataset", 2)
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0)
    code, out, err = run("audiobatchd", "--once", dataset, "--config", config, "--local-cluster", 1)
    assert (code, "Success:        2" in out) == (0, True), err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--scheduler", "tcp://10.0.0.1:8786"], "its connections are open"),
        (["--scheduler", "tls://127.0.0.1:8786", "--tls-ca-file", "/absent"], "/absent"),
        (["--tls-ca-file", "/absent"], "go with --scheduler"),
        (["--local-cluster", "0"], "expected a whole number"),
    ],
)
def test_wrong_cluster_is_refused(tmp_path: Path, options: list[str], why: str) -> None:
    dataset = tracks(tmp_path / "dataset", 1)
    code, _, err = run("audiobatchd", "--once", dataset, *options)
    assert code != 0
    assert why in err


def test_cluster_goes_with_once(tmp_path: Path) -> None:
    code, _, err = run("audiobatchd", tmp_path, "--scheduler", "tls://127.0.0.1:8786")
    assert (code, "--scheduler goes with --once" in err) == (2, True), err


def test_no_other_run_loads_dask() -> None:
    modules = "audiobatchd.cli.daemon, audiobatchd.service.daemon, audiobatchd.service.one_pass"
    code = f"import sys, {modules}; sys.exit('distributed' in sys.modules or 'dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert (PROGRAMS / "dask").exists(), "dask was not installed, and this test shows nothing"

"""A cluster for each test, in the namespaces that `./dev test-slurm` makes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm.cluster import Cluster, started


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of two nodes, idle."""
    if "AUDIOBATCHD_TEST_SLURM" not in os.environ:
        pytest.fail("the cluster needs namespaces of its own: ./dev test-slurm")
    directory = tmp_path / "slurm"
    directory.mkdir()
    with started(directory) as cluster:
        yield cluster

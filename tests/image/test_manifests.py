"""Compose file and Kubernetes manifests against their own schemas, by tools in an environment of their own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from system.machine import CACHE

CONTAINER = Path(__file__).parents[2] / "packaging" / "container"
TOOLS = CACHE / "manifest-tools" / "bin"
"""What `./dev test-image` puts there."""

OLDEST, NEWEST = "1.29.0", "1.37.0"
"""Of Kubernetes: `backoffLimitPerIndex` came with 1.29."""

MANIFESTS = sorted((CONTAINER / "kubernetes").glob("*.yaml"))


def validated(manifest: Path, version: str) -> subprocess.CompletedProcess[str]:
    """Hold a manifest against Kubernetes' schema, which allows no unknown key."""
    command = [str(TOOLS / "kubernetes-validate"), "--strict", "--kubernetes-version", version, str(manifest)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read_as_compose(text: str) -> subprocess.CompletedProcess[str]:
    """Read a compose file by the compose specification; variables are replaced by their defaults before, as there."""
    program = (
        "import sys; from compose_spec import PyCompose; print(*PyCompose.from_yaml(sys.stdin.read()).service_names())"
    )
    replaced = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text)
    return subprocess.run(
        [TOOLS / "python", "-c", program], input=replaced, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_manifest_keeps_kubernetes_schema(manifest: Path, version: str) -> None:
    done = validated(manifest, version)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_misspelt_key_is_found(manifest: Path, tmp_path: Path) -> None:
    wrong = tmp_path / manifest.name
    wrong.write_text(manifest.read_text().replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"))
    assert validated(wrong, NEWEST).returncode != 0


def test_compose_file_keeps_its_specification() -> None:
    text = (CONTAINER / "compose.yaml").read_text()
    done = read_as_compose(text)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(yaml.safe_load(text)["services"])


@pytest.mark.parametrize(("right", "wrong"), [("read_only:", "readonly:"), ("45s", "45 parsecs")])
def test_wrong_compose_file_is_refused(right: str, wrong: str) -> None:
    text = (CONTAINER / "compose.yaml").read_text()
    assert right in text
    assert read_as_compose(text.replace(right, wrong)).returncode != 0

"""The manifests of the container hold what the image and the service say: user, places, patience, health."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from audiobatchd import __version__
from audiobatchd.config.file import Config, load_config
from audiobatchd.vocabulary.shard import SHARDS_VARIABLE

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "packaging" / "container"
IMAGE = f"localhost/audiobatchd:{__version__}"
HEALTH = ["audiobatchctl", "status"]
PLACES = {"/music", "/state", "/models", "/etc/audiobatchd", "/run/audiobatchd", "/tmp"}  # noqa: S108  # of the container


def documents(name: str) -> dict[str, dict[str, Any]]:
    """Kubernetes' objects in a file, by their kind."""
    return {each["kind"]: each for each in yaml.safe_load_all((CONTAINER / "kubernetes" / name).read_text())}


def pods() -> Iterator[dict[str, Any]]:
    """The specification of each pod."""
    yield documents("service.yaml")["StatefulSet"]["spec"]["template"]["spec"]
    yield documents("one-pass.yaml")["Job"]["spec"]["template"]["spec"]


def services() -> Iterator[dict[str, Any]]:
    """Each service of the compose file."""
    yield from yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"].values()


def user() -> int:
    """The image's user."""
    found = re.search(r"^USER (\d+):\1$", (CONTAINER / "Containerfile").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def seconds(text: str) -> int:
    """What a duration of compose says."""
    return int(text.removesuffix("s"))


def test_image_s_configuration_is_one(tmp_path: Path) -> None:
    config = load_config(CONTAINER / "audiobatchd.toml")
    assert [each.path for each in config.dataset] == ["/music"]


def test_config_map_is_a_configuration(tmp_path: Path) -> None:
    content = documents("service.yaml")["ConfigMap"]["data"]["audiobatchd.toml"]
    path = tmp_path / "audiobatchd.toml"
    path.write_text(content)
    config = load_config(path)
    [container] = next(pods())["containers"]
    assert config.workers == int(container["resources"]["limits"]["cpu"])
    assert [each.path for each in config.dataset] == ["/music"]


@pytest.mark.parametrize("pod", list(pods()))
def test_pods_keep_the_restricted_profile(pod: dict[str, Any]) -> None:
    security = pod["securityContext"]
    assert security["runAsNonRoot"]
    assert security["runAsUser"] == user()
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("pod", list(pods()))
def test_pods_mount_what_they_write(pod: dict[str, Any]) -> None:
    [container] = pod["containers"]
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert {"/music", "/tmp"} <= mounts <= PLACES  # noqa: S108  # of the container
    assert container["image"] == IMAGE


def test_probes_ask_the_service() -> None:
    [container] = next(pods())["containers"]
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["exec"]["command"] == HEALTH


@pytest.mark.parametrize("pod", list(pods()))
def test_pods_wait_for_jobs_that_finish(pod: dict[str, Any]) -> None:
    assert pod["terminationGracePeriodSeconds"] > Config().stop_grace


def test_one_service_writes_the_state() -> None:
    assert documents("service.yaml")["StatefulSet"]["spec"]["replicas"] == 1


def test_compose_gives_no_rights() -> None:
    for service in services():
        assert service["image"] == IMAGE
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"].endswith(f":-{user()}:{user()}}}")


def test_compose_waits_and_asks_as_the_image_says() -> None:
    service = next(services())
    assert seconds(service["stop_grace_period"]) > Config().stop_grace
    assert service["healthcheck"]["test"] == ["CMD", *HEALTH]
    assert f"CMD {HEALTH}".replace("'", '"') in (CONTAINER / "Containerfile").read_text()
    assert {each.split(":")[0] for each in service["tmpfs"]} <= PLACES


def test_indexed_job_says_how_many_shards_there_are() -> None:
    job = documents("one-pass.yaml")["Job"]["spec"]
    [container] = job["template"]["spec"]["containers"]
    assert container["env"] == [{"name": SHARDS_VARIABLE, "value": str(job["completions"])}]
    assert "--shard auto" in " ".join(container["args"])

"""Dashboard and alert rules in Debian's Prometheus, which reads what a container writes, by way of node_exporter."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from image.container import MUSIC, Container, Image
from support.service import eventually
from system.machine import CACHE

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "packaging" / "monitoring"
TOOLS = CACHE / "prometheus" / "usr" / "bin"
"""What `./dev test-image` unpacks there; nothing of it is installed."""

_OUTSIDE = "/metrics"


@pytest.fixture(scope="module")
def prometheus(full: Image, tracks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has scraped a container with a folder done and one failed."""
    place = tmp_path_factory.mktemp("monitoring")
    container = Container(full, place)
    metrics = place / "metrics"
    metrics.mkdir(mode=0o777)
    metrics.chmod(0o777)
    container.volumes[_OUTSIDE] = metrics
    inbox = place / "inbox"
    inbox.mkdir()
    inbox.chmod(0o777)
    container.volumes["/inbox"] = inbox
    named = f'metrics_textfile = "{_OUTSIDE}/audiobatchd.prom"'
    container.configure(named, "[[inbox]]", 'path = "/inbox"', f'dataset = "{MUSIC}"', analyzers=["default"])
    container.add(tracks / "short", "Good")
    container.add(tracks / "damaged", "Damaged")
    with contextlib.ExitStack() as stack:
        stack.callback(container.kill)
        container.up()
        container.becomes(complete=1, failed=1)
        file = metrics / "audiobatchd.prom"
        eventually(lambda: file.exists() and 'jobs_total{outcome="done"}' in file.read_text(), what=container.log)
        exporter = stack.enter_context(_exporter(metrics))
        yield stack.enter_context(_prometheus(place, exporter))


@contextmanager
def _exporter(directory: Path) -> Iterator[str]:
    address = _free_address()
    only = ["--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={directory}"]
    with _running(TOOLS / "prometheus-node-exporter", *only, f"--web.listen-address={address}"):
        yield address


@contextmanager
def _prometheus(place: Path, exporter: str) -> Iterator[str]:
    address = _free_address()
    configuration = place / "prometheus.yml"
    scrape = [{"job_name": "node", "static_configs": [{"targets": [exporter]}]}]
    often = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    # JSON is YAML.
    configuration.write_text(
        json.dumps({"global": often, "rule_files": [str(MONITORING / "alerts.yaml")], "scrape_configs": scrape})
    )
    options = [f"--config.file={configuration}", f"--storage.tsdb.path={place / 'tsdb'}"]
    with _running(TOOLS / "prometheus", *options, f"--web.listen-address={address}"):
        # Rates take two scrapes.
        eventually(lambda: _asked(address, "count_over_time(audiobatchd_info[1m]) > 3"))
        yield address


@contextmanager
def _running(*command: object) -> Iterator[None]:
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _free_address() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def _get(address: str, path: str, **parameters: str) -> dict[str, Any]:
    url = f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return dict(json.load(answer)["data"])


def _asked(address: str, query: str) -> list[Any]:
    try:
        return list(_get(address, "query", query=query)["result"])
    except OSError:
        return []


def _on_the_dashboard() -> Iterator[str]:
    dashboard = json.loads((MONITORING / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            query = re.sub(r"\$(instance|dataset)", ".*", target["expr"])
            yield query.replace("$__rate_interval", "1m")


def _of_rules() -> list[str]:
    """Each selector of the rules: the rules themselves find nothing where nothing is wrong."""
    [group] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    rules = "\n".join(rule["expr"] for rule in group["rules"])
    return sorted(set(re.findall(r"\b(?:audiobatchd|node)_\w+(?:\{[^}]*\})?", rules)))


@pytest.mark.parametrize("query", [*_on_the_dashboard(), *_of_rules()])
def test_query_is_answered_with_data(prometheus: str, query: str) -> None:
    assert _asked(prometheus, query), query


def test_rules_are_evaluated_and_the_failed_folder_is_pending(prometheus: str) -> None:
    def rules() -> list[dict[str, Any]]:
        [group] = _get(prometheus, "rules")["groups"]
        return list(group["rules"])

    eventually(lambda: all(rule["health"] == "ok" for rule in rules()), what=rules)
    states = {rule["name"]: rule["state"] for rule in rules()}
    assert states.pop("AudiobatchdFoldersFailed") == "pending"
    assert set(states.values()) == {"inactive"}, states


@pytest.mark.parametrize("command", [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]])
def test_promtool_passes(command: list[str]) -> None:
    done = subprocess.run([TOOLS / "promtool", *command], cwd=MONITORING, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

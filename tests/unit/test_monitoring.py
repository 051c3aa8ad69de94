"""The dashboard and the alert rules name metrics that there are, with labels that these have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "packaging" / "monitoring"
OF_NODE_EXPORTER = {"node_textfile_mtime_seconds": {"file"}}
OF_PROMETHEUS = {"instance"}
"""Labels that Prometheus adds to all."""


def metrics() -> dict[str, set[str]]:
    """The labels of each metric, as the reference has them; `tests/unit/service/answers` holds it against the code."""
    text = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| (.*?) \|", text, re.MULTILINE)
    assert rows
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows} | OF_NODE_EXPORTER


def queries() -> Iterator[str]:
    """Every expression of the dashboard and of the rules."""
    dashboard = json.loads((MONITORING / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["definition"]
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


@pytest.mark.parametrize("query", list(queries()))
def test_query_names_metrics_and_labels_that_there_are(query: str) -> None:
    known = metrics()
    selectors = re.findall(r"\b((?:audiobatchd|node)_\w+)(?:\{([^}]*)\})?", query)
    assert selectors
    for name, matchers in selectors:
        assert name in known
        assert set(re.findall(r"(\w+)\s*=", matchers)) <= known[name] | OF_PROMETHEUS


def test_every_metric_is_on_the_dashboard_or_in_a_rule() -> None:
    shown = set(re.findall(r"\b(?:audiobatchd|node)_\w+", "\n".join(queries())))
    assert metrics().keys() - shown == set()


def test_every_rule_says_what_to_do() -> None:
    [group] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_rule_is_tried_by_promtool() -> None:
    [group] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    tests = (MONITORING / "alerts_test.yaml").read_text()
    for rule in group["rules"]:
        assert f'alertname="{rule["alert"]}"' in tests
        assert f"alertname: {rule['alert']}" in tests


def test_dashboard_s_panels_do_not_overlap() -> None:
    panels = json.loads((MONITORING / "grafana.json").read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells

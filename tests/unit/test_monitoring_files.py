"""The alert rules and the Grafana dashboard of the documentation: they name metrics that there are, and Prometheus' own tool takes them."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

from tests.support.observed import DOCS, PROMTOOL, read
from tests.support.shown import text

FOLDER = DOCS / "how-to/metrics"
NEEDS_PROMTOOL = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (package prometheus)")


def rules():
    return yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]


def queries():
    """Every expression of the dashboard, with the variables that Grafana fills in."""
    panels = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [expression.replace("$load_balancer", "edge").replace("$__rate_interval", "1m") for expression in found]


def test_all_metrics_that_they_name_are_shown():
    shown = {name for name, _labels in read(text(True), openmetrics=True)}
    named = set(re.findall(r"\btandem_[a-z_]+", " ".join([*queries(), *(rule["expr"] for rule in rules())])))
    assert len(named) > 20
    assert named - shown == set()


def test_every_alert_says_how_bad_it_is_and_what_it_means():
    for rule in rules():
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"]


@NEEDS_PROMTOOL
def test_the_rules_fire_in_the_nights_that_they_are_for_and_in_no_others():
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        checked = subprocess.run([str(PROMTOOL), *command], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@NEEDS_PROMTOOL
def test_prometheus_understands_every_query_of_the_dashboard(tmp_path):
    recorded = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(queries())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    checked = subprocess.run([str(PROMTOOL), "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr

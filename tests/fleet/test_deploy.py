"""Dashboard and alerts speak of metrics that exist, and the compose file of settings that exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from layerwatch.config import Settings
from tests.support.prints import frame
from tests.support.servers import Server

DEPLOY = Path(__file__).parents[2] / "deploy"
BOARD = DEPLOY / "grafana" / "dashboards" / "layerwatch.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
OPERATIONS = DEPLOY.parent / "docs" / "operations.md"


@pytest.fixture
def metrics(server: Server) -> set[str]:
    """The names of every sample and metric that a server shows after a call."""
    key = server.new_key()
    server.process(key, server.new_context(key), frame(0.1, 1))
    families = text_string_to_metric_families(server.http.get("/metrics").text)
    return {name for family in families for name in (family.name, *(s.name for s in family.samples))}


@pytest.mark.parametrize("path", [BOARD, ALERTS], ids=lambda path: path.name)
def test_every_metric_that_is_asked_for_exists(path: Path, metrics: set[str]) -> None:
    text = path.read_text()
    if path is BOARD:
        panels = json.loads(text)["panels"]
        text = "\n".join(target["expr"] for panel in panels for target in panel["targets"])
    named = set(re.findall(r"layerwatch_[a-z_]+", text))
    # A counter of errors has no sample before its first error; its family is there.
    assert named - metrics - {f"{name}_total" for name in metrics} == set()
    assert len(named) >= 6


def test_every_setting_in_the_deployment_exists() -> None:
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    named = {name.lower() for name in re.findall(r"LAYERWATCH_([A-Z_]+)", text)}
    assert named <= set(Settings.model_fields)
    assert {"database", "secret", "region", "public_url"} <= named


def test_every_metric_is_told_of_in_the_documentation(metrics: set[str]) -> None:
    documented = set(re.findall(r"`(layerwatch_[a-z_]+)`", OPERATIONS.read_text()))
    families = {name for name in metrics if name.startswith("layerwatch_")}
    samples = {f"{name}{end}" for name in documented for end in ("_bucket", "_count", "_sum")}
    assert {
        name for name in families if name not in documented | samples and f"{name}_total" not in documented
    } == set()
    assert documented <= families | {f"{name}_total" for name in families}


@pytest.mark.skipif(
    shutil.which("promtool") is None and "CI" not in os.environ, reason="promtool comes with Prometheus"
)
@pytest.mark.parametrize("what", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")])
def test_the_alert_rules_are_valid_and_fire_when_they_should(what: tuple[str, ...]) -> None:
    result = subprocess.run(["promtool", *what], cwd=ALERTS.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_ray_file_names_deployments_and_settings_that_exist() -> None:
    text = (DEPLOY / "ray" / "serve.yaml").read_text()
    assert set(re.findall(r"- name: ([A-Z]\w+)", text)) == {"Api", "Detectors"}
    args = text.split("    args:\n")[1].split("    deployments:\n")[0]
    assert set(re.findall(r"^      (\w+):", args, re.MULTILINE)) <= set(Settings.model_fields)

"""Rules and dashboards: promtool takes them, each alarm is tried both ways, and they say what the documents say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.panels import DASHBOARDS, Panel
from tests.contracts.alarms import CASES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "rules.yml"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None and not os.environ.get("CI"), reason="promtool is not installed"
)


def alarms() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alarm_is_tried_both_ways_and_explained() -> None:
    names = {rule["alert"] for rule in alarms()}
    explained = set(re.findall(r"^\| `(Waywarden\w+)` \|", (ROOT / "docs" / "operations.md").read_text(), re.M))
    assert names == set(CASES) == explained


def case(name: str, series: dict[str, str], at: str) -> dict[str, Any]:
    """One test of promtool's, which knows only exact alarms: so the count of those that sound is compared."""
    told = [{"series": each, "values": values} for each, values in series.items()]
    return {"interval": "1m", "input_series": told, "promql_expr_test": [
        {"expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)', "eval_time": at}
    ]}  # fmt: skip


@needs_promtool
def test_each_alarm_sounds_when_it_should_and_only_then(tmp_path: Path) -> None:
    tests = []
    for name, each in CASES.items():
        for series, count in ((each.sounds, 1), (each.silent, 0)):
            made = case(name, series, each.at)
            made["promql_expr_test"][0]["exp_samples"] = [{"value": count, "labels": "{}"}]
            tests.append(made)
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(file))


@needs_promtool
@pytest.mark.parametrize("name", ["embedded.yml", "stack.yml"])
def test_prometheus_takes_the_configuration(name: str) -> None:
    promtool("check", "config", str(FOLDER / name))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_dashboard_that_is_there_is_the_one_that_is_described(name: str) -> None:
    if not os.environ.get("CI"):
        pytest.importorskip("grafana_foundation_sdk", reason="make setup-dev")
    from deploy.grafana.dashboards import text_of  # here, since the other tests do without what makes them

    committed = ROOT / "deploy" / "grafana" / "dashboards" / f"{name}.json"
    assert committed.read_text(encoding="utf-8") == text_of(DASHBOARDS[name]), "make dashboards"


def panels() -> list[Panel]:
    return [panel for dashboard in DASHBOARDS.values() for panel in dashboard.panels]


def test_every_panel_has_a_title_in_both_languages() -> None:
    assert not [
        panel for panel in panels() if not re.search("[a-z]", panel.en) or not re.search("[\u4e00-\u9fff]", panel.zh)
    ]


def test_every_figure_that_a_rule_or_a_panel_asks_for_is_one_of_ours() -> None:
    asked = {name for panel in panels() for name in re.findall(r"\bwaywarden\w+", panel.query)}
    asked |= {name for rule in alarms() for name in re.findall(r"\bwaywarden\w+", rule["expr"])}
    sources = [path for folder in ("services", "shared", "deploy") for path in (ROOT / folder).rglob("*.py")]
    code = "".join(path.read_text() for path in sources if "grafana" not in path.parts)
    bare = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in asked} - {"waywarden"}
    assert not [name for name in bare if f'"{name}"' not in code and ":" not in name]

"""The dashboard and the alert rules ask for metrics and labels that there are, in expressions that a parser of PromQL takes."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from ondol.infrastructure.telemetry.catalogue import METRICS, Metric

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "ondol.json").read_text("utf-8"))
RULES: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
CHARTS = [panel for panel in PANELS if panel["type"] != "row"]
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
EXPRESSIONS = [target["expr"] for panel in CHARTS for target in panel["targets"]] + [rule["expr"] for rule in ALERTS]

NAME = re.compile(r"\bondol_\w+")
SELECTED = re.compile(r"\b(ondol_\w+)\{([^}]*)\}")
GROUPED = re.compile(r"\b(?:by|ignoring)\s*\(([^)]*)\)")


def metric_of(name: str) -> Metric:
    """The metric of a name as Prometheus has it: a histogram is three of them."""
    for metric in METRICS:
        names = {metric.name + end for end in ("_bucket", "_sum", "_count")} if metric.kind == "histogram" else {metric.name}
        if name in names:
            return metric
    raise AssertionError(f"there is no metric {name}")


def substituted(expression: str) -> str:
    """The expression as Grafana sends it."""
    return expression.replace("$__rate_interval", "1m").replace("$model", ".*")


@pytest.mark.parametrize("expression", sorted(set(EXPRESSIONS)))
def test_an_expression_is_promql_over_what_there_is(expression: str) -> None:
    promql_parser.parse(substituted(expression))
    metrics = [metric_of(name) for name in NAME.findall(expression)]
    assert metrics
    labels = {label for metric in metrics for label in metric.labels} | ({"le"} if "_bucket" in expression else set())
    for group in GROUPED.findall(expression):
        assert {name.strip() for name in group.split(",")} <= labels
    for name, matchers in SELECTED.findall(expression):
        assert set(re.findall(r"(\w+)\s*[=!]~?", matchers)) <= {*metric_of(name).labels}, name


@pytest.mark.parametrize("expression", sorted(set(EXPRESSIONS)))
def test_counters_are_read_as_rates_and_gauges_are_not(expression: str) -> None:
    for name in NAME.findall(expression):
        wrapped = re.search(r"\b(rate|increase)\(\s*" + name + r"\b", expression) is not None
        assert wrapped == (metric_of(name).kind != "gauge"), name


def test_every_metric_is_shown() -> None:
    shown = {metric_of(name).name for target in EXPRESSIONS for name in NAME.findall(target)}
    assert {metric.name for metric in METRICS} - shown == set()


def test_every_panel_is_whole() -> None:
    assert DASHBOARD["uid"] == "ondol"
    assert DASHBOARD["schemaVersion"] >= 39
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert re.fullmatch(r"[^·]*[가-힣A-Z][^·]* · [A-Z][^·]*", panel["title"]), panel["title"]
    for panel in CHARTS:
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["options"]
        assert panel["targets"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]


def test_legends_name_labels_that_are_left() -> None:
    for panel in CHARTS:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            left = {name.strip() for group in re.findall(r"\bby\s*\(([^)]*)\)", target["expr"]) for name in group.split(",")}
            assert named <= left, panel["title"]


def test_panels_do_not_lie_on_one_another() -> None:
    places = [panel["gridPos"] for panel in PANELS]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_variables_ask_for_what_there_is() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert set(variables) == {"datasource", "model"}
    name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variables["model"]["query"]["query"]).groups()  # type: ignore[union-attr]
    assert label in metric_of(name).labels
    used = set(re.findall(r"\$(?!__)\{?(\w+)", json.dumps(PANELS)))
    assert used == set(variables)


def test_every_alert_says_what_to_do() -> None:
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "action"}

"""The chart's alerts are on metrics that there are."""

import re
from pathlib import Path

from tests.support.chart import CHART
from tests.support.helm import MINIMAL, one, render

METRICS = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
DOCUMENTED = set(re.findall(r"^\| `(sidecar_\w+)", METRICS, re.MULTILINE))


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"sidecar_\w+", text))


def test_every_metric_of_an_alert_is_documented(helm: Path) -> None:
    rules = one(render(helm, MINIMAL | {"prometheusRule": {"enabled": True}}), "PrometheusRule")["spec"]["groups"][0]

    for rule in rules["rules"]:
        assert metrics_in(rule["expr"]), rule
        assert metrics_in(rule["expr"]) | (metrics_in(rule["annotations"]["description"])) <= DOCUMENTED
        # Of this release alone: another one in the cluster has alerts of its own.
        assert rule["expr"].count('{namespace="logging",pod=~"test-fluent-sidecar-[a-z0-9]{5}"') == len(
            re.findall(r"sidecar_\w+", rule["expr"])
        )
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_what_is_worth_an_alert_has_one() -> None:
    worth = set()
    for paragraph in re.findall(r"Worth an alert: (.*?)\n\n", METRICS + "\n\n", re.DOTALL):
        worth |= metrics_in(paragraph)

    assert len(worth) > 5
    assert worth <= metrics_in((CHART / "templates/_alerts.tpl").read_text())

"""The dashboard of pod logs, those of all routes included."""

from collections.abc import Iterator

from sidecar.render import fields
from sidecar.render.dashboards.aggregations import by_value, count, greatest, newest
from sidecar.render.dashboards.board import WIDTH, Board, Row
from sidecar.render.dashboards.charts import bars_over_time, donut, table
from sidecar.render.dashboards.filters import is_
from sidecar.render.dashboards.objects import Json, saved_search, visualization
from sidecar.render.dashboards.patterns import LOGS, Pattern, Patterns

TITLE = "Pod logs"

_NAMESPACE = "kubernetes.namespace_name"
_STREAMS = {"stdout": "#54B399", "stderr": "#E7664C"}
_LEVELS = {
    "trace": "#B9A888",
    "debug": "#6092C0",
    "info": "#54B399",
    "warn": "#D6BF57",
    "error": "#E7664C",
    "fatal": "#AA2E25",
}
_ERRORS = is_(fields.LEVEL, "error", "fatal")


def board(patterns: Patterns, *, level: bool) -> Board:
    """The dashboard.

    Args:
        patterns: Index patterns.
        level: Whether lines have a severity; else what shows it is left out.
    """
    logs = patterns[LOGS]
    half = WIDTH // 2
    return Board(
        title=TITLE,
        description="What containers, and the nodes' own services, wrote.",
        since="now-1h",
        filters=[
            ("Cluster", logs, fields.CLUSTER),
            ("Namespace", logs, _NAMESPACE),
            ("Workload", logs, "workload.name"),
        ],
        rows=[
            Row(12, [(_by_stream(logs), half), (_by_namespace(logs), half)]),
            *(_severities(logs) if level else ()),
            Row(28, [(_latest(logs, level=level), WIDTH)]),
        ],
        note=logs.note,
    )


def _by_stream(logs: Pattern) -> Json:
    state = bars_over_time(count("lines"), by_value(logs, "stream", "stream", schema="group"))
    return visualization(f"{TITLE}: by stream", state, "Lines over time, by stdout and stderr", logs, colours=_STREAMS)


def _by_namespace(logs: Pattern) -> Json:
    state = bars_over_time(count("lines"), by_value(logs, _NAMESPACE, "namespace", schema="group"))
    return visualization(f"{TITLE}: by namespace", state, "Lines over time, of the ten namespaces with most", logs)


def _severities(logs: Pattern) -> Iterator[Row]:
    half = WIDTH // 2
    yield Row(12, [(_by_level(logs), half), (_levels(logs), half)])
    yield Row(14, [(_errors(logs), WIDTH)])


def _by_level(logs: Pattern) -> Json:
    state = bars_over_time(count("lines"), by_value(logs, fields.LEVEL, "severity", schema="group"))
    return visualization(
        f"{TITLE}: by severity", state, "Lines over time, by the severity that was found", logs, colours=_LEVELS
    )


def _levels(logs: Pattern) -> Json:
    state = donut(count("lines"), by_value(logs, fields.LEVEL, "severity", schema="segment", missing=True))
    text = "The share of each severity; (none) where a line names none"
    return visualization(f"{TITLE}: severities", state, text, logs, colours=_LEVELS)


def _errors(logs: Pattern) -> Json:
    metrics = [count("errors"), greatest(logs, fields.TIMESTAMP, "last seen"), newest(logs, fields.LOG, "last line")]
    buckets = [
        by_value(logs, _NAMESPACE, "namespace", schema="bucket", size=20),
        by_value(logs, "workload.name", "workload", schema="bucket", size=20, missing=True),
        by_value(logs, "kubernetes.container_name", "container", schema="bucket", size=5),
    ]
    return visualization(
        f"{TITLE}: errors by workload",
        table(metrics, buckets),
        "Lines of the severities error and fatal, by the workload that wrote them",
        logs,
        [_ERRORS],
    )


def _latest(logs: Pattern, *, level: bool) -> Json:
    columns = ["stream", *([fields.LEVEL] if level else []), _NAMESPACE, "kubernetes.pod_name", fields.LOG]
    return saved_search(f"{TITLE}: latest", logs, columns, "Lines, the newest first")

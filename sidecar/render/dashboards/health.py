"""The dashboard of the pipeline itself: what may be missing, what was refused, what arrives and how late."""

from collections.abc import Iterator

from sidecar.render import fields
from sidecar.render.dashboards.aggregations import (
    by_query,
    by_value,
    count,
    greatest,
    scripted,
    unique,
)
from sidecar.render.dashboards.board import WIDTH, Board, Row
from sidecar.render.dashboards.charts import bars_over_time, lines_over_time, number, table
from sidecar.render.dashboards.filters import is_
from sidecar.render.dashboards.objects import Json, saved_search, visualization
from sidecar.render.dashboards.patterns import (
    ALL,
    CONTROL_PLANE,
    DEAD_LETTERS,
    EVENTS,
    LOGS,
    Pattern,
    Patterns,
)

TITLE = "Pipeline health"

_GAPS = is_("kind", fields.GAP)
_STREAMS = {EVENTS: "events", LOGS: "pod logs", CONTROL_PLANE: "control plane"}
_NODE = "kubernetes.host"
_DELAY = (
    f"doc['{fields.OBSERVED}'].size() == 0 ? null : "
    f"(doc['{fields.OBSERVED}'].value.toInstant().toEpochMilli()"
    f" - doc['{fields.TIMESTAMP}'].value.toInstant().toEpochMilli()) / 1000.0"
)


def board(patterns: Patterns) -> Board:
    """The dashboard."""
    every, half = patterns[ALL], WIDTH // 2
    return Board(
        title=TITLE,
        description="Whether everything arrives, and how late.",
        since="now-24h",
        filters=[("Cluster", every, fields.CLUSTER)],
        rows=[
            Row(
                8, [(_gap_count(patterns[EVENTS]), 16), (_refused_count(patterns[DEAD_LETTERS]), 16), (_all(every), 16)]
            ),
            Row(12, [(_by_stream(patterns), half), (_by_cluster(every), half)]),
            *(_log_rows(patterns[LOGS]) if LOGS in patterns else ()),
            Row(14, [(_gaps(patterns[EVENTS]), half), (_refused(patterns[DEAD_LETTERS]), half)]),
        ],
        note=every.note,
    )


def _panel(name: str, state: Json, description: str, pattern: Pattern) -> Json:
    return visualization(f"{TITLE}: {name}", state, description, pattern)


def _gap_count(events: Pattern) -> Json:
    state = number(unique(events, "metadata.uid", "gaps"), alarming=True)
    return visualization(
        f"{TITLE}: gaps", state, "Times in which events, or versions of them, may be missing", events, [_GAPS]
    )


def _refused_count(letters: Pattern) -> Json:
    return _panel("refused", number(count("documents"), alarming=True), "Documents that OpenSearch refused", letters)


def _all(every: Pattern) -> Json:
    return _panel("all", number(count("documents")), "Documents of all kinds", every)


def _by_stream(patterns: Patterns) -> Json:
    queries = [(label, _among(patterns[key])) for key, label in _STREAMS.items() if key in patterns]
    state = bars_over_time(count("documents"), by_query(queries))
    return _panel("by stream", state, "Documents over time: events, pod logs, control plane", patterns[ALL])


def _among(pattern: Pattern) -> str:
    """The indices of a pattern, in Lucene's query language."""
    return " OR ".join(f"_index:{name}" for name in pattern.title.split(","))


def _by_cluster(every: Pattern) -> Json:
    state = bars_over_time(count("documents"), by_value(every, fields.CLUSTER, "cluster", schema="group"))
    return _panel("by cluster", state, "Documents over time, by the cluster that they are from", every)


def _log_rows(logs: Pattern) -> Iterator[Row]:
    half = WIDTH // 2
    over_time = bars_over_time(count("lines"), by_value(logs, _NODE, "node", schema="group"))
    last = table(
        [
            count("lines"),
            greatest(logs, fields.TIMESTAMP, "last line"),
            greatest(logs, fields.OBSERVED, "last read"),
        ],
        [
            by_value(logs, fields.CLUSTER, "cluster", schema="bucket", size=20),
            by_value(logs, _NODE, "node", schema="bucket", size=100),
        ],
    )
    yield Row(
        12,
        [
            (_panel("by node", over_time, "Lines over time, of the ten nodes with most", logs), half),
            (_panel("nodes", last, "When each node's last line was written, and read", logs), half),
        ],
    )
    number_field = "kubernetes.restart_count"
    delay = [
        scripted(logs, "avg", number_field, _DELAY, "average"),
        scripted(logs, "max", number_field, _DELAY, "longest"),
    ]
    yield Row(
        10,
        [
            (
                _panel(
                    "delay",
                    lines_over_time(delay, "seconds"),
                    "Seconds from the writing of a line to its reading; computed by a script",
                    logs,
                ),
                WIDTH,
            )
        ],
    )


def _gaps(events: Pattern) -> Json:
    columns = ["gap.from", "gap.to", "gap.cause", fields.CLUSTER, "message"]
    return saved_search(f"{TITLE}: latest gaps", events, columns, "From when to when events may be missing", [_GAPS])


def _refused(letters: Pattern) -> Json:
    columns = ["target.index", "error.type", "error.reason", fields.CLUSTER]
    return saved_search(f"{TITLE}: latest refused", letters, columns, "What OpenSearch refused, and why")

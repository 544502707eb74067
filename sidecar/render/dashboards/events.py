"""The dashboard of Kubernetes events.

Each update of an Event is a document of its own, so Events are counted by their uids. A gap looks like a warning, but
is no Event: only the list of the latest shows it.
"""

from sidecar.render import fields
from sidecar.render.dashboards.aggregations import by_value, greatest, newest, unique
from sidecar.render.dashboards.board import WIDTH, Board, Row
from sidecar.render.dashboards.charts import bars, bars_over_time, donut, number, table
from sidecar.render.dashboards.filters import Filter, at_least, is_, is_not
from sidecar.render.dashboards.objects import Json, saved_search, visualization
from sidecar.render.dashboards.patterns import EVENTS, Pattern, Patterns

TITLE = "Kubernetes events"

OPEN_FOR = "15m"
"""A warning that has not come again for so long counts as over. What goes on failing is said again every 5 minutes at
the latest: that is the longest back-off of the kubelet and of the scheduler, and as often client-go lets an Event
through that comes again and again."""

_COLOURS = {"Normal": "#54B399", "Warning": "#E7664C"}

_NO_GAPS = is_not("kind", fields.GAP)
_WARNINGS = (_NO_GAPS, is_("type", "Warning"))


def board(patterns: Patterns) -> Board:
    """The dashboard."""
    events = patterns[EVENTS]
    return Board(
        title=TITLE,
        description="What happens in the cluster, kept for longer than the hour that Kubernetes keeps it.",
        since="now-24h",
        filters=[("Cluster", events, fields.CLUSTER), ("Namespace", events, "metadata.namespace")],
        rows=[
            Row(12, [(_warnings(events), 10), (_timeline(events), WIDTH - 10)]),
            Row(14, [(_split(events), 12), (_by_namespace(events), 18), (_by_reason(events), 18)]),
            Row(16, [(_open(events), WIDTH)]),
            Row(24, [(_latest(events), WIDTH)]),
        ],
    )


def _events(events: Pattern, label: str) -> Json:
    return unique(events, "metadata.uid", label)


def _panel(name: str, state: Json, description: str, events: Pattern, *filters: Filter) -> Json:
    return visualization(f"{TITLE}: {name}", state, description, events, filters, colours=_COLOURS)


def _warnings(events: Pattern) -> Json:
    state = number(_events(events, "warnings"))
    return _panel("warnings", state, "How many events are of the type Warning", events, *_WARNINGS)


def _timeline(events: Pattern) -> Json:
    state = bars_over_time(_events(events, "events"), by_value(events, "type", "type", schema="group"))
    return _panel("by type", state, "Events over time, by type", events, _NO_GAPS)


def _split(events: Pattern) -> Json:
    state = donut(_events(events, "events"), by_value(events, "type", "type", schema="segment"))
    return _panel("normal and warning", state, "The share of warnings", events, _NO_GAPS)


def _by_namespace(events: Pattern) -> Json:
    state = bars(_events(events, "warnings"), by_value(events, "metadata.namespace", "namespace", schema="segment"))
    return _panel("warnings by namespace", state, "The namespaces with most warnings", events, *_WARNINGS)


def _by_reason(events: Pattern) -> Json:
    state = bars(_events(events, "warnings"), by_value(events, "reason", "reason", schema="segment"))
    return _panel("warnings by reason", state, "The reasons of most warnings", events, *_WARNINGS)


def _open(events: Pattern) -> Json:
    metrics = [
        _events(events, "warnings"),
        greatest(events, fields.TIMESTAMP, "last seen"),
        newest(events, "involvedObject.name", "last object"),
        newest(events, "message", "last message"),
    ]
    buckets = [
        by_value(events, "metadata.namespace", "namespace", schema="bucket", size=20, order=2, missing=True),
        by_value(events, "workload.kind", "kind", schema="bucket", size=5, order=2, missing=True),
        by_value(events, "workload.name", "workload", schema="bucket", size=20, order=2, missing=True),
        by_value(events, "reason", "reason", schema="bucket", size=10, order=2),
    ]
    recent = at_least(fields.TIMESTAMP, f"now-{OPEN_FOR}")
    return _panel(
        "workloads with open warnings",
        table(metrics, buckets),
        f"Workloads of which a warning was seen in the last {OPEN_FOR}; what belongs to none, as a node, is (none)",
        events,
        *_WARNINGS,
        recent,
    )


def _latest(events: Pattern) -> Json:
    columns = [
        "type",
        "reason",
        "metadata.namespace",
        "involvedObject.kind",
        "involvedObject.name",
        "count",
        "message",
    ]
    return saved_search(f"{TITLE}: latest", events, columns, "Events, the newest first; every update is one")

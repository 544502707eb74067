"""The dashboard of the control plane's logs: a row of panels for each of its parts, and what the audit log says."""

from collections.abc import Sequence

from sidecar.config.controlplane import LogType
from sidecar.render import fields
from sidecar.render.components import COMPONENTS
from sidecar.render.dashboards.aggregations import by_value, count, greatest
from sidecar.render.dashboards.board import WIDTH, Board, Row
from sidecar.render.dashboards.charts import bars, bars_over_time, donut, table
from sidecar.render.dashboards.filters import Filter, at_least, is_
from sidecar.render.dashboards.objects import Json, saved_search, visualization
from sidecar.render.dashboards.patterns import CONTROL_PLANE, Pattern, Patterns

TITLE = "Control-plane logs"

_NAMES: dict[LogType, str] = {
    "api": "API server",
    "audit": "Audit",
    "authenticator": "Authenticator",
    "controllerManager": "Controller manager",
    "scheduler": "Scheduler",
}
_CHART, _USERS = 14, 20
_MESSAGE = "@message"
_REFUSED = 400
_AUDIT_COLUMNS = (
    "audit.user.username",
    "audit.verb",
    "audit.objectRef.resource",
    "audit.objectRef.namespace",
    "audit.objectRef.name",
    "audit.responseStatus.code",
)


def board(patterns: Patterns, types: Sequence[LogType]) -> Board:
    """The dashboard.

    Args:
        patterns: Index patterns.
        types: Logs that are taken; each has its row.
    """
    logs = patterns[CONTROL_PLANE]
    return Board(
        title=TITLE,
        description="What the parts of the EKS control plane wrote, and who asked the API server for what.",
        since="now-1h",
        filters=[("Cluster", logs, fields.CLUSTER)],
        rows=[
            Row(10, [(_by_component(logs), WIDTH)]),
            *(row for kind in types for row in _rows(logs, kind)),
        ],
    )


def _rows(logs: Pattern, kind: LogType) -> list[Row]:
    only = is_("component", *COMPONENTS[kind])
    panels = Row(15, [(_over_time(logs, kind, only), _CHART), (_latest(logs, kind, only), WIDTH - _CHART)])
    return [panels, _audit(logs, only)] if kind == "audit" else [panels]


def _by_component(logs: Pattern) -> Json:
    state = bars_over_time(count("lines"), by_value(logs, "component", "component", schema="group"))
    return visualization(f"{TITLE}: by component", state, "Lines over time, by the component that wrote them", logs)


def _over_time(logs: Pattern, kind: LogType, only: Filter) -> Json:
    return visualization(
        f"{TITLE}: {_NAMES[kind]}, lines", bars_over_time(count("lines")), "Lines over time", logs, [only]
    )


def _latest(logs: Pattern, kind: LogType, only: Filter) -> Json:
    columns = _AUDIT_COLUMNS if kind == "audit" else ("component", _MESSAGE)
    return saved_search(f"{TITLE}: {_NAMES[kind]}, latest", logs, columns, "Lines, the newest first", [only])


def _audit(logs: Pattern, only: Filter) -> Row:
    verbs = donut(count("requests"), by_value(logs, "audit.verb", "verb", schema="segment", size=12))
    users = table(
        [count("requests"), greatest(logs, fields.TIMESTAMP, "last")],
        [
            by_value(logs, "audit.user.username", "user", schema="bucket", size=20),
            by_value(logs, "audit.verb", "verb", schema="bucket", size=12),
        ],
    )
    refused = bars(count("requests"), by_value(logs, "audit.user.username", "user", schema="segment"))
    # A watch has a line when it begins, and one when it ends.
    answered = [only, is_("audit.stage", "ResponseComplete")]
    failed = [*answered, at_least("audit.responseStatus.code", _REFUSED)]
    text = f"Requests that were answered with {_REFUSED} or more, by who asked"
    by_verb = visualization(f"{TITLE}: Audit, by verb", verbs, "Requests by what they do", logs, answered)
    by_user = visualization(f"{TITLE}: Audit, by user", users, "Who asked for what", logs, answered)
    by_failure = visualization(f"{TITLE}: Audit, refused by user", refused, text, logs, failed)
    return Row(15, [(by_verb, _CHART), (by_user, _USERS), (by_failure, WIDTH - _CHART - _USERS)])

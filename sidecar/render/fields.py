"""The fields that documents have: the one place that records, templates, queries and the reference take them from.

Names follow what users know already: Events as `kubectl get events -o json` shows them, pod logs as Fluent Bit's
kubernetes filter names them, control-plane logs as the function does that AWS offers.
"""

from dataclasses import dataclass
from enum import Enum

from sidecar.config import fixed

TIMESTAMP = fixed.TIMESTAMP
"""When it happened."""
OBSERVED = "observedTimestamp"
"""When Fluent Bit handed it on."""
ID = fixed.ID
"""What the document is, from its place in the source; also its `_id`."""
INDEX = "index"
"""The index that the document belongs to, so that it meets it on every way."""
CLUSTER = fixed.CLUSTER
"""The cluster's name."""
LOG = "log"
"""The text of a log record."""
DATA = fixed.DATA
"""The fields of a log record that is a JSON object."""
LEVEL = fixed.LEVEL
"""The severity of a log record."""

GAP = "EventGap"
"""The `kind` of a document that says that events may be missing."""

RECORD_FIELDS = (TIMESTAMP, ID, INDEX, CLUSTER)


class Kind(Enum):
    """How a field is mapped."""

    DATE = "date"
    LONG = "long"
    BOOLEAN = "boolean"
    KEYWORD = "keyword"
    """Exact, for filters, sorting and counts."""
    NAME = "name"
    """A keyword that also answers as `<field>.keyword`, as dashboards made for dynamic mappings ask for it."""
    TEXT = "text"
    """Words, for full-text search."""
    ANY = "any"
    """An object whose keys users name: searched by path, never in conflict, however they use it."""
    STORED = "stored"
    """In the document, but not searched."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a document.

    Attributes:
        name: Its path, such as `metadata.namespace`.
        kind: How it is mapped.
        text: What it is; empty where Kubernetes' own documentation says it.
        otel: The OpenTelemetry name for it, where there is one.
        ecs: The Elastic Common Schema's.
    """

    name: str
    kind: Kind
    text: str = ""
    otel: str = ""
    ecs: str = ""


def _reference(name: str) -> tuple[Field, ...]:
    """The fields of a reference to an object."""
    return (
        Field(f"{name}.kind", Kind.NAME),
        Field(f"{name}.name", Kind.NAME),
        Field(f"{name}.namespace", Kind.NAME),
        Field(f"{name}.labels", Kind.ANY),
        Field(f"{name}.annotations", Kind.ANY),
        Field(f"{name}.apiVersion", Kind.KEYWORD),
        Field(f"{name}.resourceVersion", Kind.KEYWORD),
        Field(f"{name}.uid", Kind.KEYWORD),
        Field(f"{name}.fieldPath", Kind.KEYWORD),
    )


_CLUSTER = Field(CLUSTER, Kind.NAME, "the cluster's name", "k8s.cluster.name", "orchestrator.cluster.name")
_INDEX = Field(INDEX, Kind.KEYWORD, "the index that the document belongs to")
_WORKLOAD = (
    Field("workload.kind", Kind.NAME, "kind of what made the pod: Deployment, StatefulSet, CronJob, ..."),
    Field("workload.name", Kind.NAME, "its name", "k8s.deployment.name, ...", "orchestrator.resource.name"),
)

EVENT_FIELDS = (
    Field(TIMESTAMP, Kind.DATE, "when the event was last seen", "Timestamp", "@timestamp"),
    Field(ID, Kind.KEYWORD, "`<metadata.uid>.<metadata.resourceVersion>`: each version is a document", "", "event.id"),
    _INDEX,
    _CLUSTER,
    Field("kind", Kind.NAME, "`Event`; `EventGap` where some may be missing"),
    Field("type", Kind.NAME, "Normal or Warning", "SeverityText", "event.type"),
    Field("reason", Kind.NAME, "", "k8s.event.reason", "event.reason"),
    Field("message", Kind.TEXT, "", "Body", "message"),
    Field("action", Kind.KEYWORD, "", "k8s.event.action", "event.action"),
    Field("count", Kind.LONG, "how often, so far", "k8s.event.count"),
    Field("firstTimestamp", Kind.DATE, "", "k8s.event.start_time", "event.start"),
    Field("lastTimestamp", Kind.DATE, "", "", "event.end"),
    Field("eventTime", Kind.DATE),
    Field("reportingComponent", Kind.NAME, "", "", "event.provider"),
    Field("reportingInstance", Kind.KEYWORD),
    Field("source.component", Kind.NAME, "", "", "event.provider"),
    Field("source.host", Kind.NAME, "", "k8s.node.name", "kubernetes.node.name"),
    Field("series.count", Kind.LONG),
    Field("series.lastObservedTime", Kind.DATE),
    *_reference("involvedObject"),
    *_reference("related"),
    Field("metadata.name", Kind.NAME, "", "k8s.event.name"),
    Field("metadata.namespace", Kind.NAME, "", "k8s.namespace.name", "kubernetes.namespace"),
    Field("metadata.uid", Kind.KEYWORD, "", "k8s.event.uid"),
    Field("metadata.resourceVersion", Kind.KEYWORD),
    Field("metadata.creationTimestamp", Kind.DATE, "", "", "event.created"),
    Field("metadata.labels", Kind.ANY),
    Field("metadata.annotations", Kind.ANY),
    *_WORKLOAD,
    Field("gap.from", Kind.DATE, "of an `EventGap`: what was written after it may be missing"),
    Field("gap.to", Kind.DATE, "... and before this"),
    Field("gap.cause", Kind.KEYWORD, "`history`: versions of events, `outage`: whole events"),
    Field("gap.fromResourceVersion", Kind.KEYWORD),
    Field("gap.toResourceVersion", Kind.KEYWORD),
)
"""Of an Event."""

LOG_FIELDS = (
    Field(
        TIMESTAMP, Kind.DATE, "when the line was written, to the nanosecond in the document", "Timestamp", "@timestamp"
    ),
    Field(OBSERVED, Kind.DATE, "when Fluent Bit read it", "ObservedTimestamp", "event.ingested"),
    Field(
        ID,
        Kind.STORED,
        "`<pod uid>/<container>/<restart>/<o or e>/<time>/<offset>`: the place of its first byte; also `_id`",
        "log.record.uid",
        "event.id",
    ),
    Field(INDEX, Kind.STORED, "the index that the document belongs to"),
    _CLUSTER,
    Field(LOG, Kind.TEXT, "the line, or the lines of one record, as written", "Body", "message"),
    Field("stream", Kind.NAME, "stdout or stderr", "log.iostream", "stream"),
    Field(
        LEVEL,
        Kind.NAME,
        "severity, where one is found: trace, debug, info, warn, error, fatal",
        "SeverityText",
        "log.level",
    ),
    Field(DATA, Kind.ANY, "the fields of a line that is a JSON object", "Attributes", "labels"),
    Field("truncated", Kind.BOOLEAN, "true where the line was longer than `logs.maxLine`", "", "log.flags"),
    Field("kubernetes.namespace_name", Kind.NAME, "", "k8s.namespace.name", "kubernetes.namespace"),
    Field("kubernetes.pod_name", Kind.NAME, "", "k8s.pod.name", "kubernetes.pod.name"),
    Field("kubernetes.pod_id", Kind.KEYWORD, "the pod's uid", "k8s.pod.uid", "kubernetes.pod.uid"),
    Field("kubernetes.container_name", Kind.NAME, "", "k8s.container.name", "kubernetes.container.name"),
    Field("kubernetes.restart_count", Kind.LONG, "which run of the container", "k8s.container.restart_count"),
    Field("kubernetes.host", Kind.NAME, "the node", "k8s.node.name", "kubernetes.node.name"),
    Field("kubernetes.labels", Kind.ANY, "the pod's labels", "k8s.pod.label.*", "kubernetes.labels.*"),
    *_WORKLOAD,
    Field("systemd.unit", Kind.NAME, "of a line from systemd's journal", "", "systemd.unit"),
    Field("systemd.identifier", Kind.KEYWORD, "the program that wrote it", "", "log.syslog.appname"),
    Field("systemd.pid", Kind.LONG, "", "process.pid", "process.pid"),
)
"""Of a log record."""

CONTROL_PLANE_FIELDS = (
    Field(TIMESTAMP, Kind.DATE, "when it was written", "Timestamp", "@timestamp"),
    _CLUSTER,
    Field("@id", Kind.KEYWORD, "CloudWatch's id of the line; also `_id`", "log.record.uid", "event.id"),
    Field("@message", Kind.TEXT, "the line as it was written", "Body", "message"),
    Field("@log_group", Kind.NAME, "CloudWatch's log group", "aws.log.group.names", "aws.cloudwatch.log_group"),
    Field(
        "@log_stream",
        Kind.TEXT,
        "its log stream; with `source: node` the pod, or the file of the audit log",
        "aws.log.stream.names",
        "aws.cloudwatch.log_stream",
    ),
    Field("@owner", Kind.KEYWORD, "the AWS account", "cloud.account.id", "cloud.account.id"),
    Field("component", Kind.NAME, "kube-apiserver, audit, authenticator, ...", "service.name", "service.name"),
    Field(LEVEL, Kind.NAME, "severity", "SeverityText", "log.level"),
    Field("message", Kind.TEXT, "what the program says, without the rest of the line", "Body", "message"),
    Field("source", Kind.KEYWORD, "file and line of the program", "code.file.path", "log.origin.file.name"),
    Field(DATA, Kind.ANY, "the named values of a line", "Attributes", "labels"),
    Field("truncated", Kind.BOOLEAN, "true where the end of the line is missing", "", "log.flags"),
    Field("authenticator.arn", Kind.NAME, "who asked for access, by AWS", "", "user.id"),
    Field("authenticator.username", Kind.NAME, "... and by Kubernetes", "user.name", "user.name"),
    Field("authenticator.groups", Kind.KEYWORD, "their groups", "", "user.group.name"),
    Field("authenticator.client", Kind.KEYWORD, "from where", "client.address", "client.address"),
    Field(OBSERVED, Kind.DATE, "with `source: node`: when Fluent Bit read it", "ObservedTimestamp", "event.ingested"),
    Field(ID, Kind.STORED, "with `source: node`: the place of the line, or what the audit event is; also `_id`"),
    Field(INDEX, Kind.STORED, "with `source: node`: the index that the document belongs to"),
    Field("kubernetes.host", Kind.NAME, "with `source: node`: the node", "k8s.node.name", "kubernetes.node.name"),
    Field("audit.auditID", Kind.KEYWORD),
    Field("audit.level", Kind.KEYWORD),
    Field("audit.stage", Kind.KEYWORD),
    Field("audit.verb", Kind.NAME, "", "", "event.action"),
    Field("audit.requestURI", Kind.KEYWORD, "", "url.path", "url.original"),
    Field("audit.userAgent", Kind.KEYWORD, "", "user_agent.original", "user_agent.original"),
    Field("audit.sourceIPs", Kind.KEYWORD, "", "client.address", "source.ip"),
    Field("audit.user.username", Kind.NAME, "", "user.name", "user.name"),
    Field("audit.user.uid", Kind.KEYWORD, "", "user.id", "user.id"),
    Field("audit.user.groups", Kind.KEYWORD, "", "", "user.group.name"),
    Field("audit.user.extra", Kind.ANY),
    Field("audit.impersonatedUser.username", Kind.NAME, "", "", "user.effective.name"),
    Field("audit.impersonatedUser.uid", Kind.KEYWORD, "", "", "user.effective.id"),
    Field("audit.impersonatedUser.groups", Kind.KEYWORD, "", "", "user.effective.group.name"),
    Field("audit.objectRef.resource", Kind.NAME),
    Field("audit.objectRef.subresource", Kind.KEYWORD),
    Field("audit.objectRef.namespace", Kind.NAME, "", "k8s.namespace.name", "kubernetes.namespace"),
    Field("audit.objectRef.name", Kind.NAME),
    Field("audit.objectRef.uid", Kind.KEYWORD),
    Field("audit.objectRef.apiGroup", Kind.KEYWORD),
    Field("audit.objectRef.apiVersion", Kind.KEYWORD),
    Field("audit.objectRef.resourceVersion", Kind.KEYWORD),
    Field("audit.responseStatus.code", Kind.LONG, "", "http.response.status_code", "http.response.status_code"),
    Field("audit.responseStatus.status", Kind.KEYWORD),
    Field("audit.responseStatus.reason", Kind.KEYWORD),
    Field("audit.responseStatus.message", Kind.TEXT, "", "exception.message", "error.message"),
    Field("audit.requestReceivedTimestamp", Kind.DATE, "", "", "event.start"),
    Field("audit.stageTimestamp", Kind.DATE, "", "", "event.end"),
    Field("audit.annotations", Kind.ANY, "why the request was allowed or not"),
    Field("audit.requestObject", Kind.STORED, "the beginning of the request's body, as text"),
    Field("audit.responseObject", Kind.STORED, "the beginning of the answer's body, as text"),
)
"""Of a line of the control plane."""

DEAD_LETTER_FIELDS = (
    Field(TIMESTAMP, Kind.DATE, "when it was refused"),
    Field(ID, Kind.KEYWORD, "the refused document's"),
    _CLUSTER,
    Field("target.index", Kind.KEYWORD, "where it was to go"),
    Field("error.status", Kind.LONG, "OpenSearch's status"),
    Field("error.type", Kind.KEYWORD, "its error, such as mapper_parsing_exception", "error.type", "error.type"),
    Field("error.reason", Kind.TEXT, "its reason", "exception.message", "error.message"),
    Field("document", Kind.TEXT, "the document as it was, as text"),
)
"""Of a document that OpenSearch refused."""

"""The names of the fields that documents have: the one place that records, templates and queries take them from.

Events follow the names that `kubectl get events -o json` shows; those that fluent-sidecar adds are listed first.
"""

TIMESTAMP = "@timestamp"
"""When the event was last seen; OpenTelemetry: Timestamp, ECS: @timestamp."""
ID = "id"
"""`<metadata.uid>.<metadata.resourceVersion>`: every version of an Event is a document of its own."""
INDEX = "index"
"""The index that the document belongs to, so that it meets it on every way."""
CLUSTER = "cluster"
"""The cluster's name; OpenTelemetry: k8s.cluster.name, ECS: orchestrator.cluster.name."""

RECORD_FIELDS = (TIMESTAMP, ID, INDEX, CLUSTER)

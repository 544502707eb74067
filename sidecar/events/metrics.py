"""What the events' way counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge

_PREFIX = "sidecar_events"


class EventMetrics:
    """Prometheus metrics of the events, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"{_PREFIX}_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"{_PREFIX}_{name}", text, registry=registry)

        self.received = counter("received", "Events that the API server sent, listed or watched.", "source")
        self.left_out = counter("left_out", "Events that events.include or events.exclude leaves out.")
        self.journaled = counter("journaled", "Events written to the journal.")
        self.confirmed = counter("confirmed", "Events of the journal that are in OpenSearch.")
        self.resent = counter("resent", "Events that the sidecar sent itself, because they did not arrive in time.")
        self.dead_lettered = counter("dead_lettered", "Events that OpenSearch refused, kept in the dead-letter index.")
        self.unreadable = counter(
            "unreadable_lines", "Whole lines of the journal that are no events: damaged, or written by somebody else."
        )
        self.lists = counter("lists", "Complete lists of events.", "cause")
        self.watch_ends = counter("watch_ends", "Watches that ended.", "cause")
        self.errors = counter("errors", "Failed attempts, which are repeated.", "link")
        self.journal_bytes = gauge("journal_bytes", "What the journal takes on disk.")
        self.oldest_unconfirmed = gauge(
            "oldest_unconfirmed_seconds", "How long the oldest unconfirmed batch has been waiting."
        )
        self.enriched = counter("enriched", "Events with the labels of the object that they are about.")
        self.unenriched = counter("unenriched", "Events without them.", "cause")
        self.lookups = counter("lookups", "Requests for labels and owners of objects.", "resource", "result")
        self.known_objects = gauge("known_objects", "Objects whose labels and workload are remembered.")
        self.gaps = counter("gaps", "Spans in which events may be missing, each a document of kind EventGap.", "cause")
        self.position_age = gauge(
            "position_age_seconds", "For how long the watch has shown nothing, not even that there is nothing."
        )
        self.watching = gauge("watching", "1 while a watch on events is open.")

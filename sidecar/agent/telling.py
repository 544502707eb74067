"""What is said of a changed pipeline.yaml: a log line, a metric, and a Kubernetes Event on the pod."""

import logging

from prometheus_client import CollectorRegistry, Counter, Gauge

from sidecar.kube.podevents import PodEvents

log = logging.getLogger(__name__)

_BAD = {
    "invalid": "ConfigInvalid",
    "rejected": "ConfigRejected",
    "failed": "ConfigNotApplied",
}


class Telling:
    """Says it once: what was said last is not said again.

    Args:
        events: Of the pod.
        registry: For the metrics.
    """

    def __init__(self, events: PodEvents, registry: CollectorRegistry) -> None:
        self._events = events
        self._last = ""
        self._valid = Gauge("sidecar_config_valid", "1 while pipeline.yaml is what is in force.", registry=registry)
        self._changes = Counter(
            "sidecar_config_changes", "Changes of pipeline.yaml, by what came of them.", ["result"], registry=registry
        )
        self._set_valid(True)

    def fresh(self) -> None:
        """The file is another one: what is wrong with it is news, whatever was said before."""
        self._last = ""

    def applied(self, text: str) -> None:
        """A change has taken effect."""
        self._set_valid(True)
        self._changes.labels("applied").inc()
        self._last = ""
        log.info("%s", text)
        self._events.tell("Normal", "ConfigApplied", text)

    def valid(self) -> None:
        """The file says what is in force."""
        if not self._is_valid:
            log.info("pipeline.yaml is again what is in force")
        self._set_valid(True)

    def bad(self, result: str, text: str) -> None:
        """A change has not taken effect.

        Args:
            result: `invalid`, `rejected` or `failed`; the last is tried again.
            text: Why, and what is in force instead.
        """
        self._set_valid(False)
        if text == self._last:
            return
        self._last = text
        self._changes.labels(result).inc()
        log.error("%s", text)
        self._events.tell("Warning", _BAD[result], text)

    def waiting(self, keys: tuple[str, ...]) -> None:
        """Some keys wait for a new pod."""
        text = f"pipeline.yaml: {', '.join(keys)}: takes effect in a new pod; until then this one keeps what it has"
        log.warning("%s", text)
        self._events.tell("Warning", "ConfigNeedsNewPod", text)

    def _set_valid(self, valid: bool) -> None:
        self._is_valid = valid
        self._valid.set(valid)

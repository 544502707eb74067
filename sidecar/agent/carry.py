"""Metrics that outlive a change of the configuration: the counters of what was before are added to those of now."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

_Key = tuple[str, tuple[tuple[str, str], ...]]
_OWN = "container"
"""A label of counters that are read from the filter's own file again: those begin anew."""


class Carried(Collector):
    """Shows the registry of the parts that run now."""

    def __init__(self) -> None:
        self._registry: CollectorRegistry | None = None
        self._before: dict[str, dict[_Key, float]] = {}

    def follow(self, registry: CollectorRegistry) -> None:
        """From now on show another registry, whose counters begin at 0."""
        self._before = {
            metric.name: {_key(sample): sample.value for sample in metric.samples}
            for metric in self.collect()
            if metric.type == "counter"
        }
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        for metric in self._registry.collect() if self._registry else ():
            before = self._before.get(metric.name)
            if before and metric.type == "counter":
                metric.samples = list(_added(metric.samples, before))
            yield metric


def _added(now: list[Sample], before: dict[_Key, float]) -> Iterator[Sample]:
    keys = set()
    for sample in now:
        key = _key(sample)
        keys.add(key)
        more = 0.0 if _OWN in sample.labels else before.get(key, 0.0)
        yield sample._replace(value=sample.value + more)
    for (name, labels), value in before.items():
        if (name, labels) not in keys and _OWN not in dict(labels):
            yield Sample(name, dict(labels), value)


def _key(sample: Sample) -> _Key:
    return sample.name, tuple(sorted(sample.labels.items()))

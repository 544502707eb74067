"""Alerts on pod logs."""

from collections.abc import Iterator
from typing import Any

from sidecar.config.model import Config
from sidecar.config.units import format_duration
from sidecar.render import fields
from sidecar.render.alerts.alert import Alert
from sidecar.render.alerts.message import each
from sidecar.render.alerts.query import (
    between,
    groups,
    largest,
    pattern,
    search,
    shortened_document,
    terms,
)
from sidecar.render.indices import log_families

Json = dict[str, Any]

_NAMESPACE, _POD, _CONTAINER, _NODE = (
    f"kubernetes.{name}" for name in ("namespace_name", "pod_name", "container_name", "host")
)

_UNKNOWN = "unknown"


def log_alerts(config: Config) -> Iterator[Alert]:
    """Those that the configuration has the documents for."""
    if not config.logs.enabled:
        return
    if config.logs.level:
        yield _errors(config)
    yield _node_silence(config)


def _indices(config: Config) -> list[str]:
    return [pattern(family) for family in log_families(config)]


def _errors(config: Config) -> Alert:
    wanted = config.alerts.monitors.errors
    bad = terms(fields.LEVEL, ["error", "fatal"])
    # Where the API server is not asked for a pod's workload, its container's name comes next. Where it is, a pod is not
    # known in its first moments, or while the sidecar may not read pods; its lines count all the same.
    names: list[Json] = [{"field": _CONTAINER}]
    if config.logs.metadata == "api":
        names = [{"field": name, "missing": _UNKNOWN} for name in ("workload.kind", "workload.name")]
    parts: Json = {
        "errors": {"filter": bad, "aggregations": {"newest": shortened_document(fields.LOG, _POD, _CONTAINER)}},
    }
    paths = {"errors": "errors>_count"}
    condition = f"params.errors > {wanted.above}"
    told = f"more than {wanted.above}"
    if wanted.share:
        paths["lines"] = "_count"
        condition += f" && params.errors * 100 > params.lines * {wanted.share}"
        told += f" and {wanted.share} %"
    found = groups(
        [{"field": _NAMESPACE}, *names],
        parts,
        paths=paths,
        condition=condition,
        order="errors",
    )
    return Alert(
        key="errors",
        title="a workload logs many errors",
        severity=3,
        enabled=wanted.enabled,
        period=wanted.period,
        indices=_indices(config),
        search=search(config, wanted.period, *([] if wanted.share else [bad]), aggregations=found),
        condition=condition,
        paths=paths,
        text=each(
            "{{errors.doc_count}} errors in {{doc_count}} lines; newest: {{#errors.newest.hits.hits}}"
            "{{{_source.kubernetes.pod_name}}} {{{_source.kubernetes.container_name}}}: "
            "{{#fields.log}}{{{.}}}{{/fields.log}}"
            "{{/errors.newest.hits.hits}}"
        )
        + f"In {format_duration(wanted.period)}, {told}. Look at: kubectl logs -n NAMESPACE POD; or the pod logs in "
        "OpenSearch Dashboards, filtered by namespace, workload and level",
    )


def _node_silence(config: Config) -> Alert:
    wanted = config.alerts.monitors.node_silence
    parts = {
        "now": {"filter": between(wanted.period)},
        "before": {"filter": between(wanted.within, wanted.period)},
        "latest": largest(fields.TIMESTAMP),
    }
    paths = {"now": "now>_count", "before": "before>_count"}
    condition = f"params.now == 0 && params.before > {wanted.above}"
    found = groups([{"field": _NODE}], parts, paths=paths, condition=condition, order="before")
    return Alert(
        key="node-silence",
        title="a node sends no pod logs any more",
        severity=2,
        enabled=wanted.enabled,
        period=wanted.period,
        indices=_indices(config),
        search=search(config, wanted.within, aggregations=found),
        condition=condition,
        paths=paths,
        text=each("{{before.doc_count}} lines before, the last at {{{latest.value_as_string}}}", name="key")
        + f"Nothing for {format_duration(wanted.period)}. If the node was removed, all is well, and this ends "
        f"{format_duration(wanted.within)} after its last line. Look at: kubectl describe node NODE; "
        "kubectl get pods -A --field-selector spec.nodeName=NODE; sidecar doctor",
    )

"""Alerts on what arrives, or doesn't."""

from collections.abc import Iterator

from sidecar.config.model import Config
from sidecar.config.units import format_duration
from sidecar.render import fields
from sidecar.render.alerts.alert import Alert
from sidecar.render.alerts.message import newest
from sidecar.render.alerts.query import pattern, search
from sidecar.render.indices import DEAD_LETTER, log_families


def flow_alerts(config: Config) -> Iterator[Alert]:
    """All of them."""
    yield _silence(config)
    yield _dead_letters(config)


def _silence(config: Config) -> Alert:
    wanted = config.alerts.monitors.silence
    logs = log_families(config) if config.logs.enabled else []
    return Alert(
        key="silence",
        title="the cluster sends nothing",
        severity=1,
        enabled=wanted.enabled,
        period=wanted.period,
        indices=[pattern(config.events), *(pattern(family) for family in logs)],
        search=search(config, wanted.period, aggregations={}),
        condition="ctx.results[0].hits.total.value == 0",
        text=(
            f"Not one document in {format_duration(wanted.period)}: nothing else is alerted on either.\n"
            "Look at: sidecar doctor; kubectl get pods -A -l app.kubernetes.io/name=fluent-sidecar"
        ),
    )


def _dead_letters(config: Config) -> Alert:
    wanted = config.alerts.monitors.dead_letters
    return Alert(
        key="dead-letters",
        title="documents that OpenSearch refused",
        severity=2,
        enabled=wanted.enabled,
        period=wanted.period,
        # The `*` is for an index that isn't there before the first of them; no other one begins like that.
        indices=[f"{DEAD_LETTER}*"],
        search=search(config, wanted.period, aggregations={}, newest=["target.index", "error", fields.ID]),
        condition=f"ctx.results[0].hits.total.value > {wanted.above}",
        text=(
            f"{{{{ctx.results.0.hits.total.value}}}} in {format_duration(wanted.period)}\n"
            f"Newest: {newest('for {{{_source.target.index}}}: {{{_source.error.type}}}, {{{_source.error.reason}}}')}"
            "\n"
            f"Look at: the index {DEAD_LETTER}, which has the documents as text"
        ),
    )

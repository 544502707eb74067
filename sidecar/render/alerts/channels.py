"""Notification channels: where alerts go. A file has a reference in place of an address, which is a secret."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from sidecar.config.model import Config

Json = dict[str, Any]

KINDS = ("slack", "chime", "microsoft_teams", "webhook", "sns")
"""As the plugin calls them."""
_SLUG = 60


def channels(config: Config) -> dict[str, Json]:
    """Channels by kind, such as `slack`, each as it is sent, but for `config.KIND.url`: that is a reference."""
    return {
        kind: {
            "config_id": channel_id(config.cluster, kind),
            "config": {
                "name": f"fluent-sidecar {config.cluster}: {kind}",
                "description": "Made by fluent-sidecar from pipeline.yaml; a change here is overwritten.",
                "config_type": kind,
                "is_enabled": True,
                kind: content,
            },
        }
        for kind, content in _contents(config)
    }


def channel_ids(config: Config) -> list[tuple[str, str]]:
    """Kind and id of every channel that an alert goes to; those that were made by hand are of the kind `existing`."""
    channel = config.alerts.channel
    made = [(kind, str(body["config_id"])) for kind, body in channels(config).items()]
    return [*made, *(("existing", found) for found in (channel.existing if channel else ()))]


def channel_id(cluster: str, kind: str) -> str:
    """An id that is ours alone, for one kind in one cluster: a channel's kind can't be changed."""
    slug = re.sub("[^A-Za-z0-9]+", "-", cluster).strip("-")
    if slug != cluster or len(slug) > _SLUG:
        slug = f"{slug[:_SLUG]}-{hashlib.sha256(cluster.encode()).hexdigest()[:8]}"
    return f"fluent-sidecar-{slug}-{kind}"


def _contents(config: Config) -> Iterator[tuple[str, Json]]:
    channel = config.alerts.channel
    if not channel:
        return
    for kind in ("slack", "chime", "microsoft_teams"):
        given = getattr(channel, kind)
        if given:
            yield kind, given.model_dump(exclude_none=True)
    if channel.webhook:
        more = {"header_params": {"Content-Type": "application/json"}, "method": "POST"}
        yield "webhook", {**channel.webhook.model_dump(exclude_none=True), **more}
    if channel.sns:
        yield "sns", channel.sns.model_dump(exclude_none=True)

"""Notification channels, for the notifications plugin: one of a kind in a cluster, by an id of our own.

The plugin gives addresses back as they are, so a new one in the secret is noticed. They are shown as digests.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

from sidecar.config import Config, SecretRef, resolve
from sidecar.errors import OpenSearchError, OpenSearchUnavailable, SecretError
from sidecar.opensearch.client import Client, RefusedError
from sidecar.opensearch.manage.alike import alike
from sidecar.opensearch.manage.kind import Item, Json, Kind, Present
from sidecar.opensearch.manage.server import Feature, Server
from sidecar.render.alerts import channels
from sidecar.render.alerts.channels import KINDS, channel_id

_PATH = "/_plugins/_notifications/configs"
_PAGE = 500
_NOT_FOUND, _CONFLICT = 404, 409
_NO_JSON = "is not JSON"


class Channels(Kind):
    """See the module. Names are ids, such as `fluent-sidecar-my-cluster-slack`."""

    title = "notification channel"

    def __init__(self, config: Config, client: Client) -> None:
        self._client = client
        self._obstacles: dict[str, str] = {}
        self._none = False
        self._rendered = channels(config)
        self._ours = {channel_id(config.cluster, kind) for kind in KINDS}

    @cached_property
    def wanted(self) -> Mapping[str, Json]:
        """By id; with the addresses, so they are for `put` and `canonical` alone."""
        found: dict[str, Json] = {}
        for kind, rendered in self._rendered.items():
            name, body = str(rendered["config_id"]), dict(rendered["config"])
            content = dict(body[kind])
            if "url" in content:
                content["url"] = self._address(kind, name, content["url"])
            found[name] = {**body, kind: content}
        return found

    def present(self) -> Mapping[str, Present]:
        """All that this cluster can have."""
        if self._none:
            return {}
        found: dict[str, Present] = {}
        for entry in self._entries():
            name, body = str(entry.get("config_id", "")), entry.get("config")
            if name in self._ours and isinstance(body, dict):
                found[name] = Present(alike(body, self.wanted.get(name, body)), ours=True)
        return found

    def canonical(self, body: Json) -> Json:
        """Without addresses."""
        kind = str(body.get("config_type", ""))
        content = body.get(kind)
        if not isinstance(content, dict):
            return dict(body)
        return {**body, kind: {key: _digest(value) if key == "url" else value for key, value in content.items()}}

    def put(self, item: Item) -> str:
        """Create or replace one."""
        kind = str(item.body["config_type"])
        try:
            self._put(item.name, item.body, exists=item.before is not None)
        except OpenSearchError as error:
            raise _without(error, str(item.body[kind].get("url", ""))) from None
        return ""

    def delete(self, name: str, before: Present) -> None:
        """Delete one."""
        try:
            self._client.request("DELETE", f"{_PATH}/{quote(name, safe='')}")
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise

    def unsupported(self, server: Server) -> str:
        """Without the plugin."""
        # Who wants no channel doesn't miss the plugin.
        self._none = not self._rendered and Feature.NOTIFICATIONS not in server.features
        if self._none or Feature.NOTIFICATIONS in server.features:
            return ""
        return "the server lacks the notifications plugin: alerts are shown in OpenSearch Dashboards, and sent nowhere"

    def obstacle(self, name: str) -> str:
        """An address that can't be had."""
        return self._obstacles.get(name, "")

    def kept(self, before: Present) -> Json:
        """Without the address."""
        return self.canonical(before.body)

    def _address(self, kind: str, name: str, reference: Mapping[str, str]) -> str:
        key = {"microsoft_teams": "microsoftTeams"}.get(kind, kind)
        try:
            url = resolve(SecretRef(**reference), name=f"alerts.channel.{key}.url")
        except SecretError as error:
            self._obstacles[name] = str(error)
            return ""
        if not url.startswith(("https://", "http://")) or not url.isprintable() or " " in url:
            self._obstacles[name] = f"alerts.channel.{key}.url: what is there is no address (https://...)"
            return ""
        return url

    def _entries(self) -> Iterator[Json]:
        at = 0
        while True:
            # By what never changes, so that no page misses one; the plugin sorts by no id.
            params = {"from_index": at, "max_items": _PAGE, "sort_field": "created_time_ms"}
            try:
                answer = self._client.request("GET", _PATH, params=params)
            except OpenSearchUnavailable as error:
                # Half an answer has addresses in it, also those of other people's channels.
                what, cut, _ = error.what.partition(_NO_JSON)
                raise OpenSearchUnavailable(f"{what}{cut}", hint=error.hint) from None
            entries = answer.get("config_list") if isinstance(answer, dict) else None
            if not isinstance(entries, list):
                raise OpenSearchUnavailable(f"OpenSearch at {self._client.url}: a list of channels has none in it")
            yield from (entry for entry in entries if isinstance(entry, dict))
            at += len(entries)
            if not entries or at >= int(answer.get("total_hits") or 0):
                return

    def _put(self, name: str, body: Json, *, exists: bool) -> None:
        path = f"{_PATH}/{quote(name, safe='')}"
        if exists:
            self._client.request("PUT", path, {"config": body})
            return
        try:
            self._client.request("POST", _PATH, {"config_id": name, "config": body})
        except RefusedError as error:
            if error.status != _CONFLICT:
                raise
            self._client.request("PUT", path, {"config": body})  # somebody else was a moment earlier


def _digest(value: Any) -> str:
    return f"sha256:{hashlib.sha256(str(value).encode()).hexdigest()[:16]}"


def _without(error: OpenSearchError, secret: str) -> OpenSearchError:
    """The error without an address that the server may have repeated."""
    kind = type(error)
    origin = "/".join(secret.split("/", 3)[:3])
    # Also what is left of it where the message was cut. An address has no spaces.
    what = re.sub(rf"{re.escape(origin)}\S*", "***", error.what, flags=re.IGNORECASE) if secret else error.what
    if what == error.what:
        return error
    safe = kind(what, hint=error.hint)
    if isinstance(safe, RefusedError) and isinstance(error, RefusedError):
        safe.status = error.status
    return safe

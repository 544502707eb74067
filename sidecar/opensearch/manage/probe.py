"""Asks a server what it is, before anything is put there; refuses what can't work, with the reason."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sidecar.config.model import OLDEST_OPENSEARCH, version_tuple
from sidecar.errors import OpenSearchError
from sidecar.opensearch.client import Client, RefusedError
from sidecar.opensearch.manage.server import Feature, Server

_SERVERLESS = (
    "OpenSearch Serverless takes no documents with ids of their own in its time-series collections, so that a retry "
    "would double them, and has neither policies nor alerts"
)
_COMPATIBLE = "7.10.2"
"""What a domain in compatibility mode says instead of its version."""
_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})+(-|\Z)")
_MAPPINGS = (
    ((2, 12), "log lines as match_only_text, a third of the space of text"),
    ((2, 15), "labels, annotations and JSON as flat_object, which can be searched"),
)
"""From which version on fields are mapped in another way; see sidecar.render.templates."""
_PLUGINS = {
    Feature.ISM: "opensearch-index-management",
    Feature.ALERTING: "opensearch-alerting",
    Feature.NOTIFICATIONS: "opensearch-notifications",
    Feature.SECURITY: "opensearch-security",
}
_ENDPOINTS = {
    Feature.ISM: "/_plugins/_ism/policies",
    Feature.ALERTING: "/_plugins/_alerting/monitors/alerts",
    Feature.NOTIFICATIONS: "/_plugins/_notifications/features",
    Feature.SECURITY: "/_plugins/_security/authinfo",
}
NO_DIFFERENCE = "nothing that is put in place differs between the two"
"""The end of a note that asks nobody to do anything."""
_ABSENT = frozenset({400, 404, 405})
_NOT_FOUND = 404
_AMAZON = (".es.amazonaws.com", ".aos.on.aws")


def probe(client: Client, version: str) -> Server:
    """What the server is.

    Args:
        client: OpenSearch.
        version: `opensearch.version` of pipeline.yaml.

    Raises:
        OpenSearchError: It can't be asked; it is Elasticsearch, Serverless, too old, or older than `version` in a way
            that loses documents.
    """
    number, notes = _number(client, version)
    amazon = (urlsplit(client.url).hostname or "").endswith(_AMAZON)
    numbers = version_tuple(number)
    if numbers < OLDEST_OPENSEARCH:
        oldest = ".".join(map(str, OLDEST_OPENSEARCH))
        raise OpenSearchError(
            f"OpenSearch at {client.url} is {number}, and the oldest that works is {oldest}",
            hint="upgrade it; before 2.11 there is no mapping that rejects no document",
        )
    return Server(number, features(client, amazon=amazon), amazon, (*notes, *_compared(version, number)))


def _number(client: Client, version: str) -> tuple[str, list[str]]:
    try:
        root = client.request("GET", "/")
    except RefusedError as error:
        if error.status != _NOT_FOUND:
            raise
        raise OpenSearchError(
            f"OpenSearch at {client.url}: answers 404 where its version should be; OpenSearch Serverless does that, "
            "and so does a proxy with another path",
            hint=f"{_SERVERLESS}; use a domain, and check the path of opensearch.url",
        ) from error
    told: Any = root.get("version") if isinstance(root, Mapping) else None
    number = told.get("number") if isinstance(told, Mapping) else None
    if not (isinstance(number, str) and _VERSION.match(number)):
        raise OpenSearchError(
            f"{client.url} answers, but not as OpenSearch does", hint="is opensearch.url the address of another thing?"
        )
    tagline = str(root.get("tagline", ""))
    if told.get("distribution") != "opensearch" and "OpenSearch" not in tagline:
        raise OpenSearchError(
            f"{client.url} is Elasticsearch {number}, not OpenSearch",
            hint="what is put in place here (flat_object fields, policies, alerts) only OpenSearch has",
        )
    number = number.partition("-")[0]
    if number == _COMPATIBLE:
        note = (
            f"the server hides its version (compatibility.override_main_response_version); it is taken for {version}, "
            "as opensearch.version says"
        )
        return version, [note]
    return number, []


def _compared(version: str, number: str) -> list[str]:
    """What it means that the file names another version than the server's.

    Raises:
        OpenSearchError: Templates for the one lose documents on the other.
    """
    said, found = version_tuple(version), version_tuple(number)
    if said[:2] == found[:2]:
        return []
    short = ".".join(number.split(".")[:2])
    lacking = [text for since, text in _MAPPINGS if found < since <= said]
    if lacking:
        raise OpenSearchError(
            f'opensearch.version is "{version}", but the server is {number}, which lacks: {"; ".join(lacking)}',
            hint=f'write version: "{short}"',
        )
    gained = [text for since, text in _MAPPINGS if said < since <= found]
    text = f'the server is {number}, and opensearch.version says "{version}": '
    if gained:
        return [f'{text}with "{short}" there would be {"; ".join(gained)}']
    return [f"{text}{NO_DIFFERENCE}"]


def features(client: Client, *, amazon: bool) -> frozenset[Feature]:
    """By the list of plugins; one by one where that is refused, or says nothing, as behind Amazon's proxy."""
    try:
        listed = client.request("GET", "/_cat/plugins", params={"format": "json", "h": "component"})
        names = {str(entry["component"]) for entry in listed}
    except (RefusedError, TypeError, KeyError):
        names = None
    if names is None or (amazon and not names):
        return frozenset(feature for feature, path in _ENDPOINTS.items() if _answers(client, path))
    return frozenset(feature for feature, name in _PLUGINS.items() if name in names)


def _answers(client: Client, path: str) -> bool:
    try:
        client.request("GET", path)
    except RefusedError as error:
        # 403: it is there, and this user may not use it, which is told when it is needed.
        return error.status not in _ABSENT
    return True

"""Which policy each index that exists has, and how another one is asked for.

The server attaches a policy by itself only to indices that are younger than it, and an index keeps a copy of the policy
as it was: a change reaches it when it is asked for by name, and then at the index's next run.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch.client import Client, RefusedError

_ISM = "/_plugins/_ism"
_POLICY_ID = "index.plugins.index_state_management.policy_id"
_MAX_PATH = 3000
"""Bytes; the server takes a first line of 4 KiB."""
_NOTHING = re.compile("no documents to get|index_not_found|no such index", re.IGNORECASE)


@dataclass(frozen=True)
class Managed:
    """An index that exists.

    Attributes:
        index: Its name.
        policy: Id of its policy; empty where it has none.
        version: Sequence number and primary term of the policy that it has a copy of; None before its first run, in
            which it takes the policy as it is then.
    """

    index: str
    policy: str = ""
    version: tuple[int, int] | None = None


def explain(client: Client, patterns: Iterable[str]) -> list[Managed]:
    """Every index that matches one of the patterns.

    Raises:
        OpenSearchError: It can't be told.
    """
    found: list[Managed] = []
    for group in in_paths(patterns):
        try:
            answer = client.request("GET", f"{_ISM}/explain/{group}")
        except RefusedError as error:
            if _NOTHING.search(error.what):  # no index matches, which is how some versions say so
                continue
            raise
        if not isinstance(answer, Mapping):
            raise OpenSearchUnavailable(f"OpenSearch at {client.url}: explained policies without them")
        found += [_managed(name, entry) for name, entry in answer.items() if isinstance(entry, Mapping)]
    return found


def attach(client: Client, policy: str, indices: Sequence[str]) -> list[str]:
    """Attach a policy to indices that have none; returns what was not done, each with the server's reason."""
    return _ask(client, "add", {"policy_id": policy}, indices)


def renew(client: Client, policy: str, indices: Sequence[str]) -> list[str]:
    """Ask for the policy's present version, which the indices take at their next run; returns as `attach` does."""
    return _ask(client, "change_policy", {"policy_id": policy}, indices)


def detach(client: Client, indices: Sequence[str]) -> list[str]:
    """Take their policy from indices; returns as `attach` does."""
    return _ask(client, "remove", None, indices)


def in_paths(names: Iterable[str]) -> Iterator[str]:
    """Names joined by commas, as many as go into a request's path."""
    group = ""
    for name in names:
        part = quote(name, safe="*")
        if group and len(group) + 1 + len(part) > _MAX_PATH:
            yield group
            group = ""
        group = f"{group},{part}" if group else part
    if group:
        yield group


def _ask(client: Client, what: str, body: Any, indices: Sequence[str]) -> list[str]:
    failed: list[str] = []
    for group in in_paths(indices):
        answer = client.request("POST", f"{_ISM}/{what}/{group}", body)
        entries = answer.get("failed_indices", ()) if isinstance(answer, Mapping) else ()
        failed += [f"{entry.get('index_name', '')}: {entry.get('reason', '')}" for entry in entries]
    return failed


def _managed(name: str, entry: Mapping[str, Any]) -> Managed:
    number, term = entry.get("policy_seq_no"), entry.get("policy_primary_term")
    version = (number, term) if isinstance(number, int) and isinstance(term, int) else None
    return Managed(name, str(entry.get("policy_id") or entry.get(_POLICY_ID) or ""), version)

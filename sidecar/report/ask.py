"""Asks OpenSearch for all that a report needs; each part that is refused is told in its place, and the others go on."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from sidecar.config import Config
from sidecar.errors import OpenSearchUnavailable, SidecarError
from sidecar.opensearch.client import Client, connect
from sidecar.opensearch.manage.engine import changes, plan
from sidecar.opensearch.manage.kinds import first_kinds
from sidecar.opensearch.manage.probe import probe
from sidecar.reading.problems import problems_in
from sidecar.reading.search import Reader
from sidecar.reading.selection import Selection
from sidecar.reading.window import Window
from sidecar.render.indices import (
    DEAD_LETTER,
    control_plane_family,
    event_index_pattern,
    families,
    index_pattern,
    log_families,
)
from sidecar.report import queries
from sidecar.report.answers import Answers
from sidecar.report.buckets import Axis

Json = dict[str, Any]
T = TypeVar("T")

_SECONDS = 60.0
"""To count months of lines may take its time."""


def patterns(config: Config) -> list[str]:
    """Of the indices of all families, events first, and the dead letters'."""
    return [*(index_pattern(family) for family in families(config)), DEAD_LETTER]


def ask(config: Config, wanted: Selection, when: Window, axis: Axis) -> Answers:
    """All answers.

    Args:
        config: pipeline.yaml.
        wanted: Of which cluster and namespace.
        when: From when to when.
        axis: How that is divided.

    Raises:
        SidecarError: A credential can't be read, or OpenSearch can't be reached.
    """
    client = connect(config, seconds=_SECONDS)
    reader = Reader(config, client)
    cluster, failed = wanted.cluster, dict[str, str]()
    ask_for = _Asking(failed)
    events, logs = event_index_pattern(config.events), ",".join(map(index_pattern, log_families(config)))
    everything = patterns(config)
    control_plane = index_pattern(control_plane_family(config))

    def search(pattern: str, body: Json) -> Callable[[], Json]:
        return lambda: reader.search(pattern, body)

    return Answers(
        events=ask_for("events", search(events, queries.events(wanted, when, axis)), {}, first=True),
        gaps=ask_for("gaps", search(events, queries.gaps(cluster, when)), {}),
        problems=ask_for("problems", lambda: problems_in(reader, wanted, when), []),
        logs=ask_for("logs", search(logs, queries.logs(wanted, when, axis)), {}) if config.logs.enabled else {},
        # They belong to no namespace.
        control_plane={}
        if wanted.namespace
        else ask_for("control_plane", search(control_plane, queries.control_plane(cluster, when, axis)), {}),
        newest=ask_for("newest", search(",".join(everything[:-1]), queries.newest(cluster)), {}),
        letters=ask_for("letters", search(DEAD_LETTER, queries.letters(cluster, when)), {}),
        delays=ask_for("delays", search(logs, queries.delays(wanted, when)), {}) if config.logs.enabled else {},
        stats=ask_for("stats", lambda: _get(client, f"{_path(everything)}/_stats/docs,store"), {}),
        healths=ask_for("healths", lambda: _get(client, f"/_cluster/health{_path(_loosely(everything))}"), {}),
        pending=ask_for("pending", lambda: _pending(config), []),
        failed=failed,
        incomplete=reader.incomplete,
        url=client.url,
    )


class _Asking:
    """Asks one thing after the other, and notes why one is not answered."""

    def __init__(self, failed: dict[str, str]) -> None:
        self._failed = failed

    def __call__(self, name: str, question: Callable[[], T], nothing: T, *, first: bool = False) -> T:
        try:
            return question()
        except OpenSearchUnavailable as error:
            if first:  # the others would have no answer either
                raise
            self._failed[name] = str(error)
        except SidecarError as error:
            self._failed[name] = str(error)
        return nothing


def _get(client: Client, path: str) -> Json:
    params = {"ignore_unavailable": "true"} if "/_stats" in path else {"level": "indices", "timeout": "5s"}
    answer = client.request("GET", path, params=params)
    if not isinstance(answer, dict):
        raise OpenSearchUnavailable(f"OpenSearch at {client.url}: an odd answer to GET {path}")
    return answer


def _path(everything: list[str]) -> str:
    return "/" + quote(",".join(everything), safe="*,")


def _loosely(everything: list[str]) -> list[str]:
    """For an index that isn't there, and is named without a star, the server would wait until it is."""
    return [pattern if pattern.endswith("*") else f"{pattern}*" for pattern in everything]


def _pending(config: Config) -> list[str]:
    """What of templates and policies is not as pipeline.yaml says; what the server can't have is not missed."""
    manager = connect(config, config.opensearch.manager_auth)
    server = probe(manager, config.opensearch.version)
    found = [change for change in changes(plan(first_kinds(config, manager), server)) if change.action.changes]
    return [f"{change.kind} {change.name} ({change.action.value})" for change in found]

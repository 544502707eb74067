"""Every panel has something to show: its query, built from its saved object, is asked of a real OpenSearch."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sidecar.cli.main import cli
from sidecar.config import Config, loads
from sidecar.errors import OpenSearchError
from sidecar.opensearch import Client, Documents, Verdict
from sidecar.opensearch.manage.backup import Backup
from sidecar.opensearch.manage.engine import carry_out, plan
from sidecar.opensearch.manage.kinds import first_kinds
from sidecar.opensearch.manage.probe import probe
from sidecar.render.dashboards import saved_objects
from tests.support.fakes.dashboards import FakeDashboards
from tests.support.managing import OWN_INDICES
from tests.support.panels import Question, empty_parts, questions
from tests.support.panels.question import by_id
from tests.support.samples import sample_documents
from tests.support.waiting import unique_name

Json = dict[str, Any]

_META = {"_id", "_index", "_score", "_source", "_type"}


@dataclass
class Filled:
    """A real OpenSearch with our templates and some documents of every kind, and what was rendered for it."""

    config: Config
    client: Client
    objects: dict[tuple[str, str], Json]

    def ask(self, question: Question) -> Json:
        answer = self.client.request(
            "POST", f"/{question.index}/_search", question.body, params={"ignore_unavailable": "true"}
        )
        assert isinstance(answer, dict)
        return answer

    def known_fields(self, index: str) -> dict[str, Json]:
        """The fields that the mappings of an index pattern have, with their capabilities."""
        answer = self.client.request("GET", f"/{index}/_field_caps", params={"fields": "*"})
        found: dict[str, Json] = answer["fields"]
        return found


@pytest.fixture(scope="module")
def filled(opensearch_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    name = unique_name("panels")
    config = loads(OWN_INDICES.format(name=name, url=opensearch_url))
    client = Client(opensearch_url)
    planned = plan(first_kinds(config, client), probe(client, config.opensearch.version))
    done = list(carry_out(planned, Backup(tmp_path_factory.mktemp("backup"))))
    assert [outcome.error for outcome in done if outcome.error] == []
    documents = sample_documents(config)
    assert {outcome.verdict for outcome in Documents(client).create(documents)} == {Verdict.STORED}
    indices = ",".join(sorted({document.index for document in documents}))
    client.request("POST", f"/{indices}/_refresh")
    yield Filled(config, client, by_id(saved_objects(config)))
    mine = {"query": {"term": {"cluster": name}}}
    client.request("POST", "/fluent-sidecar-dead-letter/_delete_by_query", mine, params={"conflicts": "proceed"})
    client.request("DELETE", f"/{name}-*")
    client.request("DELETE", f"/_index_template/fluent-sidecar-{name}-*")
    client.close()


def _narrowed(question: Question, cluster: str) -> Question:
    """With the filter that choosing a cluster in the dashboard's list adds to every panel."""
    query = question.body.get("query", {"bool": {"filter": []}})["bool"]
    chosen = {"bool": {**query, "filter": [*query["filter"], {"match_phrase": {"cluster": cluster}}]}}
    return Question(question.index, {**question.body, "query": chosen}, {*question.fields, "cluster"})


def _panels(filled: Filled) -> Iterator[tuple[str, Question]]:
    """Every question of every panel of every dashboard, with its name."""
    for (kind, _), dashboard in filled.objects.items():
        if kind != "dashboard":
            continue
        for one in dashboard["references"]:
            panel = filled.objects[one["type"], one["id"]]
            for question in questions(filled.objects, panel, since=dashboard["attributes"]["timeFrom"]):
                yield panel["attributes"]["title"], question


def test_every_panel_has_something_to_show(filled: Filled) -> None:
    wrong = {}
    for name, question in _panels(filled):
        chosen = _narrowed(question, filled.config.cluster)
        try:
            empty = empty_parts(chosen.body, filled.ask(chosen))
        except OpenSearchError as error:
            empty = [str(error)]
        if empty:
            wrong[name] = empty

    assert wrong == {}


def test_every_panel_names_fields_that_the_mappings_have(filled: Filled) -> None:
    wrong = {}
    for name, question in _panels(filled):
        if unknown := question.fields - set(filled.known_fields(question.index)) - _META:
            wrong[name] = unknown

    assert wrong == {}


def test_a_chosen_cluster_is_the_only_one_that_is_shown(filled: Filled) -> None:
    shown = {name: filled.ask(_narrowed(question, "another"))["hits"]["total"] for name, question in _panels(filled)}

    assert {name for name, total in shown.items() if total["value"]} == set()


def test_index_patterns_have_the_fields_that_the_server_has(filled: Filled) -> None:
    for (kind, _), pattern in filled.objects.items():
        if kind != "index-pattern":
            continue
        title = pattern["attributes"]["title"]
        told = {spec["name"]: spec for spec in json.loads(pattern["attributes"]["fields"])}
        # Of logs and of events they are mapped in two ways: that of everything has none of them.
        two_ways = {"id", "index"} if title.count(",") > 1 else set()
        there = {
            name: next(iter(kinds.values()))
            for name, kinds in filled.known_fields(title).items()
            # An object, and the second and third name of a flat one, are none to OpenSearch Dashboards.
            if "object" not in kinds
            and name not in two_ways
            and not name.startswith("_")
            and not name.endswith((".", "._value", "._valueAndPath"))
        }

        assert {
            name: (spec["esTypes"], spec["searchable"], spec["aggregatable"])
            for name, spec in told.items()
            if name not in _META
        } == {name: ([caps["type"]], caps["searchable"], caps["aggregatable"]) for name, caps in there.items()}, title


def test_apply_imports_them_and_a_second_time_has_nothing_to_do(filled: Filled, tmp_path: Path) -> None:
    text = OWN_INDICES.format(name=filled.config.cluster, url=filled.client.url)
    with FakeDashboards(base="/_dashboards") as server:
        (tmp_path / "pipeline.yaml").write_text(f"{text}dashboards: {{url: '{server.url}'}}\n")
        command = ["apply", "-c", str(tmp_path / "pipeline.yaml"), "--backup", str(tmp_path / "backup")]

        first, second = CliRunner().invoke(cli, command), CliRunner().invoke(cli, command)

        assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
        assert f"in the tenant global: {server.url}/app/dashboards?security_tenant=global#/view/" in first.output
        assert "created" not in second.output
        assert "updated" not in second.output
        assert sum(request.path.endswith("/_import") for request in server.requests) == 1
        assert not (tmp_path / "backup").exists()


# The dashboards of the EKS workshop, which users bring along: their index patterns, and what their panels ask.

_EVENTS, _LOGS, _CONTROL_PLANE = ("events", "lastTimestamp"), ("logs", "@timestamp"), ("control-plane", "@timestamp")
"""What an index pattern's title begins with, behind the name of this test, and its time."""
_WARNING, _WARNING_KEYWORD = {"match_phrase": {"type": "Normal"}}, {"match_phrase": {"type.keyword": "Normal"}}


def _by_time(field: str, interval: str, inner: Json) -> Json:
    histogram = {"field": field, "fixed_interval": interval, "time_zone": "UTC", "min_doc_count": 1}
    return {"2": {"date_histogram": histogram, "aggs": {"3": {"terms": inner}}}}


def _terms(field: str) -> Json:
    return {"2": {"terms": {"field": field, "order": {"_count": "desc"}, "size": 5, "missing": "__missing__"}}}


def _stream(text: str) -> Json:
    """As they are: the asterisks are no wildcards, but lost with all else that is no word."""
    return {"match_phrase": {"@log_stream": text}}


@pytest.mark.parametrize(
    ("pattern", "wanted", "unwanted", "aggs", "shown"),
    [
        (_EVENTS, [], [], _by_time("lastTimestamp", "1s", {"field": "type.keyword", "size": 5}), []),
        (_EVENTS, [], [], _terms("type.keyword"), []),
        (_EVENTS, [], [_WARNING], {}, []),
        (_EVENTS, [], [_WARNING_KEYWORD], _terms("metadata.namespace.keyword"), []),
        (
            _EVENTS,
            [],
            [],
            {},
            ["type", "reason", "metadata.namespace", "involvedObject.kind", "involvedObject.name", "message"],
        ),
        (_LOGS, [], [], _by_time("@timestamp", "1m", {"field": "stream.keyword", "size": 5}), []),
        (_LOGS, [], [], _by_time("@timestamp", "1m", {"field": "kubernetes.namespace_name.keyword", "size": 5}), []),
        (
            _LOGS,
            [{"match_phrase": {"kubernetes.namespace_name": "ui"}}],
            [],
            {},
            ["stream", "kubernetes.namespace_name", "kubernetes.pod_name", "log"],
        ),
        (_CONTROL_PLANE, [_stream("*apiserver*")], [_stream("*audit*")], {}, ["@log_stream", "@message"]),
        (_CONTROL_PLANE, [_stream("*audit*")], [], {}, ["@log_stream", "@message"]),
        (_CONTROL_PLANE, [_stream("*authenticator*")], [], {}, ["@log_stream", "@message"]),
        (_CONTROL_PLANE, [_stream("authenticator-*")], [], {}, ["@log_stream", "@message"]),
        (_CONTROL_PLANE, [_stream("*controller-manager*")], [], {}, ["@log_stream", "@message"]),
        (_CONTROL_PLANE, [_stream("*scheduler*")], [], {}, ["@log_stream", "@message"]),
    ],
    ids=[
        "events over time",
        "normal and warning",
        "warnings",
        "warnings by namespace",
        "events",
        "lines by stream",
        "lines by namespace",
        "lines of ui",
        "API server",
        "audit",
        "authenticator",
        "authenticator's lines",
        "controller manager",
        "scheduler",
    ],
)
def test_the_panels_of_the_workshop_work_on_our_indices(
    filled: Filled, pattern: tuple[str, str], wanted: list[Json], unwanted: list[Json], aggs: Json, shown: list[str]
) -> None:
    name, time = pattern
    recent = {"range": {time: {"gte": "now-30m", "lte": "now"}}}
    query = {"bool": {"filter": [recent, *wanted], "must_not": unwanted}}
    body = {"size": 100, "track_total_hits": True, "query": query, "aggs": aggs, "sort": [{time: "desc"}]}

    answer = filled.ask(Question(f"{filled.config.cluster}-{name}*", body))

    assert empty_parts(body, answer) == []
    sources = [hit["_source"] for hit in answer["hits"]["hits"]]
    for column in shown:
        assert any(_value(source, column) for source in sources), column
    streams = {str(source.get("@log_stream")) for source in sources if "@log_stream" in source}
    words = [
        text["match_phrase"]["@log_stream"].strip("*-") for text in wanted if "@log_stream" in text["match_phrase"]
    ]
    assert all(word in stream for stream in streams for word in words)
    assert not any("audit" in stream for stream in streams if unwanted)


def test_our_indices_are_in_the_index_patterns_of_the_workshop() -> None:
    config = loads("cluster: c\nopensearch: {url: 'http://h'}\n")
    titles = [thing["attributes"]["title"] for thing in saved_objects(config) if thing["type"] == "index-pattern"]
    theirs = ["eks-kubernetes-events*", "eks-pod-logs*", "eks-control-plane-logs*"]

    assert [title for title, pattern in zip(titles, theirs, strict=False) if not fnmatchcase(title, pattern)] == []
    # They are others than ours, so that both can be there.
    assert not set(titles) & set(theirs)


def _value(source: Json, column: str) -> Any:
    found: Any = source
    for part in column.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found

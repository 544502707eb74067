"""What a server is: refused with a reason where it can't work, and told where something is to be known."""

from typing import Any

import pytest

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch import Client
from sidecar.opensearch.manage import Feature, Server
from sidecar.opensearch.manage import probe as probe_module
from sidecar.opensearch.manage.probe import probe
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import says
from tests.support.managing import Managed


def ask(server: FakeOpenSearch, version: str = "2.19") -> Server:
    client = Client(server.url)
    try:
        return probe(client, version)
    finally:
        client.close()


def test_version_and_plugins_take_two_requests(managed: Managed) -> None:
    server = managed.server
    server.plugins = ["opensearch-alerting", "opensearch-notifications", "opensearch-sql"]
    found = ask(server)
    assert (found.number, found.version, found.notes) == ("2.19.4", (2, 19, 4), ())
    assert found.features == {Feature.ALERTING, Feature.NOTIFICATIONS}
    assert not found.amazon
    assert [request.path for request in server.requests] == ["/", "/_cat/plugins"]


@pytest.mark.parametrize("answer", [says(403, {"error": "no"}), says(400, {"error": "no"}), says(200, {"odd": 1})])
def test_where_plugins_can_not_be_listed_each_is_asked_for(managed: Managed, answer: Any) -> None:
    managed.server.script = [lambda exchange: exchange.json(managed.server.root), answer]
    assert ask(managed.server).features == {Feature.ISM}
    managed.server.script = [lambda exchange: exchange.json(managed.server.root), answer, says(403, {"error": "no"})]
    assert Feature.ISM in ask(managed.server).features, "forbidden is there"


def test_behind_amazons_proxy_an_empty_list_says_nothing(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    managed.server.script = [lambda exchange: exchange.json(managed.server.root), says(200, [])]
    monkeypatch.setattr(probe_module, "_AMAZON", ("127.0.0.1",))
    found = ask(managed.server)
    assert found.amazon
    assert found.features == {Feature.ISM}


@pytest.mark.parametrize(
    ("root", "words"),
    [
        (
            {"version": {"number": "8.11.1"}, "tagline": "You Know, for Search"},
            "is Elasticsearch 8.11.1, not OpenSearch",
        ),
        (
            {"version": {"number": "7.10.2"}, "tagline": "You Know, for Search"},
            "is Elasticsearch 7.10.2, not OpenSearch",
        ),
        ({"version": {"distribution": "opensearch", "number": "2.9.0"}}, "is 2.9.0, and the oldest that works is 2.11"),
        ({"version": "x"}, "answers, but not as OpenSearch does"),
        ({"version": {"distribution": "opensearch", "number": "x"}}, "answers, but not as OpenSearch does"),
        ({"version": {"distribution": "opensearch", "number": "3"}}, "answers, but not as OpenSearch does"),
        ({}, "answers, but not as OpenSearch does"),
        ([], "answers, but not as OpenSearch does"),
    ],
)
def test_what_can_not_work_is_refused_with_a_reason(managed: Managed, root: Any, words: str) -> None:
    managed.server.root = root
    with pytest.raises(OpenSearchError) as refused:
        ask(managed.server)
    assert words in refused.value.what
    assert refused.value.hint


def test_serverless_is_refused_with_a_reason(managed: Managed) -> None:
    managed.server.script = [says(404, {})]
    with pytest.raises(OpenSearchError, match="OpenSearch Serverless does that, and so does a proxy") as refused:
        ask(managed.server)
    assert "takes no documents with ids of their own" in refused.value.hint


@pytest.mark.parametrize(
    ("version", "number", "words"),
    [
        (
            "2.19",
            "2.13.0",
            'opensearch.version is "2.19", but the server is 2.13.0, which lacks: labels, annotations and',
        ),
        ("2.12", "2.11.1", "which lacks: log lines as match_only_text"),
    ],
)
def test_templates_that_would_lose_documents_are_refused(
    managed: Managed, version: str, number: str, words: str
) -> None:
    managed.server.root["version"]["number"] = number
    with pytest.raises(OpenSearchError) as refused:
        ask(managed.server, version)
    assert words in refused.value.what
    assert refused.value.hint == f'write version: "{number[:4]}"'


@pytest.mark.parametrize(
    ("version", "number", "words"),
    [
        ("2.19", "2.19.9", ""),
        ("2.19", "3.4.0-SNAPSHOT", "nothing that is put in place differs between the two"),
        ("2.11", "3.4.0", 'with "3.4" there would be log lines as match_only_text'),
        ("2.14", "2.19.0", 'with "2.19" there would be labels, annotations and JSON as flat_object'),
        ("2.19", "2.16.0", "nothing that is put in place differs between the two"),
    ],
)
def test_another_version_is_noted_with_what_it_means(managed: Managed, version: str, number: str, words: str) -> None:
    managed.server.root["version"]["number"] = number
    notes = ask(managed.server, version).notes
    assert [words in note for note in notes] == ([True] if words else [])


def test_a_domain_that_hides_its_version_is_taken_at_the_files_word(managed: Managed) -> None:
    managed.server.root = {
        "version": {"number": "7.10.2"},
        "tagline": "The OpenSearch Project: https://opensearch.org/",
    }
    found = ask(managed.server)
    assert found.number == "2.19"
    assert "override_main_response_version" in found.notes[0]


def test_a_proxys_error_page_is_no_server(managed: Managed) -> None:
    managed.server.script = [says(200, b"<html><body>Please log in</body></html>")]
    with pytest.raises(OpenSearchUnavailable, match='is not JSON: an HTML page, "Please log in"'):
        ask(managed.server)

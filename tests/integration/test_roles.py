"""The rendered roles, on OpenSearch's own security plugin: each user can do its whole job, and nothing else."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sidecar.config import Config, loads
from sidecar.doctor import State, examine
from sidecar.doctor.doctor import opensearch_areas
from sidecar.doctor.link import Link
from sidecar.errors import OpenSearchError
from sidecar.opensearch import Client, Document, Documents, Verdict, connect
from sidecar.opensearch.documents import Presence
from sidecar.opensearch.manage import Action
from sidecar.opensearch.manage.backup import Backup
from sidecar.opensearch.manage.engine import carry_out, changes, plan
from sidecar.opensearch.manage.kinds import first_kinds, later_kinds
from sidecar.opensearch.manage.probe import probe
from sidecar.opensearch.manage.roles import Roles
from sidecar.opensearch.manage.templates import Presence as TemplatePresence
from sidecar.opensearch.manage.templates import templates_in_place
from sidecar.opensearch.query import newest
from sidecar.reading import Reader, Selection, Window
from sidecar.reading.events import event_pattern, versions
from sidecar.reading.follow import Follower
from sidecar.reading.logs import lines
from sidecar.reading.problems import problems_in
from sidecar.render.indices import DEAD_LETTER, event_index_pattern
from sidecar.render.roles import function_name, manager_name, reader_name, writer_name
from sidecar.render.templates import templates
from tests.support.managing import put_in_place
from tests.support.markers import secret
from tests.support.secureserver import SecureOpenSearch
from tests.support.waiting import unique_name, wait_until

DAY = "2026.11.22"


class Scene(NamedTuple):
    """A server on which the roles are, and a client of each user."""

    server: SecureOpenSearch
    config: Config
    writer: Client
    manager: Client
    function: Client
    reader: Client


@pytest.fixture(scope="module")
def scene(secure_opensearch: SecureOpenSearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    server, name = secure_opensearch, unique_name("roles")
    folder = tmp_path_factory.mktemp("roles") / "secrets"
    folder.mkdir()

    def load(user: str, password: str) -> Config:
        for file, text in (("user", user), ("password", password)):
            (folder / f"{user}-{file}").write_text(text)
        basic = ", ".join(f"{key}: {{file: {folder}/{user}-{file}}}" for key, file in
                          (("username", "user"), ("password", "password")))  # fmt: skip
        return loads(
            f"cluster: {name}\nopensearch: {{url: '{server.url}', version: '2.19', tls: {{ca: {server.ca}}}, "
            f"auth: {{basic: {{{basic}}}}}, roles: true}}\n"
            f"events: {{index: {name}-events}}\nlogs: {{index: {name}-logs}}\ncontrolPlane: {{index: {name}-plane}}\n"
        )

    admin = connect(load(server.user, server.password))
    config = load(server.user, server.password)
    roles = [kind for kind in later_kinds(config, admin) if isinstance(kind, Roles)]
    outcomes = list(carry_out(plan(roles, probe(admin, "2.19")), Backup(folder.parent / "backup")))
    assert {outcome.error for outcome in outcomes} == {""}
    assert {change.action for change in changes(plan(roles, probe(admin, "2.19")))} <= {
        Action.UNCHANGED,
        Action.LEFTOVER,
    }
    admin.close()
    clients = []
    for role in (writer_name(config), manager_name(config), function_name(config), reader_name(config)):
        user, password = f"{name}-{role}", secret(role)
        body = {"password": password, "opendistro_security_roles": [role]}
        server.ask("PUT", f"/_plugins/_security/api/internalusers/{user}", body)
        clients.append(connect(load(user, password)))
    yield Scene(server, config, *clients)
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def prepared(scene: Scene) -> Scene:
    """What the manager puts in place is there, and a document of each kind."""
    outcomes = put_in_place(scene.manager, scene.config)
    assert Action.REFUSED not in {outcome.change.action for outcome in outcomes}
    assert any(outcome.change.action is Action.CREATE for outcome in outcomes)
    planned = plan(first_kinds(scene.config, scene.manager), probe(scene.manager, "2.19"))
    assert not [change for change in changes(planned) if change.action.changes or change.action is Action.REFUSED]
    first = [Document(index, "first", b"{}") for index in indices(scene.config)]
    assert {outcome.verdict for outcome in Documents(scene.writer).create(first)} == {Verdict.STORED}
    return scene


def indices(config: Config) -> list[str]:
    names = (config.events.index, config.logs.index, config.control_plane.index)
    return [*(f"{name}-{DAY}" for name in names), f"{config.logs.index}-skewed", DEAD_LETTER]


def test_the_writer_does_its_whole_job(prepared: Scene) -> None:
    writer, config = prepared.writer, prepared.config
    assert templates_in_place(writer, templates(config)) is TemplatePresence.EXACT
    documents = Documents(writer)
    name = unique_name("document")
    source = json.dumps(
        {"cluster": "c", "log": "x", "metadata": {"creationTimestamp": "2026-11-22T10:00:00Z"}}
    ).encode()
    batch = [Document(index, name, source) for index in indices(config)]
    assert {outcome.verdict for outcome in documents.create(batch)} == {Verdict.STORED}
    assert [outcome.status for outcome in documents.create(batch)] == [409] * len(batch)
    found = documents.look([(document.index, document.id) for document in batch])
    assert [one.presence for one in found] == [Presence.THERE] * len(batch)
    # Which index there is not, too, in the words that tell a new day from an index that can't be asked.
    tomorrow = documents.look([(f"{config.events.index}-2026.11.23", name)])
    assert [one.presence for one in tomorrow] == [Presence.ABSENT]
    pattern = event_index_pattern(config.events)
    query = {"term": {"cluster": "c"}}
    assert wait_until(lambda: newest(writer, pattern, query, by="metadata.creationTimestamp"), 20, "it is searchable")
    mappings = prepared.server.ask("GET", f"/{config.logs.index}-{DAY}/_mapping")
    assert next(iter(mappings.values()))["mappings"]["dynamic"] == "false"


def test_the_writer_can_do_nothing_else(prepared: Scene) -> None:
    logs, events = (f"{part.index}-{DAY}" for part in (prepared.config.logs, prepared.config.events))
    prepared.server.ask("PUT", "/somebody-elses/_doc/1?refresh=true", {"a": 1})
    refuses(
        prepared.writer,
        [
            ("POST", f"/{logs}/_search", {}),
            ("POST", "/somebody-elses/_search", {}),
            ("GET", "/somebody-elses/_doc/1", None),
            ("DELETE", f"/{events}/_doc/1", None),
            ("POST", f"/{events}/_update/1", {"doc": {"a": 1}}),
            ("POST", f"/{events}/_delete_by_query", {"query": {"match_all": {}}}),
            ("DELETE", f"/{events}", None),
            ("PUT", f"/{events}/_settings", {"index": {"refresh_interval": "1s"}}),
            ("POST", f"/{events}/_close", None),
            ("PUT", "/somebody-elses-new", {}),
            ("PUT", "/somebody-elses/_doc/2", {"a": 1}),
            ("PUT", "/_component_template/x", {"template": {}}),
            ("PUT", "/_index_template/x", {"index_patterns": ["x"]}),
            ("DELETE", "/_index_template/fluent-sidecar-dead-letter", None),
            ("PUT", "/_cluster/settings", {"persistent": {"cluster.max_shards_per_node": 2000}}),
            ("GET", "/_cluster/settings", None),
            ("GET", "/_cat/indices", None),
            ("GET", "/_plugins/_security/api/roles", None),
            ("GET", "/_search", None),
        ],
    )
    (created,) = Documents(prepared.writer).create([Document("somebody-elses", "3", b"{}")])
    assert (created.verdict, created.status) == (Verdict.LATER, 403)
    (found,) = Documents(prepared.writer).look([("somebody-elses", "1")])
    assert (found.presence, found.type) == (Presence.UNKNOWN, "security_exception")


def test_the_manager_puts_things_in_place_and_can_neither_write_nor_rule(prepared: Scene) -> None:
    logs = f"{prepared.config.logs.index}-{DAY}"
    prepared.server.ask("PUT", "/somebody-elses/_doc/1?refresh=true", {"a": 1})
    assert isinstance(prepared.manager.request("POST", f"/{logs}/_search", {"size": 0}), dict), "a monitor's query"
    refuses(
        prepared.manager,
        [
            ("PUT", f"/{logs}/_doc/1", {"a": 1}),
            ("POST", "/somebody-elses/_search", {}),
            ("DELETE", "/somebody-elses", None),
            ("PUT", "/somebody-elses-new", {}),
            ("PUT", "/_cluster/settings", {"persistent": {"cluster.max_shards_per_node": 2000}}),
            ("GET", "/_plugins/_security/api/roles", None),
            ("PUT", "/_plugins/_security/api/roles/x", {"cluster_permissions": ["*"]}),
        ],
    )


def test_the_reader_searches_and_does_nothing_else(prepared: Scene) -> None:
    config, now = prepared.config, datetime.now(UTC)
    for index in indices(config)[:2]:
        source = {"@timestamp": now.isoformat(), "cluster": config.cluster, "metadata": {"uid": "u"}}
        Documents(prepared.writer).create([Document(index, unique_name("read"), json.dumps(source).encode())])
    prepared.server.ask("POST", f"/{config.cluster}-*/_refresh")
    reader, wanted, when = Reader(config, prepared.reader), Selection(config.cluster), Window(now - timedelta(hours=1))
    assert list(versions(reader, wanted, when))
    assert list(lines(reader, wanted, when))
    assert problems_in(reader, wanted, when) == []
    assert list(Follower(reader, event_pattern(reader), {"match_all": {}}).new()) == []
    logs = f"{config.logs.index}-{DAY}"
    refuses(
        prepared.reader,
        [
            ("GET", f"/{logs}/_doc/first", None),
            ("PUT", f"/{logs}/_doc/1", {"a": 1}),
            ("DELETE", f"/{logs}/_doc/first", None),
            ("DELETE", f"/{logs}", None),
            ("POST", "/somebody-elses/_search", {}),
            ("GET", f"/_index_template/fluent-sidecar-{config.logs.index}", None),
        ],
    )


def test_the_function_creates_documents_of_its_own_and_does_nothing_else(prepared: Scene) -> None:
    function, plane, events = prepared.function, prepared.config.control_plane.index, prepared.config.events.index
    name = unique_name("document")
    assert function.request("GET", f"/_index_template/fluent-sidecar-{plane}")
    batch = [Document(index, name, b"{}") for index in (f"{plane}-{DAY}", f"{plane}-2026.11.23", DEAD_LETTER)]
    assert {outcome.verdict for outcome in Documents(function).create(batch)} == {Verdict.STORED}
    assert [outcome.status for outcome in Documents(function).create(batch)] == [409] * len(batch)
    (created,) = Documents(function).create([Document(f"{events}-{DAY}", name, b"{}")])
    assert (created.verdict, created.status) == (Verdict.LATER, 403)
    refuses(
        function,
        [
            ("POST", f"/{plane}-{DAY}/_search", {}),
            ("GET", f"/{plane}-{DAY}/_doc/first", None),
            ("DELETE", f"/{plane}-{DAY}/_doc/first", None),
            ("DELETE", f"/{plane}-{DAY}", None),
            ("PUT", f"/{plane}-{DAY}/_settings", {"index": {"refresh_interval": "1s"}}),
            ("PUT", "/somebody-elses/_doc/2", {"a": 1}),
            ("PUT", f"/_index_template/fluent-sidecar-{plane}", {"index_patterns": ["x"]}),
            ("PUT", "/_cluster/settings", {"persistent": {"cluster.max_shards_per_node": 2000}}),
            ("GET", "/_plugins/_security/api/roles", None),
        ],
    )


def test_a_writer_that_is_to_manage_is_told_which_permission_it_lacks(prepared: Scene, tmp_path: Path) -> None:
    found = list(changes(plan(first_kinds(prepared.config, prepared.writer), _server(prepared))))
    assert not [change for change in found if change.action.changes or change.action is Action.REFUSED]
    other = loads(
        f"cluster: c\nopensearch: {{url: '{prepared.server.url}'}}\nlogs: {{index: {unique_name('other')}}}\n"
    )
    done = list(carry_out(plan(first_kinds(other, prepared.writer), _server(prepared)), Backup(tmp_path)))
    (error,) = {outcome.error for outcome in done if outcome.error}
    assert "this user's role lacks the permission indices:admin/index_template/put" in error


def _server(scene: Scene) -> Any:
    return probe(scene.manager, "2.19")


def refuses(client: Client, requests: list[tuple[str, str, Any]]) -> None:
    """Each is answered with 403."""
    done: list[str] = []
    for method, path, body in requests:
        try:
            client.request(method, path, body)
            done.append(f"{method} {path}")
        except OpenSearchError as error:
            if getattr(error, "status", 0) != 403:
                done.append(f"{method} {path}: {error}")
    assert done == []


def test_doctor_fails_nothing_for_the_writer_and_leaves_one_document(prepared: Scene) -> None:
    for how in ("written", "there from an earlier time"):
        link = Link(prepared.config)
        link._client = prepared.writer
        found = {one.name: one for _, findings in examine(opensearch_areas(link)) for one in findings}
        assert [one for one in found.values() if one.state is State.FAIL] == []
        index = prepared.config.events.index
        assert found[index].text == (
            f"{index}-doctor: {how}, found; this user may not delete it, so that is left to retention"
        )
        assert found["health"].state is State.SKIP
    assert prepared.server.ask("POST", f"/{index}-doctor/_refresh")
    assert prepared.server.ask("GET", f"/{index}-doctor/_count")["count"] == 1


def test_users_are_mapped_by_the_commands_of_the_documentation(scene: Scene) -> None:
    role = writer_name(scene.config)
    text = (Path(__file__).parents[2] / "docs" / "opensearch.md").read_text()
    commands = re.findall(
        r"-X (\w+) https://opensearch\.example:9200(\S*/rolesmapping/)\S+[^']*'[^']*' -d '([^']*)'", text
    )
    assert [method for method, _, _ in commands] == ["PUT", "PATCH"]
    for method, path, body in commands:
        scene.server.ask(method, f"{path}{role}", json.loads(body))
    mapped = scene.server.ask("GET", f"/_plugins/_security/api/rolesmapping/{role}")
    assert mapped[role]["users"] == ["shipper", "another"]

"""Control-plane logs, from what CloudWatch Logs hands over to a real OpenSearch: each line once, in every weather."""

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sidecar.aws import Secret
from sidecar.config import Config, loads
from sidecar.config.fixed import DEAD_LETTER
from sidecar.config.function import Settings
from sidecar.controlplane.handler import Function
from sidecar.controlplane.payload import packed
from sidecar.errors import AwsError, SecretError, UndeliveredError
from sidecar.opensearch import Client, connect
from sidecar.render.controlplane import settings as settings_of
from tests.support.aws import REGION, Aws, forget_aws
from tests.support.chaos.searchproxy import Mode, SearchProxy
from tests.support.controlplane import LINES, STREAMS, TIME, Context, event_id, events, invocation, message
from tests.support.managing import put_in_place
from tests.support.markers import secret
from tests.support.search import Answers
from tests.support.waiting import unique_name


class Scene(NamedTuple):
    """An OpenSearch with the templates of a configuration, and the function that ships to it."""

    config: Config
    client: Client
    settings: Settings
    function: Function
    answers: Answers


@pytest.fixture
def scene(opensearch_url: str) -> Iterator[Scene]:
    name = unique_name("plane")
    config = loads(
        f"cluster: {name}\nopensearch: {{url: '{opensearch_url}', version: '2.19'}}\n"
        f"events: {{index: events-of-{name}}}\nlogs: {{index: logs-of-{name}}}\ncontrolPlane: {{index: {name}}}\n"
    )
    client = connect(config)
    put_in_place(client, config)
    settings = settings_of(config)
    function = Function(settings)
    with Answers(opensearch_url, name) as answers:
        yield Scene(config, client, settings, function, answers)
    function.close()
    client.close()


def found(scene: Scene) -> dict[str, dict[str, Any]]:
    """Documents by id; no id is in two indices."""
    hits = list(scene.answers.documents()) if scene.answers.count() else []
    by_id = {hit["_id"]: hit for hit in hits}
    assert len(by_id) == len(hits)
    return by_id


def search(scene: Scene, query: dict[str, Any]) -> int:
    scene.client.request("POST", f"/{scene.settings.index}-*/_refresh")
    answer = scene.client.request("POST", f"/{scene.settings.index}-*/_count", {"query": query})
    return int(answer["count"])


def test_lines_of_every_type_arrive_once_and_are_found_by_their_fields(scene: Scene) -> None:
    total = 0
    for component, lines in LINES.items():
        event = invocation(component, lines, start=total)
        total += len(lines)
        first, second = scene.function(event, Context()), scene.function(event, Context())
        assert (first.stored, first.there, first.dead_lettered) == (len(lines), 0, 0)
        assert (second.stored, second.there) == (0, len(lines)), "twice 0"
    hits = found(scene)
    assert set(hits) == {event_id(number) for number in range(total)}
    assert {hit["_index"] for hit in hits.values()} == {f"{scene.settings.index}-2026.11.27"}
    audit = [json.loads(line) for line in LINES["audit"]]
    for name in ("verb", "stage"):
        for value in {event[name] for event in audit}:
            wanted = sum(event[name] == value for event in audit)
            assert search(scene, {"term": {f"audit.{name}": value}}) == wanted
    assert search(scene, {"range": {"audit.responseStatus.code": {"gte": 400}}}) > 0
    assert search(scene, {"term": {"audit.user.username.keyword": "system:serviceaccount:default:reader"}}) > 0
    assert search(scene, {"match": {"@message": "qualified secrets"}}) > 0
    assert search(scene, {"term": {"data.controller": "deployment"}}) == 1
    assert search(scene, {"term": {"authenticator.groups": "system:masters"}}) == 1
    # As the workshop's own dashboard asks.
    for words in ("*apiserver*", "*audit*", "*authenticator*", "*scheduler*"):
        assert search(scene, {"match_phrase": {"@log_stream": words}}) > 0


def many(count: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Messages of 1,000 lines of one stream each, with ids of their own."""
    lines = list(islice(cycle((component, line) for component in LINES for line in LINES[component]), count))
    start = 0
    for component in LINES:
        of_component = [line for name, line in lines if name == component]
        for at in range(0, len(of_component), 1000):
            batch = of_component[at : at + 1000]
            yield STREAMS[component], events(batch, start=start)
            start += len(batch)


def delivered(function: Function, event: dict[str, Any], seconds: float = 60) -> None:
    """As Lambda does it: an invocation that raises is made again."""
    for _ in range(5):
        try:
            function(event, Context(seconds))
        except UndeliveredError:
            continue
        return
    pytest.fail("five invocations were not enough")


def test_ten_thousand_lines_through_a_busy_a_slow_and_a_broken_server(scene: Scene, opensearch_url: str) -> None:
    with SearchProxy(opensearch_url) as proxy:
        function = Function(replace(scene.settings, url=proxy.url))
        proxy.delay = (0.0, 0.2)
        modes = cycle([Mode.PASS, Mode.BUSY, Mode.HALF, Mode.SLOW, Mode.CUT])
        wanted: set[str] = set()
        for stream, lines in many(10_000):
            proxy.mode = next(modes)
            event = packed(message(stream, lines))
            wanted |= {line["id"] for line in lines}
            if proxy.mode is Mode.CUT:
                # What was done before the answer broke off is there; the rest is in the next invocation.
                with pytest.raises(UndeliveredError):
                    function(event, Context(seconds=23))
                proxy.mode = Mode.PASS
            delivered(function, event)
        function.close()
        assert not proxy.complaints
    assert len(wanted) == 10_000
    assert set(found(scene)) == wanted, "missing 0, twice 0"


def test_half_is_refused_and_kept(scene: Scene) -> None:
    # An index that somebody made by hand, with a mapping that takes no text there.
    mapping = {"dynamic": False, "properties": {"message": {"type": "long", "ignore_malformed": False}}}
    scene.client.request("PUT", f"/{scene.settings.index}-2026.11.27", {"mappings": mapping})
    lines = ["mere text", 'level=info msg="no number"'] * 5
    result = scene.function(invocation("authenticator", lines), Context())
    assert (result.stored, result.dead_lettered) == (5, 5)
    again = scene.function(invocation("authenticator", lines), Context())
    assert (again.stored, again.there, again.dead_lettered) == (0, 5, 5)
    scene.client.request("POST", f"/{DEAD_LETTER}/_refresh")
    query = {"query": {"term": {"cluster": scene.settings.cluster}}, "size": 20}
    letters = scene.client.request("POST", f"/{DEAD_LETTER}/_search", query)["hits"]["hits"]
    assert {letter["_source"]["id"] for letter in letters} == {event_id(number) for number in range(1, 10, 2)}
    assert len(letters) == 5
    assert all("mapper_parsing" in letter["_source"]["error"]["type"] for letter in letters)
    scene.client.request("POST", f"/{DEAD_LETTER}/_delete_by_query", {"query": query["query"]})


def test_a_batch_of_six_mebibytes_and_audit_lines_that_were_cut(scene: Scene) -> None:
    whole = json.loads(LINES["audit"][1])
    long = json.dumps({**whole, "requestObject": {"data": "x" * 300 * 1024}})[: 256 * 1024]
    lines = [long] * 24
    result = scene.function(invocation("audit", lines), Context())
    assert result.stored == len(lines)
    assert search(scene, {"term": {"truncated": True}}) == len(lines)
    assert search(scene, {"term": {"audit.verb": whole["verb"]}}) == len(lines)


def test_a_server_that_is_down_is_told_and_the_next_invocation_delivers(scene: Scene, opensearch_url: str) -> None:
    event = invocation("kube-scheduler", LINES["kube-scheduler"], time=TIME)
    with SearchProxy(opensearch_url) as proxy:
        function = Function(replace(scene.settings, url=proxy.url))
        proxy.refuse()
        with pytest.raises(UndeliveredError, match="can't be reached"):
            function(event, Context(seconds=23))
        proxy.refuse(refusing=False)
        assert function(event, Context()).stored == len(LINES["kube-scheduler"])
        function.close()


# --- AWS, played by a moto server


@pytest.fixture
def _keys(aws_server: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(tmp_path, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret("key"))


def test_what_a_subscription_hands_over_arrives(scene: Scene, aws_server: Aws) -> None:
    name = unique_name("cluster")
    logs, kinesis = aws_server.client("logs"), aws_server.client("kinesis")
    # moto needs Docker for a function; a stream gets the same message.
    kinesis.create_stream(StreamName=name, ShardCount=1)
    arn = kinesis.describe_stream(StreamName=name)["StreamDescription"]["StreamARN"]
    group = f"/aws/eks/{name}/cluster"
    logs.create_log_group(logGroupName=group)
    logs.put_subscription_filter(
        logGroupName=group, filterName="fluent-sidecar", filterPattern="", destinationArn=arn,
        roleArn="arn:aws:iam::123456789012:role/logs",
    )  # fmt: skip
    now = int(time.time() * 1000)
    for component, lines in LINES.items():
        logs.create_log_stream(logGroupName=group, logStreamName=STREAMS[component])
        written = [{"timestamp": now + number, "message": line} for number, line in enumerate(lines)]
        logs.put_log_events(logGroupName=group, logStreamName=STREAMS[component], logEvents=written)
    shard = kinesis.get_shard_iterator(
        StreamName=name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=shard)["Records"]
    for record in [*records, *records]:
        scene.function({"awslogs": {"data": b64encode(record["Data"]).decode()}}, Context())
    for client in (logs, kinesis):
        client.close()
    hits = found(scene)
    assert sorted(hit["_source"]["@message"] for hit in hits.values()) == sorted(
        line for lines in LINES.values() for line in lines
    )
    assert {hit["_source"]["@log_group"] for hit in hits.values()} == {group}


@pytest.mark.usefixtures("_keys")
def test_user_and_password_come_from_a_secret(aws_server: Aws) -> None:
    client = aws_server.client("secretsmanager")
    text = json.dumps({"username": "writer", "password": secret("lambda")})
    arn = client.create_secret(Name=unique_name("opensearch"), SecretString=text)["ARN"]
    kept = Secret(arn)
    assert kept.read() == ("writer", secret("lambda"))
    client.put_secret_value(SecretId=arn, SecretString='{"username": "writer"}')
    with pytest.raises(SecretError, match="is not JSON with username and password"):
        kept.read()
    client.close()
    with pytest.raises(SecretError, match="is no ARN"):
        Secret("opensearch")
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        Secret(f"arn:aws:secretsmanager:{REGION}:123456789012:secret:nothing-AbCdEf").read()

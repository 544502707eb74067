"""Channels and monitors: put in place, compared with what a server makes of them, and removed."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from sidecar.config import Config, loads
from sidecar.errors import OpenSearchError
from sidecar.opensearch.client import Client, RefusedError
from sidecar.opensearch.manage.channels import Channels
from sidecar.opensearch.manage.kind import Item, Kind, Present
from sidecar.opensearch.manage.monitors import Monitors
from sidecar.opensearch.manage.server import Feature, Server
from tests.support.fakes.alerting import MONITORS, FakeAlerting
from tests.support.fakes.server import says

SECRET = "https://hooks.example/services/T0/B0/hunter2"
SLACK = "fluent-sidecar-shop-slack"
WARNINGS = "fluent-sidecar shop: many Events of the type Warning"

Make = Callable[[Config, Client], Kind]


def pipeline(alerts: str = "channel: {slack: {url: {env: TEST_URL}}}", cluster: str = "shop") -> Config:
    return loads(f"cluster: {cluster}\nopensearch: {{url: 'http://h'}}\nalerts: {{{alerts}}}\n")


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_URL", SECRET)


@pytest.fixture
def server() -> Iterator[FakeAlerting]:
    with FakeAlerting() as fake:
        yield fake


@pytest.fixture
def client(server: FakeAlerting) -> Client:
    return Client(server.url)


def todo(kind: Kind) -> dict[str, Present | None]:
    """What is to be put, as the engine finds it: what the canonical forms differ in."""
    present = kind.present()
    return {
        name: present.get(name)
        for name, body in kind.wanted.items()
        if name not in present or kind.canonical(present[name].body) != kind.canonical(body)
    }


def put(kind: Kind) -> list[str]:
    items = [Item(name, kind.wanted[name], before) for name, before in todo(kind).items()]
    results = list(kind.put_all(items))
    assert [result.error for result in results if result.error] == []
    return [result.name for result in results]


@pytest.mark.parametrize("make", [Channels, Monitors])
def test_a_second_time_changes_nothing(client: Client, make: Make) -> None:
    config = pipeline(
        "channel: {slack: {url: {env: TEST_URL}}, webhook: {url: {env: TEST_URL}}, "
        "sns: {topicArn: 'arn:aws:sns:eu-west-1:123456789012:a'}, existing: [mine]}"
    )

    assert put(make(config, client)) == list(make(config, client).wanted)
    assert put(make(config, client)) == []


@pytest.mark.parametrize("make", [Channels, Monitors])
def test_another_clusters_are_left_alone(server: FakeAlerting, client: Client, make: Make) -> None:
    put(make(pipeline(cluster="other"), client))
    put(make(pipeline(cluster="shop2"), client))
    before = len(server.requests)

    kind = make(pipeline(), client)
    present = kind.present()

    assert set(kind.wanted) & set(present) == set()
    assert put(kind) == list(kind.wanted)
    assert len(server.requests) == before + 2 + len(kind.wanted)


# Channels


def test_a_channel_is_sent_with_its_address_and_shown_without(server: FakeAlerting, client: Client) -> None:
    kind = Channels(pipeline(), client)
    put(kind)

    sent = server.alerting.channels[SLACK]
    assert (sent["slack"], sent["config_type"], sent["is_enabled"]) == ({"url": SECRET}, "slack", True)
    found = kind.present()[SLACK]
    for shown in (kind.canonical(found.body), kind.kept(found), found, Item(SLACK, kind.wanted[SLACK], found)):
        assert "hunter2" not in repr(shown)
    assert kind.canonical(found.body)["slack"]["url"].startswith("sha256:")


def test_a_new_address_is_noticed(server: FakeAlerting, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    put(Channels(pipeline(), client))
    monkeypatch.setenv("TEST_URL", f"{SECRET}-2")

    assert put(Channels(pipeline(), client)) == [SLACK]
    assert server.alerting.channels[SLACK]["slack"]["url"] == f"{SECRET}-2"


def test_a_channel_that_somebody_made_a_moment_ago_is_replaced(server: FakeAlerting, client: Client) -> None:
    kind = Channels(pipeline(), client)
    items = [Item(name, body, before=None) for name, body in kind.wanted.items()]
    server.alerting.channels[SLACK] = {"config_type": "slack", "slack": {"url": "https://old"}}

    assert [result.error for result in kind.put_all(items)] == [None]
    assert server.alerting.channels[SLACK]["slack"]["url"] == SECRET


def test_channels_come_in_pages(server: FakeAlerting, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.opensearch.manage.channels._PAGE", 2)
    for number in range(5):
        server.alerting.channels[f"a-users-{number}"] = {"config_type": "slack", "slack": {"url": SECRET}}
    server.alerting.channels[SLACK] = {"config_type": "slack", "slack": {"url": SECRET}}
    server.alerting.channels["fluent-sidecar-shop-2-slack"] = {"config_type": "slack", "slack": {"url": SECRET}}

    assert list(Channels(pipeline(), client).present()) == [SLACK]
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, "alerts.channel.slack.url: the environment variable TEST_URL is not set, or empty"),
        ("hunter2", "alerts.channel.slack.url: what is there is no address (https://...)"),
        ("https://a b/hunter2", "alerts.channel.slack.url: what is there is no address (https://...)"),
    ],
)
def test_an_address_that_cant_be_had_is_an_obstacle(
    client: Client, monkeypatch: pytest.MonkeyPatch, value: str | None, wanted: str
) -> None:
    monkeypatch.delenv("TEST_URL")
    if value is not None:
        monkeypatch.setenv("TEST_URL", value)
    kind = Channels(pipeline(), client)

    assert set(kind.wanted) == {SLACK}
    assert kind.obstacle(SLACK).startswith(wanted)
    assert "hunter2" not in kind.obstacle(SLACK)


def test_a_refusal_that_repeats_the_address_is_told_without_it(server: FakeAlerting, client: Client) -> None:
    server.alerting.script = [says(400, {"error": {"type": "x", "reason": f"no protocol: {SECRET}"}})]
    kind = Channels(pipeline(), client)

    with pytest.raises(RefusedError, match=r"no protocol: \*\*\*") as caught:
        kind.put(Item(SLACK, kind.wanted[SLACK]))

    assert caught.value.status == 400
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_refusal_that_was_cut_within_the_address_shows_no_part_of_it(
    server: FakeAlerting, client: Client, cut: int
) -> None:
    kind = Channels(pipeline(), client)
    reason = f"{'x' * (300 - len('x: ') - len('https://a') - cut)} {SECRET}{'y' * 300}"
    server.alerting.script = [says(400, {"error": {"type": "x", "reason": reason}})]

    with pytest.raises(RefusedError) as caught:
        kind.put(Item(SLACK, kind.wanted[SLACK]))

    secret = SECRET.split("/", 3)[3]
    assert not any(secret[at : at + 5] in str(caught.value) for at in range(len(secret) - 4))


def test_half_a_list_of_channels_shows_no_address(server: FakeAlerting, client: Client) -> None:
    half = f'{{"config_list": [{{"config": {{"slack": {{"url": "{SECRET}'.encode()
    server.alerting.script = [says(200, half)]

    with pytest.raises(OpenSearchError) as caught:
        Channels(pipeline(), client).present()

    assert caught.value.what.endswith("/_plugins/_notifications/configs is not JSON")
    assert caught.value.__suppress_context__
    assert "hunter2" not in str(caught.value)


def test_a_channel_is_deleted_once(server: FakeAlerting, client: Client) -> None:
    kind = Channels(pipeline(), client)
    put(kind)
    before = kind.present()[SLACK]

    kind.delete(SLACK, before)
    kind.delete(SLACK, before)

    assert server.alerting.channels == {}


# Monitors


def test_a_monitor_that_was_turned_off_by_hand_runs_again(server: FakeAlerting, client: Client) -> None:
    put(Monitors(pipeline(), client))
    key = next(key for key, (body, _) in server.alerting.monitors.items() if body["name"] == WARNINGS)
    body, number = server.alerting.monitors[key]
    server.alerting.monitors[key] = {**body, "enabled": False}, number

    kind = Monitors(pipeline(), client)
    found = kind.present()[WARNINGS]

    assert found.edited is True
    assert put(kind) == [WARNINGS]
    assert server.alerting.monitors[key][0]["enabled"] is True


@pytest.mark.parametrize("old", [True, False])
def test_where_nobody_has_made_a_monitor_yet_there_is_none(server: FakeAlerting, client: Client, old: bool) -> None:
    server.alerting.old = old

    assert Monitors(pipeline(), client).present() == {}


def test_another_404_is_no_want_of_monitors(server: FakeAlerting, client: Client) -> None:
    server.alerting.script = [says(404, {"error": {"type": "x", "reason": "no such path"}})]

    with pytest.raises(RefusedError, match="no such path"):
        Monitors(pipeline(), client).present()


def test_monitors_are_the_same_where_the_mark_isnt_shown(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    put(Monitors(pipeline(), client))
    monkeypatch.setattr("sidecar.opensearch.manage.monitors._WITH_METADATA", {"user-agent": "a proxy"})

    assert put(Monitors(pipeline(), client)) == []
    assert Monitors(pipeline(), client).present()[WARNINGS].edited is None
    assert WARNINGS in put(Monitors(pipeline("monitors: {warnings: {above: 7}}"), client))


def test_an_edit_in_dashboards_is_known_by_the_mark_that_it_removes(server: FakeAlerting, client: Client) -> None:
    put(Monitors(pipeline(), client))
    server.alerting.named(WARNINGS)[0]["ui_metadata"] = {"schedule": {}, "search": {"searchType": "query"}}

    kind = Monitors(pipeline(), client)
    found = kind.present()[WARNINGS]

    assert (found.ours, found.edited) == (True, True)
    assert kind.kept(found)["ui_metadata"] == {"search": {"searchType": "query"}, "schedule": {}}
    assert put(kind) == [WARNINGS]


def test_a_new_threshold_reaches_the_monitor_under_its_id(server: FakeAlerting, client: Client) -> None:
    put(Monitors(pipeline(), client))
    before = set(server.alerting.monitors)

    kind = Monitors(pipeline("monitors: {warnings: {above: 7}}"), client)
    assert kind.present()[WARNINGS].edited is None
    changed = put(kind)

    # Without a channel no monitor has an action any more.
    assert WARNINGS in changed
    assert set(server.alerting.monitors) == before
    assert "value > 7" in orjson.dumps(server.alerting.named(WARNINGS)).decode()


def test_somebody_who_was_faster_is_not_overwritten(server: FakeAlerting, client: Client) -> None:
    put(Monitors(pipeline(), client))
    kind = Monitors(pipeline("monitors: {warnings: {above: 7}}"), client)
    item = Item(WARNINGS, kind.wanted[WARNINGS], kind.present()[WARNINGS])
    key = item.before.handle.id if item.before else ""
    body, number = server.alerting.monitors[key]
    server.alerting.monitors[key] = body, number + 100

    [result] = kind.put_all([item])

    assert isinstance(result.error, RefusedError)
    assert result.error.status == 409


def test_of_two_monitors_with_one_name_none_is_touched(server: FakeAlerting, client: Client) -> None:
    put(Monitors(pipeline(), client))
    body = server.alerting.named(WARNINGS)[0]
    server.alerting.monitors["of-a-user"] = body, 99

    kind = Monitors(pipeline(), client)
    kind.present()

    assert kind.obstacle(WARNINGS).startswith("there are 2 monitors of this name; delete all but one: ")
    assert "of-a-user" in kind.obstacle(WARNINGS)
    with pytest.raises(OpenSearchError, match="there are 2 monitors of this name"):
        kind.delete(WARNINGS, kind.present()[WARNINGS])
    assert len(server.alerting.named(WARNINGS)) == 2
    assert kind.obstacle("fluent-sidecar shop: the cluster sends nothing") == ""


def test_a_monitor_is_deleted_once(server: FakeAlerting, client: Client) -> None:
    kind = Monitors(pipeline(), client)
    put(kind)
    before = kind.present()[WARNINGS]

    kind.delete(WARNINGS, before)
    kind.delete(WARNINGS, before)

    assert server.alerting.named(WARNINGS) == []


def test_an_answer_that_is_none_is_said(server: FakeAlerting, client: Client) -> None:
    server.alerting.script = [says(200, {"hits": None})]

    with pytest.raises(OpenSearchError, match="was asked for monitors, answered another thing"):
        Monitors(pipeline(), client).present()


def test_a_monitor_that_the_server_shows_within_its_kind_is_read_too(server: FakeAlerting, client: Client) -> None:
    kind = Monitors(pipeline(), client)
    hit: dict[str, Any] = {"_id": "a", "_seq_no": 1, "_primary_term": 1}
    hit["_source"] = {"monitor": kind.wanted[WARNINGS]}
    server.alerting.script = [says(200, {"hits": {"hits": [hit]}})]

    assert list(kind.present()) == [WARNINGS]
    assert server.requests[-1].path == f"{MONITORS}/_search"


@pytest.mark.parametrize(("make", "feature"), [(Channels, Feature.NOTIFICATIONS), (Monitors, Feature.ALERTING)])
def test_a_server_without_the_plugin_cant_have_them(client: Client, make: Make, feature: Feature) -> None:
    kind = make(pipeline(), client)

    assert "lacks the " in kind.unsupported(Server("2.19.4"))
    assert kind.unsupported(Server("2.19.4", frozenset({feature}))) == ""


def test_without_channels_their_plugin_is_not_missed(server: FakeAlerting, client: Client) -> None:
    kind = Channels(pipeline("enabled: true"), client)

    assert kind.unsupported(Server("2.19.4")) == ""
    assert kind.present() == {}
    assert server.requests == []

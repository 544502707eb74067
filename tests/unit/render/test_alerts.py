"""What is true of every monitor and channel, whatever the YAML says."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from sidecar.config import Config, loads
from sidecar.render import render
from sidecar.render.alerts import MARK, Alert, alerts, channels, monitors, name_prefix
from sidecar.render.alerts.alert import FOUND
from sidecar.render.alerts.channels import channel_id
from sidecar.render.alerts.message import text, webhook
from sidecar.render.fields import DEAD_LETTER_FIELDS, EVENT_FIELDS, LOG_FIELDS, Kind

Json = dict[str, Any]

CHANNELS = (
    "slack: {url: {env: SLACK_URL}}, chime: {url: {file: /run/chime}}, microsoftTeams: {url: {env: TEAMS}}, "
    "webhook: {url: {env: HOOK}}, sns: {topicArn: 'arn:aws:sns:eu-west-1:123456789012:a'}, existing: [my-email]"
)
FIELDS = {
    "eks-kubernetes-events-*": EVENT_FIELDS,
    "eks-pod-logs-*": LOG_FIELDS,
    "pay-logs-*": LOG_FIELDS,
    "fluent-sidecar-dead-letter*": DEAD_LETTER_FIELDS,
}
AGGREGATED = {Kind.DATE, Kind.LONG, Kind.KEYWORD, Kind.NAME}


def pipeline(rest: str = "", cluster: str = "shop") -> Config:
    return loads(f"cluster: '{cluster}'\nopensearch: {{url: 'http://h'}}\n{rest}")


CONFIG = pipeline(
    "logs: {routes: [{name: pay, namespaces: [pay], index: pay-logs}]}\n"
    f"dashboards: {{url: 'https://d/_dashboards'}}\nalerts: {{channel: {{{CHANNELS}}}}}\n"
)
ALERTS = alerts(CONFIG)
every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.key)


def pairs(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a document with its value, and what is in a list under the list's key."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name, item
            yield from pairs(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from pairs(item, key)


def searched(search: Json) -> Iterator[str]:
    """The fields that a search asks for by name."""
    for key, value in pairs(search):
        if key == "field":
            yield value
        elif key in {"term", "match_phrase", "range", "sort"}:
            for item in value if isinstance(value, list) else [value]:
                yield from item
        elif key == "terms" and isinstance(value, dict) and "field" not in value:
            yield from (name for name in value if name != "boost")
        elif key == "source":
            yield from re.findall(r"doc\['([^']+)'\]", value)
            yield from re.findall(r"containsKey\('([^']+)'\)", value)


@every_alert
def test_a_search_names_fields_that_are_mapped(alert: Alert) -> None:
    found = set(searched(alert.search))

    assert {"cluster", "@timestamp"} <= found
    for index in alert.indices:
        kinds = {field.name: field.kind for field in FIELDS[index]}
        assert found - kinds.keys() == set()
        used = {value for key, value in pairs(alert.search) if key == "field" and isinstance(value, str)}
        assert {name for name in used if kinds[name] not in AGGREGATED} == set()


@every_alert
def test_a_message_names_what_the_search_brings(alert: Alert) -> None:
    brought = [name for key, value in pairs(alert.search) if key == "_source" and value for name in value["includes"]]
    for name in re.findall(r"_source\.([\w.@]+)", alert.text):
        assert any(name == one or name.startswith(f"{one}.") or one.startswith(f"{name}.") for one in brought), name
    made = [name for key, value in pairs(alert.search) if key == "script_fields" for name in value]
    assert re.findall(r"\{\{#fields\.(\w+)\}\}", alert.text) == made
    for name in [*brought, *made]:
        assert any(field.name == name or field.name.startswith(f"{name}.") for field in FIELDS[alert.indices[0]]), name


@every_alert
def test_every_search_is_of_this_cluster_and_of_a_bounded_time(alert: Alert) -> None:
    clauses = alert.search["query"]["bool"]["filter"]

    assert clauses[0] == {"term": {"cluster": {"value": "shop", "boost": 1.0}}}
    assert re.fullmatch(r"\{\{period_end\}\}\|\|-\d+s", clauses[1]["range"]["@timestamp"]["from"])
    assert clauses[1]["range"]["@timestamp"]["to"] == "{{period_end}}"
    assert all("*" in index for index in alert.indices)


@every_alert
def test_a_bucket_that_stays_in_the_answer_is_one_that_is_alerted_on(alert: Alert) -> None:
    [trigger] = monitors(CONFIG)[alert.key]["triggers"]
    if alert.paths is None:
        assert trigger["query_level_trigger"]["condition"]["script"]["source"] == alert.condition
        return
    condition = trigger["bucket_level_trigger"]["condition"]
    selector = alert.search["aggregations"][FOUND]["aggregations"]["alerting"]["bucket_selector"]

    assert condition.pop("parent_bucket_path") == FOUND
    assert condition == selector
    assert set(re.findall(r"params\.(\w+)", alert.condition)) == set(alert.paths)


@every_alert
def test_a_message_names_the_cluster_and_what_to_look_at(alert: Alert) -> None:
    told = text(CONFIG, alert)

    assert told.startswith(f"Cluster shop: {alert.title}\n")
    assert "Look at: " in told
    assert told.endswith("Dashboards: https://d/_dashboards")
    if alert.paths is not None:
        assert "{{#ctx.newAlerts}}" in told
        assert "{{#ctx.completedAlerts}}" in told


@every_alert
def test_sections_of_a_message_are_closed(alert: Alert) -> None:
    open_ones: list[str] = []
    for mark, name in re.findall(r"\{\{([#^/])([\w.]+)\}\}", text(CONFIG, alert)):
        if mark in "#^":
            open_ones.append(name)
        else:
            assert open_ones.pop() == name
    assert open_ones == []


@every_alert
def test_a_webhook_gets_json_in_which_values_are_escaped(alert: Alert) -> None:
    body = json.loads(webhook(CONFIG, alert))

    assert (body["cluster"], body["alert"], body["severity"]) == ("shop", alert.key, alert.severity)
    assert "{{{" not in body["text"]
    assert "}}}" not in body["text"]


def test_every_channel_is_told() -> None:
    for monitor in monitors(CONFIG).values():
        [trigger] = monitor["triggers"]
        [body] = trigger.values()
        told = [action["destination_id"] for action in body["actions"]]
        assert told == [
            "fluent-sidecar-shop-slack",
            "fluent-sidecar-shop-chime",
            "fluent-sidecar-shop-microsoft_teams",
            "fluent-sidecar-shop-webhook",
            "fluent-sidecar-shop-sns",
            "my-email",
        ]
        assert len({action["id"] for action in body["actions"]}) == len(told)


def test_a_bucket_tells_when_it_begins_and_ends_and_all_else_once_an_hour() -> None:
    for alert in ALERTS:
        [trigger] = monitors(CONFIG)[alert.key]["triggers"]
        [body] = trigger.values()
        for action in body["actions"]:
            # The plugin refuses a policy with a throttle for a query-level monitor, and the other way round.
            assert ("action_execution_policy" in action) == (alert.paths is not None)
            assert action["throttle_enabled"] == ("throttle" in action) == (alert.paths is None)


def test_a_rendered_channel_has_a_reference_in_place_of_its_address() -> None:
    files = render(CONFIG)

    slack = json.loads(files["opensearch/channels/slack.json"])
    assert slack["config"]["slack"] == {"url": {"env": "SLACK_URL"}}
    assert json.loads(files["opensearch/channels/chime.json"])["config"]["chime"] == {"url": {"file": "/run/chime"}}
    assert sorted(name for name in files if name.startswith("opensearch/channels/")) == [
        f"opensearch/channels/{kind}.json" for kind in ("chime", "microsoft-teams", "slack", "sns", "webhook")
    ]


@pytest.mark.parametrize("cluster", ["a.b", "a/b", "arn:aws:eks:eu-west-1:123456789012:cluster/a", "x" * 80])
def test_the_id_of_a_channel_has_only_what_the_plugin_takes_and_is_of_one_cluster(cluster: str) -> None:
    found = channel_id(cluster, "slack")

    assert re.fullmatch("fluent-sidecar-[A-Za-z0-9-]{3,70}-slack", found)
    for other in (re.sub("[:/.]", "-", f"{cluster}y"), f"{cluster}y", f"{cluster}."):
        assert channel_id(other, "slack") != found


def test_names_of_one_cluster_are_never_those_of_another() -> None:
    for other in ("shop:", "shop2", "sho", "shop/a"):
        for monitor in monitors(pipeline(cluster=other)).values():
            assert monitor["name"].startswith(name_prefix(other))
            assert not monitor["name"].startswith(name_prefix("shop"))


def test_names_are_different() -> None:
    names = [monitor["name"] for monitor in monitors(CONFIG).values()]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("rest", ["alerts: {enabled: false}", "alerts: {monitors: {gaps: {enabled: false}}}"])
def test_what_is_turned_off_is_there_and_does_not_run(rest: str) -> None:
    found = monitors(pipeline(rest))

    assert found.keys() == monitors(pipeline()).keys()
    assert found["gaps"]["enabled"] is False
    assert found["warnings"]["enabled"] is ("monitors" in rest)


@pytest.mark.parametrize(
    ("rest", "gone"),
    [("logs: {enabled: false}", {"errors", "node-silence"}), ("logs: {level: false}", {"errors"})],
)
def test_there_is_no_monitor_for_documents_that_there_are_not(rest: str, gone: set[str]) -> None:
    assert monitors(pipeline()).keys() - monitors(pipeline(rest)).keys() == gone


@every_alert
def test_a_message_tells_of_a_failure_without_a_look_into_it(alert: Alert) -> None:
    """The plugin's error is no map: a name that is looked up within its section is looked for in a Java object."""
    told = text(CONFIG, alert)

    sections = re.findall(r"\{\{#ctx\.error\}\}(.*?)\{\{/ctx\.error\}\}", told, re.DOTALL)
    assert len(sections) == 2
    assert not any("{{" in section for section in sections)
    assert told.count("{{^ctx.error}}") == 1


def test_a_family_of_one_index_is_asked_for_by_a_pattern_that_no_other_fits() -> None:
    """A name without a `*` is an error as long as there is no index of it."""
    config = pipeline("events: {rotate: never}\nlogs: {rotate: never}")
    asked = {alert.key: alert.indices for alert in alerts(config)}

    assert asked["gaps"] == ["e*ks-kubernetes-events"]
    assert asked["silence"] == ["e*ks-kubernetes-events", "e*ks-pod-logs"]
    assert fnmatchcase("eks-pod-logs", "e*ks-pod-logs")
    assert not fnmatchcase("eks-pod-logs-of-somebody", "e*ks-pod-logs")


def test_errors_are_told_by_container_where_the_workload_is_not_known() -> None:
    search = monitors(pipeline("logs: {metadata: path}"))["errors"]["inputs"][0]["search"]["query"]
    fields = [item["field"] for item in search["aggregations"][FOUND]["multi_terms"]["terms"]]

    assert fields == ["kubernetes.namespace_name", "kubernetes.container_name"]


def test_without_a_share_only_errors_are_read() -> None:
    with_share, without = (
        monitors(pipeline(f"alerts: {{monitors: {{errors: {{share: {share}}}}}}}"))["errors"] for share in (1, 0)
    )
    bad = {"terms": {"level": ["error", "fatal"], "boost": 1.0}}

    assert bad not in with_share["inputs"][0]["search"]["query"]["query"]["bool"]["filter"]
    assert bad in without["inputs"][0]["search"]["query"]["query"]["bool"]["filter"]


def test_the_mark_tells_another_monitor() -> None:
    one, other = (monitors(pipeline(rest))["gaps"] for rest in ("", "alerts: {monitors: {gaps: {above: 1}}}"))

    assert one["ui_metadata"][MARK]["managed_by"] == "fluent-sidecar"
    assert one["ui_metadata"][MARK]["hash"] != other["ui_metadata"][MARK]["hash"]
    assert one == monitors(pipeline())["gaps"]


@pytest.mark.parametrize(("period", "minutes"), [("1m", 1), ("5m", 1), ("15m", 3), ("1h", 12), ("1d", 15)])
def test_a_monitor_runs_several_times_within_its_period(period: str, minutes: int) -> None:
    found = monitors(pipeline(f"alerts: {{monitors: {{silence: {{period: {period}}}}}}}"))["silence"]

    assert found["schedule"] == {"period": {"interval": minutes, "unit": "MINUTES"}}


def test_without_a_channel_no_file_is_rendered_for_one() -> None:
    assert channels(pipeline()) == {}

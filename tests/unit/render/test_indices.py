"""Index names, index templates and policies."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import Config, loads
from sidecar.config.model import Events
from sidecar.render.fields import CONTROL_PLANE_FIELDS, EVENT_FIELDS, LOG_FIELDS
from sidecar.render.indices import DEAD_LETTER, event_index, event_index_pattern, families, index_pattern
from sidecar.render.policies import policies
from sidecar.render.templates import SETTINGS, component_templates, content_hash, index_templates

LEGAL = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}\Z")
ROTATIONS = ("daily", "monthly", "never")
EVENTS = "fluent-sidecar-eks-kubernetes-events"
LOGS = "fluent-sidecar-eks-pod-logs"
CONTROL_PLANE = "fluent-sidecar-eks-control-plane-logs"


def config(version: str = "2.19", events: str = "", logs: str = "") -> Config:
    return loads(
        f"cluster: c\nopensearch: {{url: 'http://h', version: '{version}'}}\nevents: {{{events}}}\nlogs: {{{logs}}}\n"
    )


def composed(made: Config) -> dict[str, dict[str, Any]]:
    """What each index template comes to, with its components, as OpenSearch puts them together."""
    components = component_templates(made)
    found = {}
    for name, template in index_templates(made).items():
        parts = [components[part]["template"] for part in template["composed_of"]]
        # They have nothing in common, so their order is nobody's business.
        keys = [key for part in [*parts, template.get("template", {})] for key in part]
        assert sorted(keys) == ["mappings", "settings"], name
        found[name] = {key: value for part in [*parts, template.get("template", {})] for key, value in part.items()}
    return found


def section(rotate: str) -> Events:
    return config(events=f"rotate: {rotate}").events


# Names


@pytest.mark.parametrize(
    ("rotate", "created", "wanted"),
    [
        ("daily", "2026-11-22T23:59:59Z", "eks-kubernetes-events-2026.11.22"),
        ("daily", "2026-11-22T23:59:59.999999Z", "eks-kubernetes-events-2026.11.22"),
        ("monthly", "2026-11-22T23:59:59Z", "eks-kubernetes-events-2026.11"),
        ("never", "2026-11-22T23:59:59Z", "eks-kubernetes-events"),
        ("never", None, "eks-kubernetes-events"),
        ("daily", None, "eks-kubernetes-events-undated"),
        ("monthly", "", "eks-kubernetes-events-undated"),
        ("daily", 1763850000, "eks-kubernetes-events-undated"),
        ("daily", "2026-11-22", "eks-kubernetes-events-undated"),
        ("daily", " 2026-11-22T00:00:00Z", "eks-kubernetes-events-undated"),
        ("daily", "٢٠٢٦-٠٢-٢٢T00:00:00Z", "eks-kubernetes-events-undated"),
        ("daily", {"year": 2026}, "eks-kubernetes-events-undated"),
    ],
)
def test_the_index_of_an_event(rotate: str, created: object, wanted: str) -> None:
    assert event_index(section(rotate), created) == wanted


@given(
    st.sampled_from(ROTATIONS).map(section),
    st.none()
    | st.integers()
    | st.text()
    | st.from_regex(r"\d{4}-\d{2}-\d{2}T.*")
    | st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
)
def test_any_event_has_a_legal_index_that_the_pattern_matches(events: Events, created: object) -> None:
    name = event_index(events, created)

    assert LEGAL.match(name)
    assert fnmatchcase(name, event_index_pattern(events))
    assert not fnmatchcase(DEAD_LETTER, event_index_pattern(events))
    assert name == event_index(events, created)


@given(st.datetimes(min_value=datetime(1000, 1, 1)))  # noqa: DTZ001 - the API server's times have no zone but Z
def test_a_real_date_opens_one_index_a_period(moment: datetime) -> None:
    created = moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    assert event_index(section("daily"), created).endswith(moment.strftime("-%Y.%m.%d"))
    assert event_index(section("monthly"), created).endswith(moment.strftime("s-%Y.%m"))


@given(st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,30}\Z") | st.sampled_from(["fluent", "fluent-sidecar"]))
def test_whatever_the_name_the_dead_letters_are_apart(name: str) -> None:
    try:
        events = Events(index=name)
    except ValueError:
        return
    assert not fnmatchcase(DEAD_LETTER, event_index_pattern(events))
    assert f"fluent-sidecar-{name}" != DEAD_LETTER


# Templates


def leaves(properties: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping that isn't a mere group of others, with those under `fields`."""
    for name, mapping in properties.items():
        if "properties" in mapping:
            yield from leaves(mapping["properties"], f"{path}{name}.")
        else:
            yield f"{path}{name}", mapping
            yield from leaves(mapping.get("fields", {}), f"{path}{name}.")


VERSIONS = ["2.11", "2.12", "2.14", "2.15", "2.19", "3.4"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_leaf_has_a_type_that_the_version_knows(version: str) -> None:
    known = {"keyword", "date", "long", "boolean", "object", "text"}
    if version != "2.11":
        known |= {"match_only_text"}
    if version not in {"2.11", "2.12", "2.14"}:
        known |= {"flat_object"}
    for template in composed(config(version)).values():
        for path, mapping in leaves(template["mappings"]["properties"]):
            assert mapping.get("type") in known, path


@pytest.mark.parametrize("version", VERSIONS)
def test_no_document_can_be_rejected(version: str) -> None:
    for template in composed(config(version)).values():
        assert template["mappings"]["dynamic"] is False
        assert template["settings"]["index"]["mapping"]["ignore_malformed"] is True
        for path, mapping in leaves(template["mappings"]["properties"]):
            if mapping["type"] == "keyword" and mapping.get("index", True):
                # Lucene's limit is 32,766 bytes, and a character has up to four.
                assert 0 < mapping["ignore_above"] <= 8191, path
            # The one type that refuses what it can't read; only the filter writes it.
            assert mapping["type"] != "boolean" or path == "truncated"
            if mapping["type"] == "object":
                assert mapping["enabled"] is False, path


def mapping_of(version: str, *path: str, template: str = EVENTS) -> dict[str, Any]:
    found: dict[str, Any] = composed(config(version))[template]["mappings"]
    for name in path:
        found = found["properties"][name]
    return found


@pytest.mark.parametrize(
    ("version", "wanted"),
    [("2.11", "text"), ("2.12", "match_only_text"), ("2.19", "match_only_text"), ("3.4", "match_only_text")],
)
def test_messages_take_little_space_where_the_server_can(version: str, wanted: str) -> None:
    assert mapping_of(version, "message") == {"type": wanted}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("owner", ["metadata", "involvedObject", "related"])
@pytest.mark.parametrize("name", ["labels", "annotations"])
def test_what_users_name_makes_no_fields(version: str, owner: str, name: str) -> None:
    sound = version in {"2.15", "2.19", "3.4"}

    wanted = {"type": "flat_object"} if sound else {"type": "object", "enabled": False}
    assert mapping_of(version, owner, name) == wanted


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", [("data",), ("kubernetes", "labels")])
def test_what_users_name_in_their_logs_makes_no_fields(version: str, path: tuple[str, ...]) -> None:
    sound = version in {"2.15", "2.19", "3.4"}

    wanted = {"type": "flat_object"} if sound else {"type": "object", "enabled": False}
    assert mapping_of(version, *path, template=LOGS) == wanted


def test_what_is_a_lines_id_already_takes_no_space_in_an_index() -> None:
    wanted = {"type": "keyword", "index": False, "doc_values": False}
    assert mapping_of("2.19", "id", template=LOGS) == mapping_of("2.19", "index", template=LOGS) == wanted


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (EVENTS, ("type",)),
        (EVENTS, ("reason",)),
        (EVENTS, ("metadata", "namespace")),
        (EVENTS, ("involvedObject", "kind")),
        (EVENTS, ("involvedObject", "name")),
        (LOGS, ("stream",)),
        (LOGS, ("kubernetes", "namespace_name")),
        (LOGS, ("kubernetes", "pod_name")),
        (LOGS, ("kubernetes", "container_name")),
        (LOGS, ("kubernetes", "host")),
        (CONTROL_PLANE, ("@log_group",)),
    ],
)
def test_dashboards_made_for_dynamic_mappings_find_their_keyword(template: str, path: tuple[str, ...]) -> None:
    mapping = mapping_of("2.19", *path, template=template)

    assert mapping["type"] == "keyword"
    assert mapping["fields"]["keyword"]["type"] == "keyword"


@pytest.mark.parametrize("name", ["@timestamp", "firstTimestamp", "lastTimestamp", "eventTime"])
def test_times_are_dates(name: str) -> None:
    assert mapping_of("2.19", name) == {"type": "date"}


@pytest.mark.parametrize("template", [EVENTS, LOGS, CONTROL_PLANE, DEAD_LETTER])
def test_every_document_has_a_time_and_a_cluster(template: str) -> None:
    assert mapping_of("2.19", "@timestamp", template=template) == {"type": "date"}
    assert mapping_of("2.19", "cluster", template=template)["type"] == "keyword"


def test_the_stream_of_the_control_plane_is_analysed_as_dashboards_ask_for_it() -> None:
    assert mapping_of("2.12", "@log_stream", template=CONTROL_PLANE) == {"type": "match_only_text"}


@pytest.mark.parametrize("fields", [EVENT_FIELDS, LOG_FIELDS, CONTROL_PLANE_FIELDS])
def test_no_field_is_named_twice_or_lies_within_another(fields: tuple[Any, ...]) -> None:
    names = sorted(f"{field.name}." for field in fields)
    assert [later for name, later in pairwise(names) if later.startswith(name)] == []


ROUTES = (
    "routes: [{name: a, namespaces: [a], index: ra}, {name: b, namespaces: [b], index: rb, rotate: never},"
    " {name: c, namespaces: [c], index: ra}]"
)


def test_a_template_is_found_by_its_pattern_alone() -> None:
    templates = index_templates(config(events="index: a, rotate: monthly", logs=ROUTES))

    assert {name: template["index_patterns"] for name, template in templates.items()} == {
        "fluent-sidecar-a": ["a-*"],
        LOGS: ["eks-pod-logs-*"],
        "fluent-sidecar-ra": ["ra-*"],
        "fluent-sidecar-rb": ["rb"],
        CONTROL_PLANE: ["eks-control-plane-logs-*"],
        DEAD_LETTER: [DEAD_LETTER],
    }


def test_without_logs_there_are_no_families_of_them() -> None:
    made = config(logs=f"enabled: false, {ROUTES}")

    assert [family.source for family in families(made)] == ["events", "controlPlane"]
    assert set(index_templates(made)) == {EVENTS, CONTROL_PLANE, DEAD_LETTER}
    assert set(policies(made)) == {EVENTS, CONTROL_PLANE}


def test_a_thousand_routes_share_one_mapping() -> None:
    routes = ", ".join(f"{{name: n{at}, namespaces: [n{at}], index: i{at}}}" for at in range(1000))
    made = config(logs=f"routes: [{routes}]")

    assert len(component_templates(made)) == 4
    shared = [template["composed_of"] for name, template in index_templates(made).items() if "sidecar-i" in name]
    assert len(shared) == 1000
    assert all(parts == shared[0] for parts in shared)


def test_no_template_of_an_index_is_named_like_a_component() -> None:
    for name in component_templates(config()):
        assert name.startswith("fluent-sidecar-component-")
        assert name not in index_templates(config())


def test_a_template_wins_over_ready_made_ones() -> None:
    assert {template["priority"] for template in index_templates(config()).values()} == {500}


@pytest.mark.parametrize("name", [EVENTS, DEAD_LETTER])
def test_the_hash_is_of_the_content_whatever_the_order(name: str) -> None:
    template = index_templates(config())[name]
    meta = template.pop("_meta")

    assert meta["managed_by"] == "fluent-sidecar"
    for content in (template, dict(reversed(template.items())), json.loads(json.dumps(template))):
        assert meta["hash"] == content_hash(content)


def test_the_hash_of_a_component_is_of_its_content() -> None:
    for template in component_templates(config()).values():
        meta = template.pop("_meta")
        assert meta["managed_by"] == "fluent-sidecar"
        assert meta["hash"] == content_hash(template)


def test_another_content_has_another_hash() -> None:
    def hashes(*arguments: str) -> dict[str, str]:
        found = index_templates(config(*arguments)) | component_templates(config(*arguments))
        return {name: template["_meta"]["hash"] for name, template in found.items()}

    assert hashes("2.19") == hashes("3.4")
    changed = {name for name, text in hashes("2.14").items() if text != hashes("2.19")[name]}
    # A thousand index templates stay as they are where a component changes.
    assert changed == set(component_templates(config())) - {SETTINGS}
    assert hashes("2.19")[EVENTS] != hashes("2.19", "rotate: never")[EVENTS]
    assert hashes("2.19")[DEAD_LETTER] == hashes("2.19", "rotate: never")[DEAD_LETTER]


# Policies


@pytest.mark.parametrize(
    ("events", "pattern", "hours"),
    [
        ("", "eks-kubernetes-events-*", 31 * 24),
        ("retain: 1d", "eks-kubernetes-events-*", 48),
        ("retain: 28d, rotate: monthly", "eks-kubernetes-events-*", 59 * 24),
        ("index: a, retain: 36.5h", "a-*", 61),
        ("retain: 36500d, rotate: monthly", "eks-kubernetes-events-*", 36531 * 24),
    ],
)
def test_an_index_goes_when_its_last_document_is_old_enough(events: str, pattern: str, hours: int) -> None:
    policy = policies(config(events=events))[f"fluent-sidecar-{pattern.removesuffix('-*')}"]["policy"]

    kept, deleted = policy["states"]
    assert policy["default_state"] == kept["name"]
    assert kept["transitions"] == [{"state_name": deleted["name"], "conditions": {"min_index_age": f"{hours}h"}}]
    assert deleted["actions"] == [{"delete": {}}]
    assert [template["index_patterns"] for template in policy["ism_template"]] == [[pattern]]


@given(st.integers(28 * 24, 28 * 24 * 20), st.sampled_from(["daily", "monthly"]))
def test_no_document_goes_before_its_time(hours: int, rotate: str) -> None:
    policy = policies(config(events=f"retain: {hours}h, rotate: {rotate}"))[EVENTS]
    [transition] = policy["policy"]["states"][0]["transitions"]
    age = timedelta(hours=int(transition["conditions"]["min_index_age"].removesuffix("h")))
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    # The last document comes at the end of the longest period.
    last = begin + timedelta(days=1 if rotate == "daily" else 31)

    assert begin + age >= last + timedelta(hours=hours)


def test_every_family_that_ends_has_a_policy_of_its_pattern() -> None:
    made = config(events="rotate: never", logs=ROUTES)
    wanted = {f"fluent-sidecar-{family.index}": index_pattern(family) for family in families(made) if family.retention}

    found = {name: policy["policy"]["ism_template"][0]["index_patterns"] for name, policy in policies(made).items()}
    assert found == {name: [pattern] for name, pattern in wanted.items()}
    assert set(found) == {LOGS, "fluent-sidecar-ra", CONTROL_PLANE}


def test_nothing_is_deleted_where_nothing_says_so() -> None:
    never = "rotate: never"
    text = f"cluster: c\nopensearch: {{url: 'http://h'}}\nevents: {{{never}}}\nlogs: {{{never}}}\n"
    assert policies(loads(f"{text}controlPlane: {{{never}}}\n")) == {}

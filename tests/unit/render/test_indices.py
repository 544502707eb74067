"""Index names, index templates and policies."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import Config, loads
from sidecar.config.model import Events
from sidecar.render.indices import DEAD_LETTER, event_index, event_index_pattern
from sidecar.render.policies import policies
from sidecar.render.templates import content_hash, index_templates

LEGAL = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}\Z")
ROTATIONS = ("daily", "monthly", "never")
EVENTS = "fluent-sidecar-eks-kubernetes-events"


def config(version: str = "2.19", events: str = "") -> Config:
    return loads(f"cluster: c\nopensearch: {{url: 'http://h', version: '{version}'}}\nevents: {{{events}}}\n")


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
    known = {"keyword", "date", "long", "object", "text"}
    if version != "2.11":
        known |= {"match_only_text"}
    if version not in {"2.11", "2.12", "2.14"}:
        known |= {"flat_object"}
    for template in index_templates(config(version)).values():
        for path, mapping in leaves(template["template"]["mappings"]["properties"]):
            assert mapping.get("type") in known, path


@pytest.mark.parametrize("version", VERSIONS)
def test_no_document_can_be_rejected(version: str) -> None:
    for template in index_templates(config(version)).values():
        assert template["template"]["mappings"]["dynamic"] is False
        assert template["template"]["settings"]["index"]["mapping"]["ignore_malformed"] is True
        for path, mapping in leaves(template["template"]["mappings"]["properties"]):
            if mapping["type"] == "keyword":
                # Lucene's limit is 32,766 bytes, and a character has up to four.
                assert 0 < mapping["ignore_above"] <= 8191, path
            if mapping["type"] == "object":
                assert mapping["enabled"] is False, path


def mapping_of(version: str, *path: str) -> dict[str, Any]:
    found: dict[str, Any] = index_templates(config(version))[EVENTS]["template"]["mappings"]
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


@pytest.mark.parametrize(
    "path", [("type",), ("reason",), ("metadata", "namespace"), ("involvedObject", "kind"), ("involvedObject", "name")]
)
def test_dashboards_made_for_dynamic_mappings_find_their_keyword(path: tuple[str, ...]) -> None:
    mapping = mapping_of("2.19", *path)

    assert mapping["type"] == "keyword"
    assert mapping["fields"]["keyword"]["type"] == "keyword"


@pytest.mark.parametrize("name", ["@timestamp", "firstTimestamp", "lastTimestamp", "eventTime"])
def test_times_are_dates(name: str) -> None:
    assert mapping_of("2.19", name) == {"type": "date"}


def test_a_template_is_found_by_its_pattern_alone() -> None:
    templates = index_templates(config(events="index: a, rotate: monthly"))

    patterns = {name: template["index_patterns"] for name, template in templates.items()}
    assert patterns == {"fluent-sidecar-a": ["a-*"], DEAD_LETTER: [DEAD_LETTER]}


def test_a_template_wins_over_ready_made_ones() -> None:
    assert {template["priority"] for template in index_templates(config()).values()} == {500}


def test_the_hash_is_of_the_content_whatever_the_order() -> None:
    template = index_templates(config())[EVENTS]
    meta = template.pop("_meta")

    assert meta["managed_by"] == "fluent-sidecar"
    assert meta["hash"] == content_hash(template)
    assert meta["hash"] == content_hash(dict(reversed(template.items())))
    assert meta["hash"] == content_hash(json.loads(json.dumps(template)))


def test_another_content_has_another_hash() -> None:
    def hashes(*arguments: str) -> dict[str, str]:
        return {name: template["_meta"]["hash"] for name, template in index_templates(config(*arguments)).items()}

    assert hashes("2.19") == hashes("3.4")
    assert hashes("2.19")[EVENTS] != hashes("2.14")[EVENTS]
    assert hashes("2.19")[EVENTS] != hashes("2.19", "rotate: never")[EVENTS]
    assert hashes("2.19")[DEAD_LETTER] == hashes("2.19", "rotate: never")[DEAD_LETTER]


# Policies


@pytest.mark.parametrize(
    ("events", "pattern", "hours"),
    [
        ("", "eks-kubernetes-events-*", 31 * 24),
        ("retain: 1d", "eks-kubernetes-events-*", 48),
        ("retain: 1d, rotate: monthly", "eks-kubernetes-events-*", 32 * 24),
        ("index: a, retain: 36.5h", "a-*", 61),
        ("retain: 36500d, rotate: monthly", "eks-kubernetes-events-*", 36531 * 24),
    ],
)
def test_an_index_goes_when_its_last_document_is_old_enough(events: str, pattern: str, hours: int) -> None:
    [policy] = [found["policy"] for found in policies(config(events=events)).values()]

    kept, deleted = policy["states"]
    assert policy["default_state"] == kept["name"]
    assert kept["transitions"] == [{"state_name": deleted["name"], "conditions": {"min_index_age": f"{hours}h"}}]
    assert deleted["actions"] == [{"delete": {}}]
    assert [template["index_patterns"] for template in policy["ism_template"]] == [[pattern]]


@given(st.integers(24, 24 * 400), st.sampled_from(["daily", "monthly"]))
def test_no_document_goes_before_its_time(hours: int, rotate: str) -> None:
    [policy] = policies(config(events=f"retain: {hours}h, rotate: {rotate}")).values()
    [transition] = policy["policy"]["states"][0]["transitions"]
    age = timedelta(hours=int(transition["conditions"]["min_index_age"].removesuffix("h")))
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    # The last document comes at the end of the longest period.
    last = begin + timedelta(days=1 if rotate == "daily" else 31)

    assert begin + age >= last + timedelta(hours=hours)


def test_nothing_is_deleted_where_nothing_says_so() -> None:
    assert policies(config(events="rotate: never")) == {}

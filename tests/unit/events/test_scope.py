"""What the API server leaves out by itself, against a model of how it reads field selectors."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.config import loads
from sidecar.config.model import Events
from sidecar.events.scope import Scope, scope
from sidecar.events.select import selected

Json = dict[str, Any]
HEAD = "cluster: c\nopensearch: {url: http://h}\n"
FIELDS = {
    "type": ("type",),
    "reason": ("reason",),
    "involvedObject.kind": ("involvedObject", "kind"),
    "metadata.namespace": ("metadata", "namespace"),
}
"""Of those that the API server knows of Events, the ones in use: it refuses all others."""


# --- the API server


def terms(selector: str) -> list[tuple[str, bool, str]]:
    """Field, whether it must be equal, and value of each term, as the API server reads them."""
    found = []
    for term in re.split(r"(?<!\\)(?:\\\\)*,", selector) if selector else []:
        match = re.match(r"(.*?)(!=|==|=)(.*)\Z", term, re.DOTALL)
        assert match, f"{term!r} is refused"
        field, operator, value = match.groups()
        assert field in FIELDS, f"{field!r} is refused"
        assert not re.search(r"[\\,=]", value), f"{value!r} would have to be escaped"
        found.append((field, operator != "!=", value))
    return found


def shown(event: Json, asked: Scope) -> bool:
    """Whether the API server shows an Event to who asks so."""
    found = re.fullmatch(r"/api/v1(?:/namespaces/([a-z0-9.-]+))?/events", asked.path)
    assert found, asked.path
    assert asked.selector.keys() <= {"fieldSelector"}
    if found[1] and event["metadata"]["namespace"] != found[1]:
        return False
    return all(
        (text_at(event, FIELDS[field]) == value) is equal
        for field, equal, value in terms(asked.selector.get("fieldSelector", ""))
    )


def text_at(event: Json, path: tuple[str, ...]) -> str:
    value: Any = event
    for key in path:
        value = value.get(key, {})
    return value if isinstance(value, str) else ""


# --- any configuration, any Event

NAMESPACES = st.sampled_from(["default", "kube-system", "pay", "pay-a", "a.b", "*", "pay*", "*-*"])
ODD = ["Back Off", "a,b", "a=b", "a!=b", "!a", "\\a", "a\\", "=", "ä", "[x]", "?", "x%y&z", "*=*"]
NAMES = st.sampled_from(["Normal", "Warning", "Pod", "Node", "*", "Back*", "*d", "P*d", *ODD]) | st.text(
    st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=3
)


def lists(names: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(names, max_size=2)


SELECTIONS = st.fixed_dictionaries(
    {},
    optional={"namespaces": lists(NAMESPACES), "types": lists(NAMES), "reasons": lists(NAMES), "kinds": lists(NAMES)},
)
INVOLVED = st.fixed_dictionaries({}, optional={"kind": NAMES})
EVENTS = st.fixed_dictionaries(
    {"metadata": st.fixed_dictionaries({"namespace": NAMESPACES})},
    optional={"type": NAMES | st.just(""), "reason": NAMES, "involvedObject": INVOLVED},
)


def configured(include: Json, exclude: Json) -> Events:
    return Events.model_validate(
        {"include": {key: tuple(names) for key, names in include.items()},
         "exclude": {key: tuple(names) for key, names in exclude.items()}}
    )  # fmt: skip


@given(SELECTIONS, SELECTIONS, st.lists(EVENTS, min_size=1, max_size=5))
def test_what_is_to_go_out_is_never_left_out_by_the_server(include: Json, exclude: Json, events: list[Json]) -> None:
    config = configured(include, exclude)
    asked = scope(config)
    for event in events:
        assert shown(event, asked) or not selected(event, config), (asked, event)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(SELECTIONS, SELECTIONS)
def test_the_server_understands_every_selector(include: Json, exclude: Json) -> None:
    shown({"metadata": {"namespace": "x"}}, scope(configured(include, exclude)))


def test_the_model_leaves_out_what_a_selector_says() -> None:
    event = {"metadata": {"namespace": "a"}, "type": "Normal", "involvedObject": {"kind": "Pod"}}
    for selector, there in (
        ("", True), ("type=Normal", True), ("type=Warning", False), ("type!=Normal", False), ("reason!=x", True),
        ("reason=x", False), ("type=Normal,involvedObject.kind!=Pod", False), ("metadata.namespace!=a", False),
    ):  # fmt: skip
        assert shown(event, Scope("/api/v1/events", {"fieldSelector": selector})) is there, selector
    assert not shown(event, Scope("/api/v1/namespaces/b/events"))


# --- what is spared


@pytest.mark.parametrize(
    ("section", "path", "selector"),
    [
        ("{}", "/api/v1/events", None),
        ("{include: {namespaces: [pay]}}", "/api/v1/namespaces/pay/events", None),
        ("{include: {namespaces: [pay, a]}}", "/api/v1/events", None),
        ("{include: {namespaces: ['pay*']}}", "/api/v1/events", None),
        ("{include: {types: [Warning]}}", "/api/v1/events", "type=Warning"),
        ("{include: {types: [Warning], reasons: [A, B], kinds: [Pod]}}", "/api/v1/events",
         "type=Warning,involvedObject.kind=Pod"),
        ("{exclude: {namespaces: [a, 'b*', c], reasons: [R, 'S*']}}", "/api/v1/events",
         "metadata.namespace!=a,metadata.namespace!=c,reason!=R"),
        ("{include: {namespaces: [pay]}, exclude: {namespaces: [pay, a], kinds: [Pod]}}",
         "/api/v1/namespaces/pay/events", "involvedObject.kind!=Pod"),
        ("{exclude: {reasons: ['a,b', 'a=b', 'a!b', 'a\\b', 'a?', '[a]', ok]}}", "/api/v1/events", "reason!=ok"),
        ("{include: {reasons: ['a,b']}}", "/api/v1/events", None),
    ],
)  # fmt: skip
def test_the_server_is_asked_for_no_more_than_one_selector_can_say(
    section: str, path: str, selector: str | None
) -> None:
    expected = {"fieldSelector": selector} if selector else {}
    assert scope(loads(f"{HEAD}events: {section}\n").events) == Scope(path, expected)

"""Index families: rotation and retention go together, and no family's pattern takes another's indices."""

from datetime import timedelta

import pytest

from sidecar.config.family import Family
from tests.unit.config.pipelines import config, refused

AS_A_WHOLE = "because an index is deleted as a whole"
FAMILIES = ["events", "logs", "controlPlane"]


def family(section: str, text: str) -> Family:
    found = getattr(config(**{section: text}), "control_plane" if section == "controlPlane" else section)
    assert isinstance(found, Family)
    return found


@pytest.mark.parametrize(("section", "days"), [("events", 30), ("logs", 14), ("controlPlane", 30)])
def test_retention(section: str, days: int) -> None:
    assert family(section, "").retention == timedelta(days=days)
    assert family(section, "rotate: never").retention is None
    assert family(section, "rotate: monthly").retention == timedelta(days=max(days, 28))
    assert family(section, "retain: 1d").retention == timedelta(days=1)
    assert family(section, "rotate: monthly, retain: 28d").retention == timedelta(days=28)


@pytest.mark.parametrize("section", FAMILIES)
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("rotate: never, retain: 3d", f"retain needs rotate: daily or monthly, {AS_A_WHOLE}"),
        ("retain: 23h", f"retain must be at least 1d with rotate: daily, {AS_A_WHOLE}"),
        ("rotate: monthly, retain: 27d", f"retain must be at least 28d with rotate: monthly, {AS_A_WHOLE}"),
    ],
)
def test_a_retention_that_does_not_go_with_the_rotation(section: str, text: str, wanted: str) -> None:
    assert refused(**{section: text}) == f"{section}.retain: {wanted}"


@pytest.mark.parametrize("section", FAMILIES)
@pytest.mark.parametrize("name", ["A", "-a", "a*", "a" * 241])
def test_an_index_name_that_opensearch_refuses(section: str, name: str) -> None:
    assert refused(**{section: f'index: "{name}"'}).startswith(f"{section}.index: expected an index name")


def test_a_route_has_what_logs_has_where_it_says_nothing() -> None:
    found = config(
        logs="rotate: monthly, retain: 60d, routes: ["
        "{name: a, namespaces: [a], index: ra},"
        "{name: b, namespaces: [b], index: rb, rotate: daily},"
        "{name: c, namespaces: [c], index: rc, retain: 90d},"
        "{name: d, namespaces: [d], index: rd, rotate: never}]"
    ).logs.routes
    assert [(route.rotate, route.retention) for route in found] == [
        ("monthly", timedelta(days=60)),
        ("daily", timedelta(days=60)),
        ("monthly", timedelta(days=90)),
        ("never", None),
    ]


def test_a_route_below_logs_that_are_kept_for_ever() -> None:
    routes = "rotate: never, routes: [{name: a, namespaces: [a], index: ra, %s}]"
    assert config(logs=routes % "rotate: daily").logs.routes[0].retention == timedelta(days=14)
    assert refused(logs=routes % "retain: 3d").startswith("logs.routes[0].retain: retain needs rotate: daily or")


def test_what_a_route_inherits_must_go_with_what_it_says() -> None:
    routes = "retain: 7d, routes: [{name: a, namespaces: [a], index: ra, rotate: monthly}]"
    assert refused(logs=routes) == (
        f"logs.routes[0].retain: retain must be at least 28d with rotate: monthly, {AS_A_WHOLE}; "
        "this is from logs.rotate or logs.retain"
    )


# Which would meet


def test_two_families_with_one_index() -> None:
    wanted = '"eks-pod-logs" is logs.index already; choose another name'
    assert refused(events="index: eks-pod-logs") == f"events.index: {wanted}"
    assert refused(controlPlane="index: eks-pod-logs") == f"controlPlane.index: {wanted}"
    routes = "routes: [{name: a, namespaces: [a], index: eks-pod-logs}]"
    assert refused(logs=routes) == f"logs.routes[0].index: {wanted}"


def test_an_index_within_another_ones_pattern() -> None:
    assert refused(events="index: eks-pod-logs-x") == (
        'events.index: events.index ("eks-pod-logs-x") begins with "eks-pod-logs-", so that what belongs to logs.index '
        'alone would hold for both; choose another name for "eks-pod-logs-x" or for logs.index'
    )
    # The default is not in the file, so the shorter one is shown.
    assert refused(logs="index: eks-control") == (
        'logs.index: controlPlane.index ("eks-control-plane-logs") begins with "eks-control-", so that what belongs to '
        'logs.index alone would hold for both; choose another name for "eks-control" or for controlPlane.index'
    )
    assert config(logs="index: eks-pod").logs.index == "eks-pod"


def test_no_dash_no_meeting() -> None:
    assert config(events="index: eks-pod-logsx").events.index == "eks-pod-logsx"
    assert config(events="index: eks-pod-log").events.index == "eks-pod-log"


def test_routes_may_share_an_index_that_they_keep_equally() -> None:
    routes = "routes: [{{name: a, namespaces: [a], index: r{}}}, {{name: b, namespaces: [b], index: r{}}}]"
    shared = config(logs=routes.format("", ", retain: 14d")).logs.routes
    assert [route.index for route in shared] == ["r", "r"]
    assert config(logs=f"retain: 9d, {routes.format('', ', retain: 9d')}").logs.routes[1].index == "r"
    assert refused(logs=routes.format("", ", retain: 3d")) == (
        'logs.routes[1].retain: retain must be the same as in logs.routes[0], which has the index "r" too'
    )
    assert refused(logs=routes.format("", ", rotate: never")).startswith(
        "logs.routes[1].rotate: rotate must be the same"
    )


def test_indices_of_routes_within_one_another() -> None:
    routes = "routes: [{name: a, namespaces: [a], index: x-pay-ments}, {name: b, namespaces: [b], index: x}]"
    assert refused(logs=routes).startswith(
        'logs.routes[0].index: logs.routes[0].index ("x-pay-ments") begins with "x-", so that what belongs to '
        "logs.routes[1].index alone would hold for both"
    )

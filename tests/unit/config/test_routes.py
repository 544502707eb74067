"""Routes of pod logs: none claims what another one has."""

import pytest

from sidecar.config import loads
from tests.unit.config.pipelines import all_refused, config, document, refused


def routes(*claims: str) -> str:
    """A `logs` section with a route for each claim, named r0, r1 ..."""
    return f"routes: [{', '.join(f'{{name: r{at}, index: i{at}, {claim}}}' for at, claim in enumerate(claims))}]"


@pytest.mark.parametrize(
    "claims",
    [
        ("namespaces: [a]", "namespaces: [b]"),
        ("namespaces: [a]", "namespaces: [ab, ac-*]"),
        ("namespaces: [a-*]", "namespaces: [b-*, a]"),
        ("namespaces: ['*-a']", "namespaces: ['*-b']"),
        ("namespaces: [a], labels: {x: y}", "namespaces: [a]"),
        ("namespaces: [a], labels: {x: y}", "namespaces: [a], labels: {x: z}"),
        ("namespaces: [a], labels: {x: y}", "namespaces: [a], labels: {z: y}"),
        ("labels: {x: y, z: z}", "labels: {x: y}"),
        ("namespaces: [a, a]",),
        ("namespaces: [a]", "labels: {x: y}"),
        ("namespaces: [a]", "namespaces: [a, b], labels: {x: y}"),
    ],
)
def test_routes_that_go_together(claims: tuple[str, ...]) -> None:
    assert len(config(logs=routes(*claims)).logs.routes) == len(claims)


@pytest.mark.parametrize(
    ("claims", "wanted"),
    [
        (("namespaces: [a]", "namespaces: [b, a]"), 'the route "r0" claims "a" already'),
        (("namespaces: [a-b]", "namespaces: [a-*]"), 'the route "r0" claims "a-b" already, which meets "a-*"'),
        (("namespaces: [a-*]", "namespaces: [a-b]"), 'the route "r0" claims "a-*" already, which meets "a-b"'),
        (("namespaces: ['*-b']", "namespaces: [a-*]"), 'the route "r0" claims "*-b" already, which meets "a-*"'),
        (("namespaces: [a-*]", "namespaces: ['*']"), 'the route "r0" claims "a-*" already, which meets "*"'),
        (("labels: {x: y}", "labels: {x: y}"), 'the route "r0" claims "*" already'),
        (("namespaces: [a], labels: {x: y}", "labels: {x: y}"), 'the route "r0" claims "a" already, which meets "*"'),
    ],
)
def test_routes_that_claim_the_same(claims: tuple[str, ...], wanted: str) -> None:
    assert refused(logs=routes(*claims)) == f"logs.routes[1].namespaces: {wanted}, and no label tells the two apart"


@pytest.mark.parametrize(
    ("claims", "before"),
    [
        (("namespaces: [a]", "namespaces: [a], labels: {x: y}"), '"r0"'),
        (("namespaces: [a-*]", "namespaces: [a-b, a-c-*], labels: {x: y}"), '"r0"'),
        (("namespaces: [a]", "namespaces: [b]", "namespaces: [a, b], labels: {x: y}"), '"r0" and "r1"'),
        (("labels: {x: y}", "namespaces: [a], labels: {x: y, z: z}"), '"r0"'),
    ],
)
def test_a_route_that_no_log_would_take(claims: tuple[str, ...], before: str) -> None:
    assert refused(logs=routes(*claims)) == (
        f"logs.routes[{len(claims) - 1}].namespaces: no log would take this route, because all go to {before}; "
        "put it before"
    )


def test_names_are_there_once() -> None:
    text = "routes: [{name: a, namespaces: [a], index: x}, {name: a, namespaces: [b], index: y}]"
    assert refused(logs=text) == 'logs.routes[1].name: "a" is there already, at routes[0]'


def test_a_route_claims_something() -> None:
    assert refused(logs="routes: [{name: a, index: x}]") == (
        "logs.routes[0]: a route needs namespaces, labels, or both; without, it would take everything"
    )
    assert all_refused(logs="routes: [{namespace: [a]}]") == [
        "logs.routes[0].index: is required",
        "logs.routes[0].name: is required",
        'logs.routes[0].namespace: unknown key; did you mean "namespaces"?',
    ]


@pytest.mark.parametrize(
    "claim",
    ["namespaces: [n-{0}, m-{0}]", "namespaces: ['n-{0}-*']", "namespaces: ['*-n-{0}x']", "labels: {{app: n-{0}}}"],
    ids=["exact", "begin", "end", "labels"],
)
@pytest.mark.timeout(20)  # a comparison of each with each took minutes
def test_a_thousand_routes_are_compared(claim: str) -> None:
    text = document(logs=routes(*(claim.format(at) for at in range(1000))))
    assert len(loads(text).logs.routes) == 1000


@pytest.mark.timeout(20)
def test_a_thousand_routes_that_claim_the_same_are_all_refused() -> None:
    text = document(logs=routes(*("namespaces: ['a*b', 'c*']" for _ in range(1000))))
    assert len(all_refused(logs=text.partition("logs: {")[2].removesuffix("}"))) == 999

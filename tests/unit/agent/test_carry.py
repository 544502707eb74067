"""Counters go on over a change of the configuration; the rest is what it is now."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from sidecar.agent.carry import Carried


def shown(carried: Carried) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(carried)
    lines = generate_latest(registry).decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#") and "_created" not in line]
    return {name: float(value) for name, value in pairs}


def test_nothing_before_the_first() -> None:
    assert shown(Carried()) == {}


def test_counters_are_added_and_gauges_are_not() -> None:
    carried = Carried()
    for value in (3, 4, 5):
        registry = CollectorRegistry()
        carried.follow(registry)
        Counter("seen", "Text.", registry=registry).inc(value)
        Gauge("now", "Text.", registry=registry).set(value)
    assert shown(carried) == {"seen_total": 12, "now": 5}


def test_a_series_that_is_no_more_is_still_shown() -> None:
    carried = Carried()
    for label in ("a", "b"):
        registry = CollectorRegistry()
        carried.follow(registry)
        Counter("seen", "Text.", ["cause"], registry=registry).labels(label).inc()
    assert shown(carried) == {'seen_total{cause="a"}': 1, 'seen_total{cause="b"}': 1}


def test_what_is_read_again_from_the_filters_file_is_not_added() -> None:
    carried = Carried()
    for _ in range(2):
        registry = CollectorRegistry()
        carried.follow(registry)
        Counter("seen", "Text.", ["container"], registry=registry).labels("c").inc(7)
    assert shown(carried) == {'seen_total{container="c"}': 7}

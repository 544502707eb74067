"""The line a minute."""

import logging
import threading

import pytest
from prometheus_client import CollectorRegistry, Gauge

from sidecar.agent.report import Report, line
from sidecar.events.metrics import EventMetrics
from tests.support.waiting import wait_until

ALL = ("received", "journaled", "confirmed", "resent", "dead_lettered", "gaps")


def metrics(
    *, leading: bool = False, oldest: float = 0, journal: float = 0, quiet: float = 0, **counts: int
) -> dict[str, float]:
    return {
        **{f"sidecar_events_{name}_total": float(counts.get(name, 0)) for name in ALL},
        "sidecar_leader": float(leading),
        "sidecar_events_oldest_unconfirmed_seconds": oldest,
        "sidecar_events_journal_bytes": journal,
        "sidecar_events_position_age_seconds": quiet,
    }


def test_a_busy_leader() -> None:
    now = metrics(leading=True, oldest=12.4, journal=3.5 * 2**20, quiet=7.2, received=130, journaled=120, confirmed=100,
                  resent=5, dead_lettered=2, gaps=1)  # fmt: skip
    assert line(metrics(received=30, journaled=20, confirmed=10), now) == (
        "events in the last minute: 100 received, 100 journaled, 90 confirmed, 5 resent, 2 dead-lettered, 1 gaps; "
        "the oldest unconfirmed for 12 s, 3.5 MiB of journal, the watch showed something 7 s ago"
    )


def test_a_leader_in_a_quiet_cluster_says_so() -> None:
    text = line(metrics(leading=True), metrics(leading=True, quiet=40))
    assert text.endswith("0 gaps; 0.0 MiB of journal, the watch showed something 40 s ago")


def test_a_follower_with_nothing_to_do_says_nothing() -> None:
    assert line(metrics(), metrics()) == ""
    assert line(metrics(received=5, confirmed=5), metrics(received=5, confirmed=5)) == ""
    assert line({}, {}) == ""


@pytest.mark.parametrize("name", ALL)
def test_a_former_leader_tells_what_it_still_does(name: str) -> None:
    text = line(metrics(), metrics() | {f"sidecar_events_{name}_total": 3.0})
    assert f"3 {name.replace('_', '-')}" in text
    assert text.endswith("not leading")


def test_a_former_leader_tells_what_still_waits() -> None:
    text = line(metrics(), metrics(oldest=90, journal=2**20))
    assert "the oldest unconfirmed for 90 s, 1.0 MiB of journal, not leading" in text


def test_less_than_a_second_is_no_wait() -> None:
    assert "oldest" not in line(metrics(), metrics(leading=True, oldest=0.9))


def test_it_reads_the_names_that_the_metrics_have(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    registry, stopping = CollectorRegistry(), threading.Event()
    events = EventMetrics(registry)
    Gauge("sidecar_leader", "As the leader has it.", registry=registry).set(1)
    report = Report(registry, stopping=stopping, seconds=0.01)
    before = report._read()
    events.received.labels("watch").inc(4)
    events.received.labels("list").inc(3)
    for counter in (events.journaled, events.confirmed, events.resent, events.dead_lettered):
        counter.inc(2)
    events.gaps.labels("history").inc()
    events.journal_bytes.set(5 * 2**20)
    events.oldest_unconfirmed.set(33)
    events.position_age.set(44)
    text = line(before, report._read())
    assert text == (
        "events in the last minute: 7 received, 2 journaled, 2 confirmed, 2 resent, 2 dead-lettered, 1 gaps; "
        "the oldest unconfirmed for 33 s, 5.0 MiB of journal, the watch showed something 44 s ago"
    )
    thread = threading.Thread(target=report.run)
    thread.start()
    wait_until(lambda: len(caplog.messages) >= 2, 4, "two lines")
    stopping.set()
    thread.join(4)
    assert not thread.is_alive()
    for message in caplog.messages:
        assert message.startswith("events in the last minute: 0 received, "), "each minute tells its own"
        assert "33 s, 5.0 MiB" in message

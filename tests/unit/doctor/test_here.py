"""Fluent Bit and the sidecar beside us, by their answers over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from sidecar.config import Config, loads
from sidecar.doctor import Finding, State, examine
from sidecar.doctor.fluentbit import buffer_verdict, configuration_verdict, deliveries, fluent_bit_area
from sidecar.doctor.itself import disk_verdict, metrics_verdicts, sidecar_area, sums
from sidecar.events.metrics import EventMetrics
from sidecar.logs.metrics import LogMetrics
from tests.support.fakes.server import Exchange, FakeServer, Script, says
from tests.support.waiting import free_port

METRICS = (
    "# TYPE sidecar_leader gauge\nsidecar_leader 1.0\n# TYPE sidecar_templates_in_place gauge\n"
    "sidecar_templates_in_place 1.0\n# TYPE sidecar_events_confirmed counter\nsidecar_events_confirmed_total 12.0\n"
)
OUTPUT = {"proc_records": 90, "errors": 0, "retries": 0, "retries_failed": 0, "dropped_records": 0}
FLUENT_BIT: dict[str, Script] = {
    "/": says(200, {"fluent-bit": {"version": "5.1.1", "edition": "Community", "flags": []}}),
    "/api/v2/reload": says(200, {"hot_reload_count": 2}),
    "/api/v1/metrics": says(
        200,
        {
            "input": {name: {"records": 99} for name in ("events", "logs", "backfill", "tick", "of-a-user")},
            "output": dict.fromkeys(("events", "logs"), OUTPUT),
        },
    ),
    "/api/v1/storage": says(200, {"storage_layer": {"chunks": {"total_chunks": 3}}, "input_chunks": {}}),
}
SIDECAR: dict[str, Script] = {
    "/livez": says(200, b"ok\n"),
    "/metrics": says(200, METRICS.encode()),
}


class Paths(FakeServer):
    def __init__(self, steps: dict[str, Script]) -> None:
        super().__init__()
        self.steps = steps

    def handle(self, exchange: Exchange) -> None:
        self.steps.get(exchange.request.path, says(404, b"<html>not found</html>"))(exchange)


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def pipeline(port: int, version: str = "5.1.1") -> Config:
    return loads(
        f"cluster: c\nopensearch: {{url: 'http://h'}}\nfluentbit: {{port: {port}, version: '{version}'}}\n"
        f"agent: {{port: {port + 1 if port < 65535 else 1}}}\n"
    )


def own(port: int, state: str = "/nowhere") -> Config:
    other = port + 1 if port < 65535 else 1
    return loads(
        f"cluster: c\nopensearch: {{url: 'http://h'}}\nfluentbit: {{port: {other}}}\nagent: {{port: {port}}}\n"
        f"paths: {{state: {state}}}\n"
    )


def fluent_bit(steps: dict[str, Script], version: str = "5.1.1", *, patience: float = 30) -> list[Finding]:
    with Paths(steps) as server:
        [(_, found)] = examine([fluent_bit_area(pipeline(server.port, version), patience=patience)])
    return found


def sidecar(steps: dict[str, Script]) -> list[Finding]:
    with Paths(steps) as server:
        [(_, found)] = examine([sidecar_area(own(server.port))])
    return found


# Fluent Bit


def test_a_fluent_bit_that_is_well() -> None:
    found = fluent_bit(FLUENT_BIT)

    assert [(one.name, one.state) for one in found] == [
        ("running", State.OK),
        ("configuration", State.OK),
        ("deliveries", State.OK),
        ("deliveries", State.OK),
        ("buffer", State.OK),
    ]
    assert found[1].text == "the rendered one, reloaded 2 times since it started"
    assert found[2].text == "events: 90 records delivered, 0 retries, 0 dropped"
    assert found[4].text == "3 chunks wait or are being filled"


def test_one_that_runs_another_configuration_is_told_from_one_that_runs_ours() -> None:
    """It answers to everything that ours answers to: whether it can be reloaded its server doesn't say."""
    found = fluent_bit(
        FLUENT_BIT | {"/api/v1/metrics": says(200, {"input": {"dummy.0": {}}, "output": {"opensearch.0": OUTPUT}})}
    )

    assert found[1].name == "configuration"
    assert found[1].state is State.FAIL
    assert found[1].text.endswith(
        "it lacks the input events, the input tick, the input logs, the input backfill, the output events, "
        "the output logs"
    )
    assert "current/fluent-bit.yaml" in found[1].hint


@pytest.mark.parametrize("answer", [{}, {"input": None, "output": []}])
def test_a_configuration_of_nothing_lacks_everything(answer: dict[str, Any]) -> None:
    assert configuration_verdict(answer, {"outputs": ["events"]}, {}).state is State.FAIL


@pytest.mark.parametrize(("chunks", "state"), [(0, State.OK), (50, State.OK), (51, State.WARN)])
def test_a_buffer_that_fills_is_seen_while_the_counters_of_better_times_are_well(chunks: int, state: State) -> None:
    found = buffer_verdict({"storage_layer": {"chunks": {"total_chunks": chunks}}})

    assert found.state is state
    assert ("buffer.disk" in found.hint) is (state is State.WARN)
    assert buffer_verdict({}).state is State.OK


def test_a_fluent_bit_that_has_just_started_does_not_tell_of_its_buffer() -> None:
    found = fluent_bit(FLUENT_BIT | {"/api/v1/storage": says(200, b"")})

    assert (found[-1].name, found[-1].state) == ("buffer", State.SKIP)


def test_a_fluent_bit_that_has_just_started_gets_the_time_to_tell_of_its_counters() -> None:
    answers = iter([says(404, b""), says(200, b""), *[FLUENT_BIT["/api/v1/metrics"]] * 2])

    def metrics(exchange: Exchange) -> None:
        next(answers)(exchange)

    found = fluent_bit(FLUENT_BIT | {"/api/v1/metrics": metrics})

    assert {one.state for one in found} == {State.OK}


def test_one_that_never_tells_of_its_counters_does_not_pass() -> None:
    found = fluent_bit(FLUENT_BIT | {"/api/v1/metrics": says(404, b"")}, patience=0)

    assert [(one.name, one.state) for one in found[1:3]] == [
        ("configuration", State.FAIL),
        ("deliveries", State.FAIL),
    ]
    assert "/api/v1/metrics" in found[1].text
    assert "official image" in found[1].hint


def test_an_event_that_is_dropped_is_not_lost() -> None:
    events, logs = deliveries({"output": {name: OUTPUT | {"dropped_records": 7} for name in ("events", "logs")}})

    assert (events.state, logs.state) == (State.WARN, State.FAIL)
    assert "the sidecar sends what did not arrive" in events.hint


@pytest.mark.parametrize(("inside", "state"), [(True, State.FAIL), (False, State.SKIP)])
def test_one_that_is_not_there_is_a_failure_in_a_pod_only(
    monkeypatch: pytest.MonkeyPatch, state: State, *, inside: bool
) -> None:
    if inside:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    port = free_port()

    for area in (fluent_bit_area(pipeline(port)), sidecar_area(own(port))):
        [(_, found)] = examine([area])
        assert found[0].state is state
        assert found[0].text.endswith(": Connection refused")
        assert found[0].hint
        assert {one.state for one in found[1:]} == {State.SKIP}


def test_an_older_one_than_the_files_are_for_is_a_warning() -> None:
    found = fluent_bit(FLUENT_BIT, version="5.2.0")[0]

    assert found.state is State.WARN
    assert found.text.endswith("and its configuration is rendered for 5.2.0")


@pytest.mark.parametrize(
    "answer",
    [says(200, b"<html>nginx</html>"), says(200, {"hello": "world"}), says(200, []), says(503, {"fluent-bit": {}})],
    ids=["html", "another", "list", "status"],
)
def test_what_is_no_fluent_bit_is_said(answer: Script) -> None:
    found = fluent_bit({"/": answer})

    assert found[0].state is State.FAIL
    assert "isn't Fluent Bit" in found[0].text
    assert "fluentbit.port" in found[0].hint


@pytest.mark.parametrize(
    ("output", "state", "said"),
    [
        ({"dropped_records": 7}, State.FAIL, "7 dropped"),
        ({"proc_records": 0, "retries": 5}, State.WARN, "0 records delivered, 5 retries"),
        ({"errors": 3}, State.WARN, "90 records delivered"),
    ],
)
def test_what_its_counters_mean(output: dict[str, int], state: State, said: str) -> None:
    [found] = deliveries({"output": {"opensearch.0": OUTPUT | output}})

    assert found.state is state
    assert said in found.text
    assert found.hint


@pytest.mark.parametrize("answer", [{}, {"output": []}, {"output": {}}])
def test_one_without_an_output_runs_another_configuration(answer: dict[str, Any]) -> None:
    [found] = deliveries(answer)

    assert (found.state, found.text) == (State.FAIL, "it has no output")


# The sidecar


def test_a_sidecar_that_is_well() -> None:
    assert [(one.name, one.state) for one in sidecar(SIDECAR)] == [
        ("running", State.OK),
        ("leading", State.OK),
        ("confirmation", State.OK),
    ]


def test_the_disk_that_holds_what_waits_is_looked_at_where_it_is(tmp_path: Path) -> None:
    [(_, found)] = examine([sidecar_area(own(free_port(), str(tmp_path)))])

    assert found[0].name == "disk"
    assert f"free for {tmp_path}" in found[0].text


@pytest.mark.parametrize(
    ("free", "state"), [(0, State.FAIL), (2**24 - 1, State.FAIL), (2**24, State.WARN), (2**30, State.OK)]
)
def test_a_disk_that_is_full_or_too_small_for_the_buffer_is_said(free: int, state: State) -> None:
    found = disk_verdict(free, Path("/state"), 2**30)

    assert found.state is state
    assert bool(found.hint) is (state is not State.OK)


def test_a_part_that_ended_is_named() -> None:
    found = sidecar(SIDECAR | {"/livez": says(500, b"ended: confirm\n")})

    assert found[0].text == "/livez: 500: ended: confirm"
    assert {one.state for one in found[1:]} == {State.SKIP}


@pytest.mark.parametrize(
    ("metric", "value", "name", "state"),
    [
        ("sidecar_templates_in_place", 0, "templates", State.FAIL),
        ("sidecar_config_valid", 0, "configuration", State.FAIL),
        ("sidecar_events_oldest_unconfirmed_seconds", 301, "confirmation", State.FAIL),
        ("sidecar_events_position_age_seconds", 181, "watch", State.FAIL),
        ("sidecar_apply_missing", 2, "in place", State.WARN),
        ("sidecar_events_dead_lettered_total", 1, "dead letters", State.WARN),
        ("sidecar_events_gaps_total", 1, "gaps", State.WARN),
        ("sidecar_log_all_bytes_lost_total", 1, "lost logs", State.WARN),
        ("sidecar_log_records_evicted_total", 1, "evicted logs", State.WARN),
    ],
)
def test_what_its_metrics_mean(metric: str, value: float, name: str, state: State) -> None:
    found = {one.name: one for one in metrics_verdicts(sums(METRICS) | {metric: value})}

    assert found[name].state is state
    assert found[name].hint
    for other in found.keys() - {name}:
        assert found[other].state is State.OK


def test_a_follower_watches_nothing_and_is_well() -> None:
    values = sums(METRICS) | {"sidecar_leader": 0.0, "sidecar_events_position_age_seconds": 9999.0}

    assert {one.state for one in metrics_verdicts(values)} == {State.OK}


@pytest.mark.parametrize("text", ["<html>", "other_metric 1\n", ""])
def test_what_is_no_sidecar_is_said(text: str) -> None:
    [found] = metrics_verdicts(sums(text))

    assert (found.state, found.text) == (State.FAIL, "what answers at its port isn't a sidecar")


def test_every_metric_that_is_looked_at_exists() -> None:
    registry = CollectorRegistry()
    EventMetrics(registry)
    LogMetrics(registry)
    there = sums(generate_latest(registry).decode())

    for name in (
        "sidecar_events_oldest_unconfirmed_seconds",
        "sidecar_events_position_age_seconds",
        "sidecar_events_confirmed_total",
        "sidecar_events_dead_lettered_total",
        "sidecar_log_all_bytes_lost_total",
        "sidecar_log_records_evicted_total",
    ):
        assert name in there, name

import pytest

from sidecar.logs.buffer import Evictions, Held, Sample, parse

MB = 2**20
LIMIT = 100 * MB


class Watching:
    """Samples two seconds apart."""

    def __init__(self) -> None:
        self.evictions = Evictions(LIMIT)
        self.now = 1_800_000_000.0
        self.uptime = 0.0
        self.rewinds: list[float] = []

    def see(self, *, delivered: float, chunks: float, dropped: float = 0, errors: float = 0, **more: object) -> None:
        self.now += 2
        self.uptime += 2
        names = frozenset(str(name) for name in more.get("names", ()))  # type: ignore[attr-defined]
        held = Held(names, int(more.get("held", 0)))  # type: ignore[call-overload]
        since = self.evictions.take(Sample(self.uptime, dropped, errors, delivered, chunks), held, self.now)
        if since is not None:
            self.rewinds.append(self.now - since)

    def calm(self, delivered: float, *, dropped: float = 0, errors: float = 0, samples: int = 5) -> None:
        for number in range(samples):
            self.see(delivered=delivered + number, chunks=2, dropped=dropped, errors=errors)


def test_what_was_evicted_is_read_again_once_there_is_room() -> None:
    watching = Watching()
    watching.calm(10)
    for dropped in (0, 50, 80, 80):
        watching.see(delivered=20, chunks=400, dropped=dropped)
    assert watching.evictions.evicted == 80
    watching.see(delivered=900, chunks=100, dropped=80)
    assert watching.rewinds == []
    watching.calm(1000, dropped=80)
    assert len(watching.rewinds) == 1
    assert 8 < watching.rewinds[0] < 60, "since the last calm"
    watching.calm(2000, dropped=80, samples=50)
    assert len(watching.rewinds) == 1


def test_an_outage_without_eviction_rewinds_nothing() -> None:
    watching = Watching()
    watching.calm(10)
    for _ in range(20):
        watching.see(delivered=20, chunks=400)
    watching.calm(1000)
    assert watching.rewinds == []


@pytest.mark.parametrize(("held", "rewinds"), [(98 * MB, 1), (90 * MB, 0)])
def test_a_buffer_that_was_full_may_have_refused_lines_that_nobody_counted(held: int, rewinds: int) -> None:
    watching = Watching()
    watching.calm(10)
    watching.see(delivered=20, chunks=400, held=held)
    watching.calm(1000)
    assert len(watching.rewinds) == rewinds


def test_chunks_that_were_given_up_are_no_eviction() -> None:
    watching = Watching()
    watching.calm(10)
    watching.see(delivered=20, chunks=400, dropped=50, errors=1)
    watching.calm(1000, dropped=50, errors=1)
    assert (watching.rewinds, watching.evictions.evicted) == ([], 0)


def test_what_does_not_fit_is_not_read_again_and_again() -> None:
    watching = Watching()
    dropped, delivered = 0.0, 0.0
    for _ in range(600):
        dropped, delivered = dropped + 10, delivered + 100
        watching.see(delivered=delivered, chunks=400, dropped=dropped)
        watching.calm(delivered, dropped=dropped, samples=6)
        delivered += 10
    hours = 600 * 14 / 3600
    assert len(watching.rewinds) <= 4, f"in {hours:.1f} hours"


@pytest.mark.parametrize(("held", "rewinds"), [(90 * MB, 1), (20 * MB, 0)])
def test_chunks_that_go_undelivered_after_a_start_were_evicted_if_there_was_no_room(held: int, rewinds: int) -> None:
    watching = Watching()
    watching.calm(10)
    watching.see(delivered=20, chunks=400, names=("a", "b", "c"), held=held)
    watching.uptime = 0
    watching.see(delivered=0, chunks=400, names=("b", "c", "d"), held=held)
    watching.calm(1000)
    assert len(watching.rewinds) == rewinds


def test_chunks_that_go_because_they_were_delivered_are_fine() -> None:
    watching = Watching()
    watching.calm(10)
    watching.see(delivered=20, chunks=400, names=("a", "b", "c"), held=90 * MB)
    watching.uptime = 0
    watching.see(delivered=5, chunks=400, names=("b", "c", "d"), held=90 * MB)
    watching.calm(1000)
    assert watching.rewinds == []


def test_metrics_are_understood() -> None:
    text = """# HELP fluentbit_uptime Number of seconds that Fluent Bit has been running.
fluentbit_uptime{hostname="vm"} 4
fluentbit_routing_logs_drop_records_total{input="logs",output="logs"} 7
fluentbit_output_proc_records_total{name="events"} 3
fluentbit_output_proc_records_total{name="logs"} 4
fluentbit_output_dropped_records_total{name="events"} 1
fluentbit_output_dropped_records_total{name="logs"} 159797
fluentbit_output_errors_total{name="logs"} 1
fluentbit_output_errors_total{name="events"} 9
fluentbit_output_retries_failed_total{name="logs"} 1
fluentbit_storage_fs_chunks 3
odd
"""
    assert parse(text) == Sample(uptime=4, dropped=159797, errors=2, delivered=7, chunks=3)
    assert parse("") is None

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from sidecar.logs.counters import COUNTED, FilterCounters, parse
from sidecar.logs.metrics import GONE_SECONDS, ContainerCounters, LogMetrics

HEADER = "# fluent-sidecar counters 1\t"


class Counting:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "counters.tsv"
        self.registry = CollectorRegistry()
        self.shown = ContainerCounters()
        self.registry.register(self.shown)
        self.counters = FilterCounters(self.path, self.shown)

    def write(self, start: str, *lines: str, end: str = "\n") -> None:
        fresh = self.path.with_suffix(".tmp")
        fresh.write_text("\n".join([HEADER + start, *lines]) + end)
        fresh.replace(self.path)
        self.counters.read()

    def value(self, name: str, key: str = "//") -> float | None:
        namespace, pod, container = key.split("/")
        labels = {"namespace": namespace, "pod": pod, "container": container}
        return self.registry.get_sample_value(f"sidecar_log_{name}_total", labels)


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


def test_values_go_on_over_starts_of_fluent_bit(counting: Counting) -> None:
    counting.write("1", "lines\tns/p/c\t5", "old\t-\t2")
    counting.write("1", "lines\tns/p/c\t9", "old\t-\t2")
    assert (counting.value("lines", "ns/p/c"), counting.value("old")) == (9, 2)
    counting.write("2", "lines\tns/p/c\t4")
    assert (counting.value("lines", "ns/p/c"), counting.value("old")) == (13, 2)
    counting.write("2", "lines\tns/p/c\t3")
    assert counting.value("lines", "ns/p/c") == 16, "counted anew after it was forgotten"


def test_a_file_that_is_stale_torn_or_gone_changes_nothing(counting: Counting) -> None:
    assert counting.counters.read() is None
    counting.write("1", "lines\tns/p/c\t5")
    counting.counters.read()
    counting.write("1", "lines\tns/p/c\t7", "lines\tns/p/d\t1", end="")
    assert counting.value("lines", "ns/p/c") == 7
    assert counting.value("lines", "ns/p/d") is None, "a line without its end"
    counting.path.write_text("odd")
    assert counting.counters.read() is not None
    counting.path.unlink()
    counting.counters.read()
    assert counting.value("lines", "ns/p/c") == 7


@pytest.mark.parametrize("line", ["lines\tx", "lines\tx\t-1", "lines\tx\t1.5", "Lines\tx\t1", "li nes\tx\t1", "\t\t"])
def test_a_line_that_is_not_understood_is_left_out(line: str) -> None:
    reading = parse(f"{HEADER}1\n{line}\nold\t-\t3\n")
    assert reading
    assert reading.values == {("old", "-"): 3}


def test_what_is_done_is_told_apart() -> None:
    reading = parse(f"{HEADER}12.5\ndone\t/b/ns_p_u/c/0.log.1.gz\t100\n")
    assert reading
    assert (reading.start, reading.values, reading.done) == ("12.5", {}, {"/b/ns_p_u/c/0.log.1.gz": 100})
    assert parse("done\tx\t1\n") is None
    assert parse("") is None


def test_series_of_a_container_end_a_while_after_it_is_gone(counting: Counting) -> None:
    counting.write("1", "lines\tns/p/a\t5", "lines\tns/p/b\t5", "old\t-\t1")
    counting.shown.forget({"ns/p/a", "ns/p/b"}, 1000)
    counting.shown.forget({"ns/p/a"}, 1000 + GONE_SECONDS)
    assert counting.value("lines", "ns/p/b") == 5
    counting.shown.forget({"ns/p/a"}, 1001 + GONE_SECONDS)
    assert (counting.value("lines", "ns/p/a"), counting.value("lines", "ns/p/b")) == (5, None)
    assert counting.value("old") == 1
    counting.write("1", "lines\tns/p/a\t5", "lines\tns/p/b\t6", "old\t-\t1")
    assert counting.value("lines", "ns/p/b") == 1, "what comes later counts"


def test_every_metric_is_documented_and_every_documented_one_is_there() -> None:
    registry = CollectorRegistry()
    metrics = LogMetrics(registry)
    for name, text in COUNTED.items():
        metrics.containers.declare(name, text)
    names = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    page = (Path(__file__).parents[3] / "docs/metrics.md").read_text()
    assert {name for name in names if f"`{name}" not in page} == set()
    assert set(re.findall(r"`(sidecar_log_\w+)", page)) - names == set()

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kube.clock import ServerClock


class Host:
    """A host's two clocks: one that only goes on, one that anybody may set."""

    def __init__(self) -> None:
        self.steady = 5000.0
        self.wall = 1_790_000_000.0
        self.clock = ServerClock(steady=lambda: self.steady, wall=lambda: self.wall)

    def spend(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds


SERVER = 1_795_000_000.0
PIECES = st.floats(0, 10**6)


def test_before_the_first_answer_it_is_the_hosts_own() -> None:
    host = Host()
    assert host.clock.time() == 1_790_000_000.0
    host.spend(3)
    assert host.clock.time() == 1_790_000_003.0


def test_it_is_the_servers_however_wrong_the_hosts_is() -> None:
    host = Host()
    host.clock.observe(formatdate(SERVER, usegmt=True))
    assert host.clock.time() == SERVER
    host.spend(2.5)
    assert host.clock.time() == SERVER + 2.5


@pytest.mark.parametrize("step", [-3600, 3600, -(10**9)])
def test_a_host_clock_that_is_set_makes_no_difference(step: float) -> None:
    host = Host()
    host.clock.observe(formatdate(SERVER, usegmt=True))
    host.spend(10)
    host.wall += step
    assert host.clock.time() == SERVER + 10
    host.spend(1)
    assert host.clock.time() == SERVER + 11


def test_a_newer_answer_counts_also_where_the_server_was_set_back() -> None:
    host = Host()
    host.clock.observe(formatdate(SERVER, usegmt=True))
    host.spend(60)
    host.clock.observe(formatdate(SERVER - 100, usegmt=True))
    assert host.clock.time() == SERVER - 100


@given(st.floats(1.6e9, 4e9), st.floats(0, 5), PIECES)
def test_it_is_never_late_and_early_by_a_second_and_the_answers_way_at_most(
    server: float, way: float, later: float
) -> None:
    host = Host()
    date = formatdate(int(server), usegmt=True)  # as a server writes it: in whole seconds
    host.spend(way)
    host.clock.observe(date)
    host.spend(later)
    truth = server + way + later
    assert truth - 1 - way - 1e-3 <= host.clock.time() <= truth + 1e-3


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Sun, 99 Xyz 2026", "2026-11-22T10:00:00Z", "0", "GMT", ",,,",
             "Mon, 01 Jan 99999 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2150 00:00:00 GMT"],
)  # fmt: skip
def test_what_is_no_date_changes_nothing(date: str | None) -> None:
    host = Host()
    host.clock.observe(date)
    assert host.clock.time() == host.wall
    host.clock.observe(formatdate(SERVER, usegmt=True))
    host.clock.observe(date)
    assert host.clock.time() == SERVER


@pytest.mark.parametrize(
    "date", ["Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 12:00:00 +0200", "Sunday, 22-Nov-26 10:00:00 GMT"]
)
def test_the_forms_that_http_allows(date: str) -> None:
    host = Host()
    host.clock.observe(date)
    assert host.clock.time() == 1_795_341_600.0

"""From one configuration of Fluent Bit to another, or back: by a Fluent Bit that is played, over HTTP."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from sidecar.agent import verdict as verdict_module
from sidecar.agent.node import Node
from sidecar.agent.reloads import Reloads
from sidecar.agent.switch import switch
from sidecar.agent.verdict import Verdict
from sidecar.config import loads
from sidecar.errors import SecretError
from sidecar.opensearch import Access
from sidecar.render.plugins import plugins
from tests.support.waiting import free_port
from tests.unit.agent.fake_fluent_bit import FakeFluentBit, hurry

CLOSED, OPEN = "1", "9243"


class Bed:
    """A node with a Fluent Bit that runs with `old`, pointed at OpenSearch."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.registry = CollectorRegistry()
        self.reloads = Reloads(port, registry=self.registry)
        self.old = self.node()
        self.old.prepare()
        self.old.open(starting=False)

    def node(self, more: str = "") -> Node:
        config = loads(
            "cluster: c\nopensearch: {url: 'https://opensearch.example:9243'}\n"
            f"paths: {{state: '{self.folder}/state', run: '{self.folder}/run'}}\nfluentbit: {{port: {self.port}}}\n"
            f"{more}"
        )
        return Node(config, Access(config.opensearch, seconds=1), self.reloads)

    def current(self) -> str:
        return (self.folder / "run/current/fluent-bit.yaml").read_text()

    def address(self) -> str:
        return (self.folder / "run/environment/OPENSEARCH_PORT").read_text()

    def counted(self, result: str) -> float:
        return self.registry.get_sample_value("sidecar_reloads_total", {"result": result}) or 0.0


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    for name, seconds in (
        ("PATIENCE_SECONDS", 0.5),
        ("LOST_SECONDS", 5),
        ("GONE_SECONDS", 0.05),
        ("_SETTLE_SECONDS", 0.1),
    ):
        monkeypatch.setattr(verdict_module, name, seconds)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeFluentBit]:
    def read() -> tuple[str, str]:
        """The place of the configuration in force, and the port of OpenSearch."""
        current, port = tmp_path / "run/current", tmp_path / "run/environment/OPENSEARCH_PORT"
        return (current.readlink().name if current.is_symlink() else "", port.read_text() if port.exists() else "")

    with FakeFluentBit(read) as made:
        yield made


@pytest.fixture
def bed(tmp_path: Path, fake: FakeFluentBit) -> Bed:
    return Bed(tmp_path, fake.port)


CAP = "events: {journal: 1GiB}\n"
"""Changes Fluent Bit's files, and no template."""


def test_a_good_one_is_loaded_once_and_stays_open(bed: Bed, fake: FakeFluentBit) -> None:
    new = bed.node(CAP)
    assert switch(new, bed.old, bed.reloads) is Verdict.DONE
    assert fake.reloads == 2
    assert fake.seen[-1] == ((bed.folder / "run/current").readlink().name, OPEN)
    assert not new.open(starting=False)
    assert fake.reloads == 2


def test_the_old_one_writes_nothing_any_more(bed: Bed, fake: FakeFluentBit) -> None:
    switch(bed.node(CAP), bed.old, bed.reloads)
    (bed.folder / "run/environment/OPENSEARCH_PORT").write_text("9")
    assert not bed.old.open(starting=False)
    assert (bed.address(), fake.reloads) == ("9", 2)


def test_what_fluent_bit_does_not_read_reloads_nothing(bed: Bed, fake: FakeFluentBit) -> None:
    new = bed.node("alerts: {monitors: {errors: {enabled: false}}}\n")
    before = (bed.folder / "run/current").readlink()
    assert switch(new, bed.old, bed.reloads) is None
    assert (bed.folder / "run/current").readlink() != before
    assert fake.reloads == 1


def test_other_templates_are_waited_for_with_a_closed_port(bed: Bed, fake: FakeFluentBit) -> None:
    new = bed.node("logs: {routes: [{name: pay, namespaces: [pay], index: payments}]}\n")
    assert switch(new, bed.old, bed.reloads) is Verdict.DONE
    assert fake.seen[-1][1] == CLOSED
    assert new.open(starting=False)
    assert fake.seen[-1][1] == OPEN
    # Back to those that were seen before: they are still there.
    again = bed.node()
    assert switch(again, new, bed.reloads) is Verdict.DONE
    assert fake.seen[-1][1] == OPEN


def test_one_that_is_refused_is_taken_back(bed: Bed, fake: FakeFluentBit, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bed.current()
    reload = fake.reload
    monkeypatch.setattr(fake, "reload", lambda: reload() if bed.current() == before else None)
    assert switch(bed.node(CAP), bed.old, bed.reloads) is Verdict.REFUSED
    assert bed.current() == before
    assert fake.reloads == 2, "it is made sure that it runs with what was before"
    assert (bed.counted("refused"), bed.counted("done")) == (1, 2)
    assert not bed.old.open(starting=False), "the old one is in force, and has nothing to do"


def test_one_that_kills_is_back_before_it_is_started_again(bed: Bed, fake: FakeFluentBit) -> None:
    before, count = bed.current(), len(fake.seen)
    fake.dies_of = lambda: bed.current() != before
    fake.down_seconds = 1.0  # as long as a real one needs to end, also on a busy machine
    new = bed.node(f"{CAP}logs: {{routes: [{{name: pay, namespaces: [pay], index: payments}}]}}\n")
    assert switch(new, bed.old, bed.reloads) is Verdict.DIED
    assert bed.current() == before
    # Started again, and made sure of: each time with the old files and the open port.
    assert {port for _, port in fake.seen[count:]} == {OPEN}
    assert {name for name, _ in fake.seen[count:]} == {(bed.folder / "run/current").readlink().name}
    assert bed.reloads.reason == "it ended"


def test_one_that_is_only_slow_is_loaded_whole(bed: Bed, fake: FakeFluentBit, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its port stays closed for so long that the old files are put back; then it comes up as it was asked to.
    looks = iter([False] * 30)
    look = bed.reloads.fluent_bit.look
    calls = iter(range(100))

    def slow() -> object:
        seen = look()
        closed = 1 <= next(calls) < 20 and not next(looks, True)
        return type(seen)(listening=False) if closed else seen

    monkeypatch.setattr(bed.reloads.fluent_bit, "look", slow)
    new = bed.node(CAP)
    assert switch(new, bed.old, bed.reloads) is Verdict.DONE
    assert fake.reloads == 3
    assert fake.seen[-1][0] == (bed.folder / "run/current").readlink().name
    assert "1073741824" in bed.current()


def test_one_that_lacks_a_plugin_is_taken_back(bed: Bed, fake: FakeFluentBit) -> None:
    before = bed.current()
    fake.plugins -= {"output logs"}
    assert switch(bed.node(CAP), bed.old, bed.reloads) is Verdict.BROKEN
    assert bed.current() == before
    assert bed.reloads.reason == "it runs without output logs"


def test_a_fluent_bit_that_is_not_there_reads_it_at_its_start(tmp_path: Path) -> None:
    bed = Bed(tmp_path, free_port())
    new = bed.node(CAP)
    assert switch(new, bed.old, bed.reloads) is Verdict.ABSENT
    assert "1073741824" in bed.current()
    assert not new.open(starting=False)


def test_a_secret_that_is_missing_changes_nothing(bed: Bed, fake: FakeFluentBit) -> None:
    before = bed.current()
    config = loads(
        "cluster: c\nopensearch: {url: 'https://opensearch.example:9243', "
        "auth: {basic: {username: {env: NO_SUCH_USER}, password: {env: NO_SUCH_PASSWORD}}}}\n"
        f"paths: {{state: '{bed.folder}/state', run: '{bed.folder}/run'}}\nfluentbit: {{port: {bed.port}}}\n"
    )
    with pytest.raises(SecretError, match="NO_SUCH_USER is not set"):
        switch(Node(config, Access(config.opensearch, seconds=1), bed.reloads), bed.old, bed.reloads)
    assert (bed.current(), bed.address()) == (before, OPEN)
    assert bed.old.open(starting=False) is False
    assert fake.seen[-1][1] == OPEN


def test_a_sidecar_that_stops_meanwhile_rolls_nothing_back(tmp_path: Path) -> None:
    with FakeFluentBit(reloads=False) as fake:
        stopping = threading.Event()
        bed = Bed(tmp_path, free_port())
        bed.reloads = Reloads(fake.port, stopping=stopping)
        stopping.set()
        new = bed.node(CAP)
        assert switch(new, bed.old, bed.reloads) is Verdict.STOPPED
        assert "1073741824" in bed.current()


def test_one_reload_at_a_time(bed: Bed, fake: FakeFluentBit, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once: list[int] = []
    running = 0
    ask = bed.reloads.fluent_bit.ask_to_reload

    def watched() -> bool | None:
        nonlocal running
        running += 1
        at_once.append(running)
        done = ask()
        running -= 1
        return done

    monkeypatch.setattr(bed.reloads.fluent_bit, "ask_to_reload", watched)
    threads = [threading.Thread(target=bed.reloads.reload) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert at_once == [1] * 5
    assert fake.reloads == 6


def test_one_that_is_in_progress_is_waited_for(bed: Bed, fake: FakeFluentBit) -> None:
    fake.busy = 3
    assert bed.reloads.reload() is Verdict.DONE
    assert (fake.busy, fake.reloads) == (0, 2)


def test_a_failed_reload_is_in_the_log(bed: Bed, fake: FakeFluentBit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    fake.plugins = plugins({"pipeline": {}})
    assert bed.reloads.reload() is Verdict.BROKEN
    assert "Fluent Bit was to reload: it runs without" in caplog.text

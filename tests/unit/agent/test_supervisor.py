"""`sidecar run` with a pipeline.yaml that changes: the API server, OpenSearch and Fluent Bit are played, over HTTP."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import urllib3

from sidecar import kube
from sidecar.agent import changes as changes_module
from sidecar.agent import probation as probation_module
from sidecar.agent import supervisor as supervisor_module
from sidecar.agent import verdict as verdict_module
from sidecar.agent.first import choose
from sidecar.agent.laststate import LastState
from sidecar.agent.supervisor import Supervisor
from sidecar.config import loads
from sidecar.errors import SidecarError
from tests.support.fakes.kubernetes import FakeEvents, changes, kubeconfig, listing
from tests.support.fakes.leases import ServesLeases
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import Exchange
from tests.support.waiting import free_port, wait_until
from tests.unit.agent.fake_fluent_bit import FakeFluentBit, hurry

CAP = "events: {journal: 1GiB}\n"
"""Changes Fluent Bit's files, and no template."""


class Cluster(ServesLeases, FakeEvents):
    """No Events to watch, and those that are written about our own pod."""

    def __init__(self) -> None:
        super().__init__([listing([], 100)], [changes()])
        self.told: list[tuple[str, str]] = []

    def handle(self, exchange: Exchange) -> None:
        if exchange.request.method == "POST" and exchange.request.path.endswith("/events"):
            event = orjson.loads(exchange.request.body)
            self.told.append((event["reason"], event["message"]))
            exchange.json(event, 201)
        else:
            super().handle(exchange)


class Bed:
    """A sidecar's surroundings."""

    def __init__(self, folder: Path, cluster: Cluster, search: FakeOpenSearch, fluent_bit: int) -> None:
        self.folder, self.cluster, self.search = folder, cluster, search
        self.port, self._fluent_bit = free_port(), fluent_bit
        self.file = folder / "pipeline.yaml"
        self.stopping = threading.Event()
        self.failures: list[SidecarError] = []
        self._thread: threading.Thread | None = None

    def text(self, more: str = "") -> str:
        return (
            f"cluster: c\nopensearch: {{url: '{self.search.url}'}}\nlogs: {{metadata: path}}\n"
            f"paths: {{logs: '{self.folder}/pods', state: '{self.folder}/state', run: '{self.folder}/run'}}\n"
            f"agent: {{address: 127.0.0.1, port: {self.port}}}\nfluentbit: {{port: {self._fluent_bit}}}\n{more}"
        )

    def write(self, text: str) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.file)

    @property
    def state(self) -> LastState:
        return LastState(loads(self.text()))

    @contextmanager
    def running(self, **options: Any) -> Iterator[None]:
        """`sidecar run`, from when its port answers until it has ended."""
        first = choose(str(self.file))
        api = kube.connect(kubeconfig=kubeconfig(self.folder, self.cluster.url))
        self.stopping.clear()
        made = Supervisor(str(self.file), first, api, stopping=self.stopping, **options)

        def run() -> None:
            try:
                made.run()
            except SidecarError as error:
                self.failures.append(error)

        self._thread = threading.Thread(target=run)
        self._thread.start()
        try:
            wait_until(lambda: self.status("/readyz") == 200 or self.failures, 20, "it is ready")
            yield
        finally:
            self.stopping.set()
            self._thread.join(10)
            assert not self._thread.is_alive()

    def get(self, path: str) -> tuple[int, str]:
        try:
            answer = urllib3.request("GET", f"http://127.0.0.1:{self.port}{path}", retries=False, timeout=5)
        except urllib3.exceptions.HTTPError:
            return 0, ""
        return answer.status, answer.data.decode()

    def status(self, path: str) -> int:
        return self.get(path)[0]

    def metric(self, series: str) -> float:
        for line in self.get("/metrics")[1].splitlines():
            name, _, value = line.rpartition(" ")
            if name == series:
                return float(value)
        return -1

    def changes(self, result: str) -> float:
        return self.metric(f'sidecar_config_changes_total{{result="{result}"}}')

    def until(self, condition: Callable[[], object], what: str) -> None:
        wait_until(condition, 20, lambda: f"{what}; {self.get('/metrics')[1][-2000:]}")

    def rendered(self) -> str:
        return (self.folder / "run/current/fluent-bit.yaml").read_text()

    def told(self, reason: str) -> list[str]:
        return [text for told, text in self.cluster.told if told == reason]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "node-x")
    monkeypatch.setenv("POD_NAMESPACE", "logging")
    # No `fluent-bit` to try with: that is what `trial` is about.
    monkeypatch.setattr(changes_module, "_FLUENT_BIT", "no-such-program")
    monkeypatch.setattr(supervisor_module, "_STEP_SECONDS", 0.01)
    monkeypatch.setattr(supervisor_module, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(changes_module, "_AGAIN_SECONDS", 0.1)
    hurry(monkeypatch)
    monkeypatch.setattr(probation_module, "STEADY_SECONDS", 0.05)
    for name, seconds in (("PATIENCE_SECONDS", 0.5), ("GONE_SECONDS", 0.05)):
        monkeypatch.setattr(verdict_module, name, seconds)


@pytest.fixture
def fluent_bit() -> Iterator[FakeFluentBit]:
    with FakeFluentBit() as made:
        yield made


@pytest.fixture
def bed(tmp_path: Path, fluent_bit: FakeFluentBit, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    monkeypatch.setenv("SIDECAR_STATE", f"{tmp_path}/state")
    with ExitStack() as stack:
        cluster, search = stack.enter_context(Cluster()), stack.enter_context(FakeOpenSearch())
        made = Bed(tmp_path, cluster, search, fluent_bit.port)
        made.write(made.text())
        yield made


def test_a_change_takes_effect_and_is_told(bed: Bed, fluent_bit: FakeFluentBit) -> None:
    with bed.running():
        bed.until(lambda: bed.state.good() == bed.text(), "what works is kept")
        before = fluent_bit.reloads
        bed.write(bed.text(CAP))
        bed.until(lambda: bed.changes("applied") == 1, "it is in force")
        assert "1073741824" in bed.rendered()
        assert fluent_bit.reloads == before + 1
        assert bed.metric("sidecar_config_valid") == 1
        assert bed.state.good() == bed.text(CAP)
        bed.until(lambda: bed.told("ConfigApplied"), "an Event says so")
    assert bed.failures == []


def test_the_port_stays_open_and_counters_go_on(bed: Bed) -> None:
    with bed.running():
        bed.until(lambda: bed.metric("sidecar_leader") == 1, "it leads")
        bed.write(bed.text(CAP))
        seen = set()
        while bed.changes("applied") < 1:
            seen.add(bed.status("/readyz"))
        assert seen == {200}
        bed.until(lambda: bed.metric("sidecar_leader") == 1, "it leads again")
        assert bed.metric("sidecar_leader_terms_total") == 2
        assert bed.status("/livez") == 200
    assert bed.failures == []


def test_a_comment_changes_nothing(bed: Bed, fluent_bit: FakeFluentBit) -> None:
    with bed.running():
        bed.until(lambda: bed.state.good() == bed.text(), "what works is kept")
        bed.until(lambda: bed.metric("sidecar_leader") == 1, "it leads")
        before = fluent_bit.reloads
        bed.write(text := f"# hello\n{bed.text()}")
        bed.until(lambda: bed.state.good() == text, "it was seen")
        assert (fluent_bit.reloads, bed.changes("applied")) == (before, -1)
        assert bed.metric("sidecar_leader_terms_total") == 1


def test_retention_reaches_opensearch_without_a_reload(bed: Bed, fluent_bit: FakeFluentBit) -> None:
    with bed.running():
        bed.until(bed.state.good, "what works is kept")
        before = fluent_bit.reloads
        bed.until(
            lambda: "1872h" not in str(bed.search.ism.policies) and bed.metric("sidecar_apply_seconds") > 0, "applied"
        )
        bed.write(bed.text("controlPlane: {retain: 77d}\n"))
        bed.until(lambda: bed.changes("applied") == 1, "it is in force")
        bed.until(lambda: "1872h" in str(bed.search.ism.policies), "the policy is changed")
        assert fluent_bit.reloads == before


def test_a_bad_one_is_told_once_with_all_of_it_and_changes_nothing(
    bed: Bed, fluent_bit: FakeFluentBit, caplog: pytest.LogCaptureFixture
) -> None:
    with bed.running():
        bed.until(bed.state.good, "what works is kept")
        before = (bed.rendered(), fluent_bit.reloads)
        bed.write(bed.text("event: {}\nlogs: []\n"))
        bed.until(lambda: bed.metric("sidecar_config_valid") == 0, "it is told")
        bed.until(lambda: bed.told("ConfigInvalid"), "an Event says so")
        assert (bed.rendered(), fluent_bit.reloads) == before
        (text,) = bed.told("ConfigInvalid")
        assert 'did you mean "events"?' in text
        assert "duplicate key" in text
        assert caplog.text.count("duplicate key") == 1
        bed.write(bed.text())
        bed.until(lambda: bed.metric("sidecar_config_valid") == 1, "the good one is back")
        assert (bed.rendered(), fluent_bit.reloads, bed.changes("applied")) == (*before, -1)


def test_one_that_kills_fluent_bit_is_rolled_back_and_not_tried_again(bed: Bed, fluent_bit: FakeFluentBit) -> None:
    with bed.running():
        bed.until(bed.state.good, "what works is kept")
        before = bed.rendered()
        fluent_bit.dies_of = lambda: "1073741824" in bed.rendered()
        bed.write(bad := bed.text(CAP))
        bed.until(lambda: bed.changes("rejected") == 1, "it is rolled back")
        assert bed.rendered() == before
        assert bed.metric('sidecar_reloads_total{result="died"}') == 1
        bed.until(lambda: bed.told("ConfigRejected"), "an Event says so")
        bed.write("cluster: [")
        bed.until(lambda: bed.changes("invalid") == 1, "another one")
        bed.write(bad)
        bed.until(lambda: bed.changes("rejected") == 2, "it is known")
        assert bed.metric('sidecar_reloads_total{result="died"}') == 1
        bed.write(bed.text("events: {journal: 2GiB}\n"))
        bed.until(lambda: bed.changes("applied") == 1, "a good one")
        assert bed.metric("sidecar_config_valid") == 1
    assert bed.state.good() == bed.text("events: {journal: 2GiB}\n")


def test_two_changes_in_quick_succession(bed: Bed) -> None:
    with bed.running():
        bed.until(bed.state.good, "what works is kept")
        bed.write(bed.text(CAP))
        bed.until(lambda: "1073741824" in bed.rendered(), "the first is being taken up")
        bed.write(last := bed.text("events: {journal: 2GiB}\n"))
        bed.until(lambda: bed.state.good() == last, "the second is in force")
        assert "2147483648" in bed.rendered()


def test_what_waits_for_a_new_pod_is_said_and_the_rest_takes_effect(bed: Bed) -> None:
    with bed.running():
        bed.write(bed.text(CAP).replace(f"port: {bed.port}", "port: 4444"))
        bed.until(lambda: bed.changes("applied") == 1, "it is in force")
        assert "1073741824" in bed.rendered()
        bed.until(lambda: bed.told("ConfigNeedsNewPod"), "an Event says so")
        assert bed.told("ConfigNeedsNewPod")[0].startswith("pipeline.yaml: agent.port: takes effect in a new pod")


def test_a_secret_that_is_not_there_yet_is_waited_for(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    basic = "auth: {basic: {username: {env: LATE_USER}, password: {env: LATE_USER}}}"
    with bed.running():
        bed.until(bed.state.good, "what works is kept")
        bed.write(bed.text().replace(f"url: '{bed.search.url}'", f"url: '{bed.search.url}', {basic}"))
        bed.until(lambda: bed.changes("failed") == 1, "it is told")
        monkeypatch.setenv("LATE_USER", "admin")
        bed.until(lambda: bed.changes("applied") == 1, "it is in force")
        assert bed.metric("sidecar_config_valid") == 1
        assert bed.changes("failed") == 1, "told once, however often it was tried"


def test_an_agent_that_can_not_be_started_is_the_one_before_again(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    # Watching pods needs a name that this process was not given.
    monkeypatch.delenv("NODE_NAME", raising=False)
    with bed.running():
        bed.until(bed.state.good, "what works is kept")
        before = bed.rendered()
        bed.write(bed.text(CAP).replace("metadata: path", "metadata: api"))
        bed.until(lambda: bed.changes("failed") == 1, "it is told")
        bed.until(lambda: bed.metric("sidecar_leader") == 1, "it leads")
        assert bed.rendered() == before
    assert bed.failures == []


def test_it_starts_with_the_last_good_one(bed: Bed) -> None:
    bed.state.keep_good(bed.text())
    bed.write("cluster: [")
    with bed.running():
        assert bed.metric("sidecar_config_valid") == 0
        bed.until(lambda: bed.told("ConfigInvalid"), "an Event says so")
        assert bed.told("ConfigInvalid")[0].endswith("The last configuration that worked is in force.")
        bed.write(bed.text(CAP))
        bed.until(lambda: bed.changes("applied") == 1, "it is mended")
        assert bed.metric("sidecar_config_valid") == 1


def test_it_starts_with_the_last_good_one_while_a_secret_is_missing(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    basic = "auth: {basic: {username: {env: LATE_USER}, password: {env: LATE_USER}}}"
    bed.write(bed.text().replace(f"url: '{bed.search.url}'", f"url: '{bed.search.url}', {basic}"))
    with bed.running():
        bed.until(lambda: bed.failures, "without another one it ends")
    assert str(bed.failures.pop()).startswith(
        "opensearch.auth.basic.username: the environment variable LATE_USER is not set"
    )
    bed.state.keep_good(bed.text())
    with bed.running():
        bed.until(lambda: bed.changes("failed") == 1, "it is told")
        monkeypatch.setenv("LATE_USER", "admin")
        bed.until(lambda: bed.changes("applied") == 1, "it is in force")
    assert bed.failures == []


def test_a_running_fluent_bit_that_dies_of_what_is_new_at_the_start(bed: Bed, fluent_bit: FakeFluentBit) -> None:
    bed.state.keep_good(bed.text())
    bed.write(bed.text(CAP))
    fluent_bit.dies_of = lambda: "1073741824" in bed.rendered()
    with bed.running():
        bed.until(lambda: bed.changes("rejected") == 1, "it falls back")
        assert "1073741824" not in bed.rendered()
    assert list(bed.state.rejected()) != []
    # The next process of this pod does not try it again.
    died = bed.metric
    with bed.running():
        assert bed.metric("sidecar_config_valid") == 0
        assert died('sidecar_reloads_total{result="died"}') == -1
        assert "1073741824" not in bed.rendered()


def test_without_fluent_bit_a_change_takes_effect_too(bed: Bed) -> None:
    with bed.running(fluent_bit=False):
        bed.until(bed.state.good, "what is valid is kept")
        bed.write(bed.text(CAP))
        bed.until(lambda: bed.changes("applied") == 1, "it is in force")
        assert bed.state.good() == bed.text(CAP)


def test_a_newer_state_folder_is_refused_before_anything_is_touched(bed: Bed) -> None:
    (bed.folder / "state").mkdir()
    (bed.folder / "state/version").write_text("2\n")
    with bed.running():
        bed.until(lambda: bed.failures, "it refuses")
    assert "says '2': this version knows layout 1" in str(bed.failures[0])
    assert sorted(path.name for path in (bed.folder / "state").iterdir()) == ["version"]


def test_a_part_that_ends_by_a_bug_ends_all(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(_self: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sidecar.agent.report.Report.run", buggy)
    with bed.running():
        bed.until(lambda: bed.failures, "it ends")
    assert str(bed.failures[0]).startswith("ended by a bug in: report")

"""Managing: the leader alone puts things in place, once in a term, and again until all is done."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from sidecar.agent import management as management_module
from sidecar.agent.management import Management
from sidecar.config import loads
from sidecar.kube.backoff import Backoff
from sidecar.opensearch import connect
from sidecar.render.layout import Layout
from tests.support.fakes.opensearch import FakeOpenSearch
from tests.support.fakes.server import says
from tests.support.waiting import wait_until

SETTINGS = "fluent-sidecar-component-settings"


class Scene:
    """A sidecar's management, and whether it leads."""

    def __init__(self, folder: Path, search: FakeOpenSearch) -> None:
        self.search = search
        self.config = loads(f"cluster: c\nopensearch: {{url: {search.url}}}\npaths: {{state: '{folder}/state'}}\n")
        self.client = connect(self.config)
        self.registry = CollectorRegistry()
        self.leads = self.starves = False
        self.lacking_at: float | None = None
        self.asked = 0
        self.stopping = threading.Event()
        self.management = Management(
            self.config,
            self.client,
            leading=self._leading,
            starved=lambda: self.starves,
            lacking_at=lambda: self.lacking_at,
            registry=self.registry,
            stopping=self.stopping,
        )

    def _leading(self) -> bool:
        self.asked += 1
        return self.leads

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.management.run)
        thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            thread.join(4)
            self.client.close()
            assert not thread.is_alive()

    def count(self, result: str) -> float:
        return self.registry.get_sample_value("sidecar_apply_total", {"result": result}) or 0

    def written(self) -> int:
        return sum(1 for request in self.search.requests if request.method != "GET")


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(management_module, "_LOOK_SECONDS", 0.005)
    monkeypatch.setattr(management_module, "Backoff", lambda **_more: Backoff(first=0.01, most=0.01))
    with FakeOpenSearch() as search:
        yield Scene(tmp_path, search)


def test_a_follower_asks_nothing_and_the_leader_puts_all_in_place_once_a_term(scene: Scene) -> None:
    with scene.running():
        wait_until(lambda: scene.asked > 3, 4, "it looks whether it leads")
        assert scene.search.requests == []
        scene.leads = True
        assert scene.management.prepared.wait(4)
        wait_until(lambda: scene.count("done") == 1, 4, "it is counted")
        assert scene.search.templates
        assert scene.search.ism.policies
        written = scene.written()
        scene.leads = False
        wait_until(lambda: not scene.management.prepared.is_set(), 4, "the term is over")
        scene.leads = True
        wait_until(lambda: scene.count("done") == 2, 4, "in the next term it looks again")
        assert scene.written() == written
    assert scene.registry.get_sample_value("sidecar_apply_missing") == 0
    assert (scene.registry.get_sample_value("sidecar_apply_seconds") or 0) > 0


def test_it_is_tried_until_all_is_done_and_each_failure_is_told_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.search.script = [says(503, {"error": "busy"})] * 5
    scene.leads = True
    with scene.running():
        wait_until(lambda: scene.count("done") == 1, 4, "it is done in the end")
    assert scene.count("failed") == 5
    assert len([record for record in caplog.records if "busy" in record.getMessage()]) == 1


def test_a_failure_that_comes_back_is_told_again_and_so_is_its_end(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with scene.running():
        for term in (1, 2):
            scene.search.script = [says(503, {"error": "busy"})] * 3
            scene.leads = True
            wait_until(lambda: scene.count("done") == term, 4, "it is done in the end")  # noqa: B023 - asked at once
            scene.leads = False
            wait_until(lambda: not scene.management.prepared.is_set(), 4, "the term is over")
    assert scene.count("failed") == 6
    told = [record.getMessage() for record in caplog.records]
    assert len([text for text in told if "busy" in text]) == 2
    assert len([text for text in told if "everything is in place in OpenSearch now" in text]) == 2


def test_what_somebody_else_has_is_missing_and_is_told_but_the_rest_is_done(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.search.components[SETTINGS] = {"template": {}}
    scene.leads = True
    with scene.running():
        wait_until(lambda: scene.count("failed") > 1, 4, "it is tried again")
        assert scene.management.prepared.is_set()
        assert scene.registry.get_sample_value("sidecar_apply_missing") == 1
        del scene.search.components[SETTINGS]
        wait_until(lambda: scene.count("done") == 1, 4, "once it is out of the way it is done")
    assert len([record for record in caplog.records if "lacks the mark" in record.getMessage()]) == 1


def test_a_server_without_a_plugin_is_no_failure(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.search.plugins = []
    scene.leads = True
    with scene.running():
        wait_until(lambda: scene.count("done") == 1, 4, "it is done")
    assert any("nothing deletes old indices" in record.getMessage() for record in caplog.records)
    assert scene.count("failed") == 0


def test_what_is_overwritten_is_kept_on_the_node(scene: Scene) -> None:
    scene.leads = True
    with scene.running():
        wait_until(lambda: scene.count("done") == 1, 4, "it is done")
        scene.leads = False
        wait_until(lambda: not scene.management.prepared.is_set(), 4, "the term is over")
        scene.search.components[SETTINGS] = scene.search.components[SETTINGS] | {"template": {"settings": {"a": "b"}}}
        scene.leads = True
        wait_until(lambda: scene.count("done") == 2, 4, "it is put right")
    kept = list(Path(Layout.of(scene.config).backup).rglob("*.json"))
    assert [file.name for file in kept] == [f"{SETTINGS}.json"]


def test_where_no_leader_puts_it_what_lacks_is_put_and_nothing_is_changed(scene: Scene) -> None:
    scene.leads = True
    with scene.running():
        wait_until(lambda: scene.count("done") == 1, 4, "all is there")
        scene.leads = False
        wait_until(lambda: not scene.management.prepared.is_set(), 4, "the term is over")
        older = scene.search.components[SETTINGS] | {"template": {"settings": {"a": "older"}}}
        scene.search.components[SETTINGS] = older
        monitors, policies = len(scene.search.alerting.monitors), len(scene.search.ism.policies)
        scene.search.alerting.monitors.clear()
        missing = dict(scene.search.templates)
        scene.search.templates.clear()
        scene.starves = True
        wait_until(lambda: scene.search.templates == missing, 4, "the templates are there again")
        scene.starves = False
    assert scene.search.components[SETTINGS] == older
    assert (monitors > 0, scene.search.alerting.monitors, len(scene.search.ism.policies)) == (True, {}, policies)
    assert not scene.management.prepared.is_set()


def test_a_stand_in_that_can_not_do_it_tries_again(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.starves = True
    scene.search.script = [says(503, {"error": "busy"})] * 3
    with scene.running():
        wait_until(lambda: scene.search.templates, 4, "it is done in the end")
    told = [record.getMessage() for record in caplog.records]
    assert len([text for text in told if "no leader puts in place" in text]) == 1
    assert len([text for text in told if "busy" in text]) == 1


def test_a_template_that_goes_is_put_again_by_the_leader(scene: Scene) -> None:
    scene.leads = True
    scene.lacking_at = time.monotonic()
    with scene.running():
        wait_until(lambda: scene.count("done") == 1, 4, "all is there")
        (name, *_) = scene.search.templates
        del scene.search.templates[name]
        scene.lacking_at = time.monotonic()
        wait_until(lambda: name in scene.search.templates, 4, "it is there again")
        wait_until(lambda: scene.count("done") == 2, 4, "and all else")
        asked, looks = len(scene.search.requests), scene.asked
        wait_until(lambda: scene.asked > looks + 5, 4, "it looks on")
    assert len(scene.search.requests) == asked, "seen once, it is mended once"


def test_a_stand_in_that_is_needed_again_says_so_again(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with scene.running():
        for _ in range(2):
            scene.search.templates.clear()
            scene.starves = True
            wait_until(lambda: scene.search.templates, 4, "it is done")
            scene.starves = False
            asked = scene.asked
            wait_until(lambda: scene.asked > asked + 1, 4, "it has seen that nothing lacks")  # noqa: B023 - asked at once
    told = [record.getMessage() for record in caplog.records]
    assert len([text for text in told if "no leader puts in place" in text]) == 2

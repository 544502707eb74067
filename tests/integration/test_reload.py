"""A changed pipeline.yaml takes effect within seconds, and a bad one harms nothing: no line is lost, none doubled."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chaos.searchproxy import SearchProxy
from tests.support.process import Process
from tests.support.reloading import KILLS, NO_PARSER, REFUSED, Node


@pytest.fixture
def node(
    tmp_path: Path,
    opensearch_url: str,
    kubernetes_kubeconfig: Path,
    start_process: Callable[..., Process],
    fluent_bit: Path,
) -> Iterator[Node]:
    made = Node(
        tmp_path, url=opensearch_url, kubeconfig=kubernetes_kubeconfig, start_process=start_process, program=fluent_bit
    )
    yield made
    made.close()


def test_changes_under_load(node: Node, record_property: Callable[[str, object], None]) -> None:
    node.start()
    lines = node.write_lines(rate=800)
    node.until(node.found, 30, "the first lines arrive")
    seconds = []
    redact = {"redact": [{"name": "numbers", "pattern": "zzz[0-9]", "replace": "-"}]}
    sections: list[dict[str, Any]] = [{"logs": {"level": False}}, {"logs": redact}, {"logs": {"retain": "9d"}}]
    for at, section in enumerate(sections, 1):
        node.change(**section)
        seconds.append(node.until(lambda: node.changes("applied") >= at, 30, "it is in force"))  # noqa: B023 - asked at once
    record_property("seconds until it was in force", seconds)

    lines.join()
    assert node.score(10_000) == (0, 0)
    assert node.kept
    assert node.kept.ends == []
    assert node.metric("sidecar_config_valid") == 1


def test_bad_changes_are_rolled_back(node: Node, record_property: Callable[[str, object], None]) -> None:
    node.start()
    node.write_lines(rate=200, most=6000)
    node.until(node.found, 30, "the first lines arrive")
    bad = {"refused": REFUSED, "regex": KILLS["regex"], "no parser": NO_PARSER}
    for at, (name, extra) in enumerate(bad.items(), 1):
        node.change(fluentbit={"extra": extra})
        seconds = node.until(lambda: node.changes("rejected") + node.changes("invalid") >= at, 40, name)  # noqa: B023 - asked at once
        record_property(f"{name}: seconds until it was rolled back", seconds)
        assert node.metric("sidecar_config_valid") == 0
    assert (node.changes("rejected"), node.changes("invalid"), node.changes("applied")) == (2, 1, 0)
    assert node.metric('sidecar_reloads_total{result="refused"}') == 1
    assert node.metric('sidecar_reloads_total{result="died"}') == 1
    assert node.kept
    assert len(node.kept.ends) == 1, "it was started again with what is good"

    node.change(fluentbit={"extra": {}}, logs={"level": False})
    node.until(lambda: node.changes("applied") == 1, 30, "a good one after bad ones")
    assert node.metric("sidecar_config_valid") == 1
    assert node.lines
    assert node.score(node.lines.stop()) == (0, 0)


def test_a_change_while_opensearch_is_away(
    tmp_path: Path,
    opensearch_url: str,
    kubernetes_kubeconfig: Path,
    start_process: Callable[..., Process],
    fluent_bit: Path,
) -> None:
    with SearchProxy(opensearch_url) as proxy:
        node = Node(
            tmp_path, url=proxy.url, direct=opensearch_url, kubeconfig=kubernetes_kubeconfig,
            start_process=start_process, program=fluent_bit,
        )  # fmt: skip
        try:
            node.start()
            node.write_lines(rate=200, most=4000)
            node.until(node.found, 30, "the first lines arrive")
            proxy.refuse()
            seconds = []
            route = {"name": "team", "namespaces": ["team"], "index": f"team-{node.content['logs']['index']}"}
            for at, logs in enumerate([{"level": False}, {"routes": [route]}], 1):
                node.change(logs=logs)
                seconds.append(node.until(lambda: node.changes("applied") == at, 30, "it is in force"))  # noqa: B023 - asked at once
            assert node.lines
            written = node.lines.stop()
            assert len(node.found()) < written
            proxy.refuse(False)

            assert node.score(written, 90) == (0, 0)
            assert node.kept
            assert node.kept.ends == []
        finally:
            node.close()


def test_a_start_with_one_that_kills(node: Node) -> None:
    state = {"SIDECAR_STATE": node.content["paths"]["state"]}
    node.start(**state)
    good = node.folder / "state/config/last-good.yaml"
    node.until(good.exists, 30, "the first configuration works, and is kept")
    assert node.sidecar
    assert node.kept
    node.kept.stop()
    node.kept.process.terminate()
    node.sidecar.terminate()
    node.write(_with_extra(node, KILLS["regex"]))
    (node.folder / "pods").mkdir(exist_ok=True)
    node.start(**state)
    node.until(lambda: node.changes("rejected") == 1, 60, "it falls back")
    assert node.metric("sidecar_config_valid") == 0
    assert "log [*" not in Path(node.pipeline.layout.fluent_bit_file).read_text()
    node.until(lambda: node.kept and node.kept.process.running, 30, "Fluent Bit runs")
    assert 2 <= len(node.kept.ends) <= 4, "it was started in vain, and then with what is good"


def _with_extra(node: Node, extra: object) -> str:
    return yaml.safe_dump({**node.content, "fluentbit": {**node.content["fluentbit"], "extra": extra}})

"""plan and apply on a real server, and that no document comes before its template."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sidecar.cli.main import cli
from sidecar.opensearch import Client
from tests.support.events import create_events
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.waiting import unique_name, wait_until


@pytest.fixture
def client(opensearch_url: str) -> Iterator[Client]:
    client = Client(opensearch_url)
    yield client
    client.close()


def sidecar(*words: str | Path) -> Any:
    result = CliRunner().invoke(cli, [*map(str, words), "--output", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def changed(told: Any) -> dict[str, str]:
    """The actions that aren't `unchanged`, by name. What all tests share may have been put by any of them."""
    entries = told.get("changes") or told["outcomes"]
    return {
        entry["name"]: entry["action"]
        for entry in entries
        if entry["action"] not in {"unchanged", "leftover", "unsupported"} and "-component-" not in entry["name"]
    }


def test_a_plan_is_empty_after_apply_and_shows_what_somebody_did(
    opensearch_url: str, client: Client, tmp_path: Path
) -> None:
    name = unique_name("apply")
    file = tmp_path / "pipeline.yaml"
    families = {"events": "-e", "logs": "-l", "controlPlane": "-c"}
    text = "".join(f"{family}: {{index: {name}{end}}}\n" for family, end in families.items())
    file.write_text(f"cluster: c\nopensearch: {{url: '{opensearch_url}'}}\n{text}")
    mine = [f"fluent-sidecar-{name}{end}" for end in families.values()]
    others = f"{name}-others"
    try:
        wanted = dict.fromkeys(mine, "create")
        assert changed(sidecar("plan", "-c", file)).items() >= wanted.items()
        assert changed(sidecar("apply", "-c", file)).items() >= wanted.items()
        told = sidecar("plan", "-c", file)
        assert (told["empty"], changed(told)) == (True, {})
        assert told["requests"] <= 6

        # By hand, as Dashboards does it: the mark stays.
        body = client.request("GET", f"/_index_template/{mine[1]}")["index_templates"][0]["index_template"]
        client.request("PUT", f"/_index_template/{mine[1]}", body | {"template": {"settings": {"number_of_shards": 3}}})
        (entry,) = [one for one in sidecar("plan", "-c", file)["changes"] if one["name"] == mine[1]]
        assert (entry["action"], entry["edited"]) == ("update", True)
        assert '-      "index.number_of_shards": "3"' in entry["diff"]
        done = sidecar("apply", "-c", file, "--backup", tmp_path / "kept")
        (entry,) = [one for one in done["outcomes"] if one["name"] == mine[1]]
        assert json.loads(Path(entry["backup"]).read_text())["template"]["settings"]["index"] == {
            "number_of_shards": "3"
        }
        assert sidecar("plan", "-c", file)["empty"]

        client.request("PUT", f"/_index_template/{others}", {"index_patterns": [f"{name}-l*"], "priority": 501})
        (entry,) = [one for one in sidecar("plan", "-c", file)["changes"] if one["name"] == mine[1]]
        assert f"the index template {others}, which fluent-sidecar didn't make" in entry["warning"]
        simulated = client.request("POST", f"/_index_template/_simulate_index/{name}-l-2026.11.22")
        assert [one["name"] for one in simulated["overlapping"]] == [mine[1]], "the server agrees: it does not win"
    finally:
        for template in (others, *mine):
            client.request("DELETE", f"/_index_template/{template}*")


def test_clusters_that_share_indices_take_nothing_from_each_other(
    opensearch_url: str, client: Client, tmp_path: Path
) -> None:
    name = unique_name("shared")
    mine = [f"fluent-sidecar-{name}{end}" for end in "elc"]
    for cluster in ("a", "b"):
        (tmp_path / cluster).write_text(
            f"cluster: {name}-{cluster}\nopensearch: {{url: '{opensearch_url}'}}\n"
            f"events: {{index: {name}e}}\nlogs: {{index: {name}l}}\ncontrolPlane: {{index: {name}c}}\n"
        )
    try:
        for cluster in ("a", "b"):
            sidecar("apply", "-c", tmp_path / cluster)
        assert sidecar("plan", "-c", tmp_path / "a")["empty"]
        gone = changed(sidecar("apply", "-c", tmp_path / "a", "--delete", "--yes"))
        assert {gone[one] for one in mine} == {"release"}
        assert sidecar("plan", "-c", tmp_path / "b")["empty"]
    finally:
        client.request("DELETE", f"/_index_template/fluent-sidecar-{name}*")


@pytest.mark.parametrize("manage", [True, False], ids=["the leader applies", "apply is another's"])
def test_the_first_document_never_comes_before_its_template(
    tmp_path: Path,
    opensearch_url: str,
    client: Client,
    kubernetes_kubeconfig: Path,
    namespace: str,
    fluent_bit: Path,
    start_process: Callable[..., Process],
    manage: bool,
) -> None:
    pipeline = Pipeline(
        tmp_path, url=opensearch_url, kubeconfig=kubernetes_kubeconfig, start_process=start_process,
        more={"opensearch": {"manage": manage}},
    )  # fmt: skip
    # They are there before anybody is, and go out with the first breath.
    truth = create_events(kubernetes_kubeconfig, namespace, 200)
    pipeline.start_sidecar()
    pipeline.start_fluent_bit(fluent_bit)
    if not manage:
        wait_until(lambda: pipeline.metric("sidecar_events_journaled_total") >= 200, 60, "all are in the journal")
        wait_until(lambda: (pipeline.get("/readyz") or "") == "ok\n", 30, "Fluent Bit is not waited for any longer")
        assert client.request("GET", f"/{pipeline.index}*", params={"allow_no_indices": "true"}) == {}
        sidecar("apply", "-c", pipeline.file)
    wait_until(lambda: len(pipeline.documents(namespace)) == len(truth.ids), 90, "all arrive", interval=0.5)
    for index, body in client.request("GET", f"/{pipeline.index}-*").items():
        assert body["mappings"]["dynamic"] == "false", index
    pipeline.clean()

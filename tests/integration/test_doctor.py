"""`sidecar doctor` against real servers, with a sidecar and a Fluent Bit that run beside it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sidecar.opensearch.client import Client
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.waiting import wait_until

# A server without plugins, and a user who may do everything.
EXPECTED = {"policies": "warn", "monitors": "warn", "notification channels": "skip", "saved objects": "skip"}
# How the machine is that the server runs on.
MACHINE = {"health", "shards", "disks", "blocks"}


def test_every_link_of_a_pipeline_that_works_is_well(
    tmp_path: Path,
    opensearch_url: str,
    kubernetes_kubeconfig: Path,
    fluent_bit: Path,
    start_process: Callable[..., Process],
) -> None:
    client = Client(opensearch_url)
    version = ".".join(client.request("GET", "/")["version"]["number"].split(".")[:2])
    pipeline = Pipeline(
        tmp_path,
        url=opensearch_url,
        kubeconfig=kubernetes_kubeconfig,
        start_process=start_process,
        more={"opensearch": {"version": version}},
    )
    sidecar = pipeline.start_sidecar("--log-format", "text")
    wait_until(lambda: pipeline.metric("sidecar_leader") == 1, 60, lambda: f"it leads; {sidecar}")
    wait_until(lambda: pipeline.metric("sidecar_templates_in_place") == 1, 60, lambda: f"templates; {sidecar}")
    pipeline.start_fluent_bit(fluent_bit)
    command = [sys.executable, "-m", "sidecar", "doctor", "-c", str(pipeline.file), "--output", "json"]

    def states() -> dict[str, str]:
        done = subprocess.run(
            [*command, "--kubeconfig", str(kubernetes_kubeconfig)], capture_output=True, text=True, check=False
        )
        told = json.loads(done.stdout)
        assert told["ok"] is (done.returncode == 0), done.stderr
        return {one["name"]: one["state"] for area in told["areas"].values() for one in area}

    # Fluent Bit's port is open a moment after it was started, and five seconds later it tells of its buffer.
    wait_until(lambda: states().get("buffer") == "ok", 60, "Fluent Bit is found", interval=0.5)
    found = states()

    assert {name: state for name, state in found.items() if state != "ok" and name not in {*EXPECTED, *MACHINE}} == {}
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    left = client.request("GET", f"/{pipeline.index}*-doctor", params={"allow_no_indices": "true"})
    client.close()
    assert left == {}
    pipeline.clean()

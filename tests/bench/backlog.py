"""A backlog of events in a real API server, from the start of the shipper until all can be searched in OpenSearch.

Against Fluent Bit's own input for events, the nearest thing that a user would take, on the same servers in one run.
"""

import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.support.apiserver import ApiServer
from tests.support.events import create_events
from tests.support.parts import Missing, Parts, find_fluent_bit
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.waiting import unique_name, wait_until

EVENTS = 10_000
NAMESPACE = "backlog"


def run() -> None:
    parts = Parts()
    try:
        program, _ = find_fluent_bit()
        with ExitStack() as stack:
            stack.callback(parts.close)
            parts.opensearch.start()
            parts.api_server.start()
            url, server = parts.opensearch.get(), parts.api_server.get()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            truth = create_events(server.kubeconfig, NAMESPACE, EVENTS)
            print(f"{EVENTS} events of about 1 KB in the API server")
            _sidecar(folder, url, server, truth.ids, program)
            _fluent_bit(folder, url, server, truth.ids, program)
    except Missing as missing:
        print(f"NOT RUN: {missing.part} ({missing.why})")


def _sidecar(folder: Path, url: str, server: ApiServer, owed: set[str], program: Path) -> None:
    with ExitStack() as stack:

        def start(command: list[Any], *, name: str = "", env: Any = None) -> Process:
            return stack.enter_context(Process(command, log=folder / f"{name}.log", env=env, name=name))

        (folder / "pipeline").mkdir()
        pipeline = Pipeline(folder / "pipeline", url=url, kubeconfig=server.kubeconfig, start_process=start)
        began = time.monotonic()
        sidecar = pipeline.start_sidecar()
        shipper = pipeline.start_fluent_bit(program)
        wait_until(lambda: _count(url, f"{pipeline.index}-*") >= EVENTS, 300, "all are there", interval=0.2)
        seconds = time.monotonic() - began
        ids = [document["id"] for document in pipeline.documents(NAMESPACE)]
        _show("fluent-sidecar", seconds, (sidecar, shipper), ids, owed)
        pipeline.clean()


def _fluent_bit(folder: Path, url: str, server: ApiServer, owed: set[str], program: Path) -> None:
    """Its input `kubernetes_events`, with the id that its users give: uid and resourceVersion can't be joined in C."""
    index = unique_name("fluent-bit-events")
    access = yaml.safe_load(server.kubeconfig.read_text())
    token = folder / "token"
    token.write_text(access["users"][0]["user"]["token"])
    authority = folder / "ca.crt"
    import base64  # noqa: PLC0415 - for this only

    authority.write_bytes(base64.b64decode(access["clusters"][0]["cluster"]["certificate-authority-data"]))
    host, port = url.removeprefix("http://").split(":")
    content = {
        "service": {"flush": 1, "grace": 1},
        "pipeline": {
            "inputs": [
                {
                    "name": "kubernetes_events",
                    "tag": "events",
                    "kube_url": server.url,
                    "kube_ca_file": str(authority),
                    "kube_token_file": str(token),
                    "kube_request_limit": 500,
                    "tls.verify": True,
                }
            ],
            "outputs": [
                {
                    "name": "opensearch",
                    "match": "*",
                    "host": host,
                    "port": int(port),
                    "index": index,
                    "suppress_type_name": True,
                    "generate_id": True,
                    "buffer_size": False,
                }
            ],
        },
    }
    file = folder / "fluent-bit.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    with Process([program, "-c", file], log=folder / "rival.log", name="rival") as shipper:
        began = time.monotonic()
        wait_until(lambda: _count(url, index) >= EVENTS, 300, lambda: f"all are there; {shipper.tail()}", interval=0.2)
        seconds = time.monotonic() - began
        _show("Fluent Bit's kubernetes_events", seconds, (shipper,), None, owed)
    urllib3.request("DELETE", f"{url}/{index}")


def _count(url: str, pattern: str) -> int:
    urllib3.request("POST", f"{url}/{pattern}/_refresh")
    count: int = urllib3.request("GET", f"{url}/{pattern}/_count").json().get("count", 0)
    return count


def _show(name: str, seconds: float, processes: tuple[Process, ...], ids: list[str] | None, owed: set[str]) -> None:
    cpu = sum(_cpu_seconds(process.pid) for process in processes)
    memory = " + ".join(f"{_peak_mib(process.pid):.0f}" for process in processes)
    found = "" if ids is None else f", missing {len(owed - set(ids))}, twice {len(ids) - len(set(ids))}"
    print(f"{name:<32} {EVENTS / seconds:6.0f} events/s, {seconds:4.1f} s, {cpu:.1f} CPU s, peak {memory} MiB{found}")


def _status(pid: int) -> Callable[[str], int]:
    text = Path(f"/proc/{pid}/status").read_text()
    return lambda key: int(next(line for line in text.splitlines() if line.startswith(key)).split()[1])


def _peak_mib(pid: int) -> float:
    return _status(pid)("VmHWM") / 1024


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks = int(subprocess.run(["getconf", "CLK_TCK"], capture_output=True, text=True, check=True).stdout)
    return (int(fields[11]) + int(fields[12])) / ticks

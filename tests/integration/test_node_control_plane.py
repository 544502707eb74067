"""Logs of a control plane on its own node, through the real Fluent Bit to the real OpenSearch: each line once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3

from tests.support.controlplane import LINES
from tests.support.podlogs.pipelines import Rendered
from tests.support.podlogs.shipper import Shipper
from tests.support.process import Process
from tests.support.search import Answers
from tests.support.waiting import free_port, unique_name, wait_until

UID = "0b1e6f9a-5c1d-4d53-9a43-6a6c1d0f000{}"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
TIME = "2026-11-27T03:33:37.{:09d}Z"
KEPT = "36500d"
"""The lines of this test get older every day."""


def _write_pods(logs: Path) -> int:
    """Static pods' logs, and one of an ordinary pod; how many lines the first have."""
    count = 0
    for number, program in enumerate((*PROGRAMS, "coredns")):
        file = logs / f"kube-system_{program}-node-1_{UID.format(number)}" / program / "0.log"
        file.parent.mkdir(parents=True)
        lines = [line for line in LINES.get(program, LINES["kube-scheduler"]) if "\n" not in line]
        file.write_text("".join(f"{TIME.format(at)} stderr F {line}\n" for at, line in enumerate(lines)))
        count += len(lines) if program in PROGRAMS else 0
    return count


def test_static_pods_and_the_audit_log_are_the_control_planes_logs(
    tmp_path: Path, opensearch_url: str, fluent_bit: Path, start_process: Callable[..., Process]
) -> None:
    address, name, port = urllib3.util.parse_url(opensearch_url), unique_name("node"), free_port()
    audit = tmp_path / "kubernetes" / "audit.log"
    more: dict[str, Any] = {
        "logs": {"index": f"logs-of-{name}", "retain": KEPT},
        "events": {"index": f"events-of-{name}"},
        "controlPlane": {"index": name, "source": "node", "auditLog": str(audit), "retain": KEPT},
    }
    pods = tmp_path / "pods"
    programs = _write_pods(pods)
    audit.parent.mkdir()
    first, second = LINES["audit"][:3], LINES["audit"][3:]
    audit.write_text("".join(f"{line}\n" for line in first))
    wanted = programs + len(LINES["audit"])

    with Answers(opensearch_url, name) as plane, Answers(opensearch_url, f"logs-of-{name}") as others:
        pipeline = Rendered(tmp_path, pods, (address.host or "", address.port or 80), port, more)
        pipeline.apply(opensearch_url)
        pipeline.write_pods([])
        shipper = Shipper(fluent_bit, pipeline.file, port, start_process)
        shipper.wait_for_start()

        def arrived(count: int) -> None:
            wait_until(
                lambda: plane.count() >= count, 30,
                lambda: f"{count} documents, not {plane.count()}; {shipper.process.tail()}", interval=0.2,
            )  # fmt: skip

        arrived(programs + len(first))
        # As the API server rotates it.
        audit.rename(audit.with_name("audit-2026-11-27T04-00-00.000.log"))
        audit.write_text("".join(f"{line}\n" for line in second))
        arrived(wanted)
        before = {hit["_id"]: hit["_source"] for hit in plane.documents()}
        shipper.process.kill()

        # Nobody knows what it had read: all is read again, under other names.
        Path(pipeline.layout.logs_db).unlink()
        shipper = Shipper(fluent_bit, pipeline.file, port, start_process)
        shipper.wait_for_start()
        wait_until(
            lambda: shipper.metric("fluentbit_output_proc_records_total", 'name="logs"') >= wanted, 30,
            lambda: f"all are sent again; {shipper.process.tail()}", interval=0.2,
        )  # fmt: skip
        assert plane.count() == wanted == len(before), "missing 0, twice 0"
        assert {hit["_id"] for hit in plane.documents()} == set(before)
        assert shipper.metric("fluentbit_output_errors_total", 'name="logs"') == 0
        assert {hit["_source"]["kubernetes"]["container_name"] for hit in others.documents()} == {"coredns"}

    by_message = {source["@message"]: source for source in before.values()}
    assert set(by_message) == {
        line for component in (*PROGRAMS, "audit") for line in LINES[component] if "\n" not in line
    }
    assert {source["component"] for source in before.values()} == {*PROGRAMS, "audit"}
    refused = next(source["audit"] for source in before.values() if source.get("audit", {}).get("verb") == "delete")
    assert refused["user"]["username"] == "system:serviceaccount:default:reader"
    assert refused["responseStatus"]["code"] == 403
    found = by_message[LINES["kube-controller-manager"][2]]
    assert found["message"] == "Controller is disabled by a feature gate"
    assert found["kubernetes"] == {"host": "node-1"}
    assert found["@log_stream"] == "kube-controller-manager-node-1"

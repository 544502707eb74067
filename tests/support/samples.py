"""A few documents of every kind, as the parts of the project write them, a few minutes old."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from sidecar.config import Config
from sidecar.dev.recording import load
from sidecar.events.following import Gap, Position
from sidecar.events.gap import gap_record
from sidecar.events.record import Involved, Recorder
from sidecar.opensearch import Document, Outcome, Verdict
from sidecar.opensearch.deadletter import dead_letter
from sidecar.render import fields
from sidecar.render.components import COMPONENTS
from sidecar.render.fields import CONTROL_PLANE_FIELDS, LOG_FIELDS, Field

Json = dict[str, Any]

_LINES = (
    ("shop", "web", "node-1", "stdout", "info", "GET /cart 200"),
    ("shop", "web", "node-1", "stderr", "error", "no route to host"),
    ("shop", "cart", "node-2", "stdout", "warn", "slow query: 2.1 s"),
    ("payments", "api", "node-2", "stderr", "fatal", "panic: nil map"),
    ("payments", "api", "node-2", "stdout", "", "Started UiApplication in 3.2 seconds"),
    ("ui", "ui", "node-1", "stdout", "info", "Started UiApplication in 4.1 seconds"),
)


def sample_documents(config: Config) -> list[Document]:
    """The recorded cluster's events, a gap, lines of pods and of the control plane, and a dead letter."""
    now = datetime.now(UTC)
    return [*_events(config, now), *_pod_logs(config, now), *_control_plane(config, now), _letter(config)]


def _events(config: Config, now: datetime) -> Iterator[Document]:
    recorder = Recorder(config)
    for event in load().shifted(now).documents():
        name = event["involvedObject"]["name"]
        workload = next((part for part in ("scenario-a", "scenario-b", "scenario-c") if name.startswith(part)), "")
        record = recorder.record(event, Involved({"app": workload}, "Deployment", workload) if workload else None)
        yield Document(record.index, record.id, record.line)
    gap = gap_record(Gap(Position("1", now.timestamp() - 600), Position("9", now.timestamp() - 300), "history"), config)
    yield Document(gap.index, gap.id, gap.line)


def _pod_logs(config: Config, now: datetime) -> Iterator[Document]:
    routes = {name: route.index for route in config.logs.routes for name in route.namespaces}
    for number, (namespace, workload, node, stream, level, text) in enumerate(_LINES):
        written = now - timedelta(seconds=60 * number + 5)
        key, index = f"uid-{number}/main/0/o/{number}/0", _dated(routes.get(namespace, config.logs.index), written)
        document = {
            fields.TIMESTAMP: _time(written),
            fields.OBSERVED: _time(written + timedelta(seconds=1 + number)),
            fields.ID: key,
            fields.INDEX: index,
            fields.CLUSTER: config.cluster,
            fields.LOG: text,
            "stream": stream,
            **({fields.LEVEL: level} if level else {}),
            "kubernetes": {
                "namespace_name": namespace,
                "pod_name": f"{workload}-7d4b9c-x{number}",
                "pod_id": f"uid-{number}",
                "container_name": "main",
                "restart_count": 0,
                "host": node,
                "labels": {"app": workload, "app.kubernetes.io/name": workload},
            },
            "workload": {"kind": "Deployment", "name": workload},
        }
        yield _document(index, key, document, LOG_FIELDS)


def _control_plane(config: Config, now: datetime) -> Iterator[Document]:
    for number, component in enumerate(name for names in COMPONENTS.values() for name in names):
        written = now - timedelta(seconds=45 * number + 5)
        # The audit log is a stream of the API server.
        stream = "kube-apiserver-audit" if component == "audit" else component
        line = {
            fields.TIMESTAMP: _time(written),
            fields.CLUSTER: config.cluster,
            "@id": f"{number:056d}",
            "@message": f"I1126 10:00:00.000000 1 {component}.go:1] a line",
            "@log_group": f"/aws/eks/{config.cluster}/cluster",
            "@log_stream": f"{stream}-0f3b8c1de1f3e5a6",
            "@owner": "123456789012",
            "component": component,
            fields.LEVEL: "info",
        }
        answers = (200, 403) if component == "audit" else (0,)
        for answer in answers:
            audited = {"audit": _audit(answer)} if answer else {}
            key = f"{number:056d}-{answer}"
            yield _document(_dated(config.control_plane.index, written), key, {**line, **audited}, CONTROL_PLANE_FIELDS)


def _audit(code: int) -> Json:
    return {
        "auditID": f"id-{code}",
        "stage": "ResponseComplete",
        "verb": "list" if code == 200 else "delete",
        "requestURI": "/api/v1/namespaces/test/secrets",
        "userAgent": "kubectl",
        "sourceIPs": ["10.0.0.1"],
        "user": {"username": f"user-{code}", "groups": ["system:authenticated"]},
        "objectRef": {"resource": "secrets", "namespace": "test", "name": "some-secret"},
        "responseStatus": {"code": code},
        "annotations": {"authorization.k8s.io/decision": "allow" if code == 200 else "forbid"},
    }


def _letter(config: Config) -> Document:
    refused = Document(config.events.index, "uid.1", b'{"kind":"Event"}')
    return dead_letter(
        refused, Outcome(Verdict.REFUSED, 400, "mapper_parsing_exception", "failed to parse"), cluster=config.cluster
    )


def _document(index: str, key: str, source: Json, known: tuple[Field, ...]) -> Document:
    """A document of fields that are known, so that a sample is no invention."""
    names = {field.name for field in known}
    strange = [name for name in _paths(source) if not _within(name, names)]
    assert not strange, f"no such fields: {strange}"
    return Document(index, key, orjson.dumps(source))


def _paths(value: Json, before: str = "") -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _paths(item, f"{before}{key}.")
        else:
            yield f"{before}{key}"


def _within(name: str, known: set[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:length]) in known for length in range(1, len(parts) + 1))


def _dated(index: str, moment: datetime) -> str:
    return f"{index}-{moment:%Y.%m.%d}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"

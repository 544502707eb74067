"""Lines of real control planes, and payloads as CloudWatch Logs makes them.

`lines.json` has lines by component: of a Kubernetes 1.35 with an audit policy; those of the authenticator, of the cloud
controller manager and of a busy scheduler are as AWS and Kubernetes document them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sidecar.config.function import Settings
from sidecar.controlplane.payload import packed

Json = dict[str, Any]

LINES: Mapping[str, Sequence[str]] = json.loads((Path(__file__).parent / "lines.json").read_text())
STREAMS: Mapping[str, str] = {
    "kube-apiserver": "kube-apiserver-0123456789abcdef0123456789abcdef",
    "audit": "kube-apiserver-audit-0123456789abcdef0123456789abcdef",
    "authenticator": "authenticator-0123456789abcdef0123456789abcdef",
    "kube-controller-manager": "kube-controller-manager-0123456789abcdef0123456789abcdef",
    "cloud-controller-manager": "cloud-controller-manager-0123456789abcdef0123456789abcdef",
    "kube-scheduler": "kube-scheduler-0123456789abcdef0123456789abcdef",
}
TEMPLATE = "fluent-sidecar-eks-control-plane-logs"
GROUP, OWNER = "/aws/eks/eks-workshop/cluster", "123456789012"
TIME = 1_795_750_417_123
"""2026-11-27T03:33:37.123Z, in milliseconds."""


def settings(**changes: Any) -> Settings:
    """Settings that take all types."""
    content = {"cluster": "eks-workshop", "index": "eks-control-plane-logs", "rotate": "daily",
               "template": TEMPLATE}  # fmt: skip
    return Settings(**{**content, "components": tuple(STREAMS), **changes})


def event_id(number: int) -> str:
    """An id as CloudWatch has it: 56 digits."""
    return f"{number:056d}"


def message(stream: str, events: Iterable[Any], **changes: Any) -> Json:
    """A message of a subscription."""
    return {
        "messageType": "DATA_MESSAGE",
        "owner": OWNER,
        "logGroup": GROUP,
        "logStream": stream,
        "subscriptionFilters": ["fluent-sidecar"],
        "logEvents": list(events),
        **changes,
    }


def events(lines: Iterable[str], *, start: int = 0, time: int = TIME) -> list[Json]:
    """Log events of lines, a millisecond apart."""
    return [
        {"id": event_id(number), "timestamp": time + number, "message": line}
        for number, line in enumerate(lines, start)
    ]


def invocation(component: str, lines: Iterable[str], *, start: int = 0, time: int = TIME) -> Json:
    """What the function is invoked with for lines of a component."""
    return packed(message(STREAMS[component], events(lines, start=start, time=time)))


class Context:
    """An invocation with so many seconds left, all the time."""

    def __init__(self, seconds: float = 60) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)

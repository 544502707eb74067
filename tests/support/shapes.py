"""What the Events of a busy cluster look like: the same number always gives the same Event."""

import datetime as dt
import hashlib
import random
from dataclasses import dataclass
from typing import Any

CORE = "/api/v1"
EVENTS_K8S_IO = "/apis/events.k8s.io/v1"

# (reason, type, component, message), as a kubelet and the controllers write them.
_CLASSIC = [
    ("Pulling", "Normal", "kubelet", 'Pulling image "public.ecr.aws/shop/{app}:1.2.{n}"'),
    ("Pulled", "Normal", "kubelet", 'Successfully pulled image "public.ecr.aws/shop/{app}:1.2.{n}" in 1.{n}s'),
    ("Created", "Normal", "kubelet", "Created container: {app}"),
    ("Started", "Normal", "kubelet", "Started container {app}"),
    ("Failed", "Warning", "kubelet", "Error: ImagePullBackOff"),
    ("BackOff", "Warning", "kubelet", "Back-off restarting failed container {app} in pod {pod}_{namespace}({uid})"),
    ("FailedMount", "Warning", "kubelet", 'MountVolume.SetUp failed for volume "c" : secret "s-{n}" not found'),
    ("Unhealthy", "Warning", "kubelet", 'Readiness probe failed: Get "http://10.42.0.{n}:8080/": connection refused'),
    ("Killing", "Normal", "kubelet", "Stopping container {app}"),
    ("SuccessfulCreate", "Normal", "replicaset-controller", "Created pod: {pod}"),
    ("ScalingReplicaSet", "Normal", "deployment-controller", "Scaled up replica set {app}-{n} from 0 to 3"),
]
_SCHEDULER = [
    ("Scheduled", "Normal", "Binding", "Successfully assigned {namespace}/{pod} to ip-10-42-0-{n}.ec2.internal"),
    ("FailedScheduling", "Warning", "Scheduling", "0/{n} nodes are available: {n} Insufficient cpu. preemption: ..."),
]
_APPS = ["ui", "catalog", "carts", "checkout", "orders"]
# Of each length of a character in bytes, of JSON's and Lucene's own characters, and of what is not ASCII.
_TRACE = (
    'panic: "lost"\n\tgoroutine 1 [running]:\r\n\tmain.go:{n} \\x00 '
    "<a href='b'>&amp; {{\"json\": [1, 2.50, null]}} \u2028 "
)
_EMOJI = "\N{ROCKET} déploiement échoué \N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4} 日本語 \u200d "


@dataclass(frozen=True)
class Shape:
    """One Event to be made.

    Attributes:
        name: Of the Event.
        collection: Where it is made: the group and version.
        body: As POSTed.
    """

    name: str
    collection: str
    body: dict[str, Any]

    def update(self, number: int, at: dt.datetime) -> dict[str, Any]:
        """The merge patch of its update `number` (1, 2, ...): what a recorder sends when the same happens again."""
        if self.collection == CORE:
            return {"count": 1 + number, "lastTimestamp": seconds(at)}
        return {"series": {"count": 1 + number, "lastObservedTime": micros(at)}}


def seconds(at: dt.datetime) -> str:
    """A metav1.Time."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micros(at: dt.datetime) -> str:
    """A metav1.MicroTime."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def shape(index: int, namespace: str, at: dt.datetime, *, prefix: str = "e") -> Shape:
    """The Event of number `index`.

    Of ten, eight are of kubelets and controllers (core/v1: count, firstTimestamp, lastTimestamp), one of the scheduler
    (events.k8s.io/v1: eventTime only), and one has a message of 1-3 KB. Every seventh has emoji.

    Args:
        index: From 0.
        namespace: Where it will be.
        at: When it happened.
        prefix: Keeps the names of several series in one namespace apart.
    """
    chance = random.Random(index)
    app = chance.choice(_APPS)
    pod = f"{app}-{chance.randrange(16**9):09x}-{chance.randrange(36**3):05d}"
    uid = _uid(pod)
    words = {"app": app, "pod": pod, "namespace": namespace, "uid": uid, "n": chance.randrange(1, 250)}
    name = f"{pod}.{prefix}{index:012x}"
    metadata = {"name": name, "namespace": namespace}
    regarding = {"kind": "Pod", "namespace": namespace, "name": pod, "uid": uid, "apiVersion": "v1"}
    emoji = f" {_EMOJI}" if index % 7 == 0 else ""
    if index % 10 == 5:
        reason, kind, action, text = chance.choice(_SCHEDULER)
        body: dict[str, Any] = {
            "metadata": metadata,
            "regarding": regarding,
            "reason": reason,
            "type": kind,
            "action": action,
            "note": text.format(**words) + emoji,
            "eventTime": micros(at),
            "reportingController": "default-scheduler",
            "reportingInstance": "default-scheduler-ip-10-42-0-1",
        }
        return Shape(name, EVENTS_K8S_IO, body)
    reason, kind, component, text = chance.choice(_CLASSIC)
    message = text.format(**words) + emoji
    if index % 10 == 9:
        message = _long(message, _TRACE.format(**words), chance.randrange(1024, 3072))
    if component == "kubelet":
        involved = regarding | {"fieldPath": f"spec.containers{{{app}}}", "resourceVersion": str(1000 + index)}
        source = {"component": component, "host": f"ip-10-42-0-{words['n']}.ec2.internal"}
    else:
        owner = {"replicaset-controller": "ReplicaSet", "deployment-controller": "Deployment"}[component]
        owner_name = f"{app}-5d4f" if owner == "ReplicaSet" else app
        involved = regarding | {"kind": owner, "name": owner_name, "uid": _uid(owner_name), "apiVersion": "apps/v1"}
        source = {"component": component}
    body = {
        "metadata": metadata,
        "involvedObject": involved,
        "reason": reason,
        "type": kind,
        "message": message,
        "source": source,
        "firstTimestamp": seconds(at),
        "lastTimestamp": seconds(at),
        "count": 1,
        "reportingComponent": component,
    }
    return Shape(name, CORE, body)


def _uid(name: str) -> str:
    """An object's uid: the same for the same name."""
    digits = hashlib.sha256(name.encode()).hexdigest()
    return "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]])


def _long(start: str, filling: str, size: int) -> str:
    """A text of `size` bytes of UTF-8, give or take the last character."""
    text = (start + "\n" + filling * (size // len(filling) + 1)).encode()
    return text[:size].decode(errors="ignore")

"""A release of the chart in a namespace of its own, and what its cluster and OpenSearch say of it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.chaos.listener import Pipe
from tests.support.cluster.parts import Cluster
from tests.support.kubeapi import MERGE_PATCH, Api
from tests.support.search import Answers
from tests.support.waiting import wait_until

CHART = Path(__file__).parents[3] / "charts" / "fluent-sidecar"
_READY_SECONDS = 180
Json = dict[str, Any]


@dataclass
class Release:
    """The chart, installed.

    Attributes:
        cluster: Where.
        api: To its API server.
        namespace: Its namespace, which is privileged; its name is the release's too.
        pipeline: `values.pipeline`; change it, then `upgrade`.
        values: The other values.
    """

    cluster: Cluster
    api: Api
    namespace: str
    pipeline: Json
    values: Json
    name: str = "fluent-sidecar"

    def install(self) -> None:
        """Install it, and wait until its pods are ready."""
        self.upgrade()
        self.wait_ready()

    def upgrade(self) -> None:
        """Let the cluster have what the values say now."""
        self.cluster.run("helm", *self._words("upgrade", "--install"), stdin=self._text(self.pipeline))

    def try_upgrade(self, pipeline: Json) -> str:
        """What helm says to another `pipeline`, which it must refuse."""
        done = self.cluster.try_to("helm", *self._words("upgrade", "--install"), stdin=self._text(pipeline))
        assert done.returncode, done.stdout
        return done.stderr

    def uninstall(self) -> None:
        """Remove it; what is on the node and in OpenSearch stays."""
        self.cluster.run("helm", "uninstall", self.name, "--namespace", self.namespace, "--wait")

    def edit(self, text: str, *, hurry: bool = True) -> None:
        """Change the ConfigMap itself, as somebody does who goes around helm; see `hurry`."""
        self.api.request("PATCH", self._config_map, {"data": {"pipeline.yaml": text}}, content_type=MERGE_PATCH)
        if hurry:
            self.hurry()

    def text(self) -> str:
        """The pipeline.yaml that the ConfigMap has."""
        return str(self.api.get(self._config_map)["data"]["pipeline.yaml"])

    def hurry(self) -> None:
        """Let the kubelet look at the pods' volumes now, not in a minute or two: it does when a pod changes."""
        for pod in self.pods():
            note = {"metadata": {"annotations": {"tests/hurried": str(time.time_ns())}}}
            self.api.request("PATCH", self._pod(pod["metadata"]["name"]), note, content_type=MERGE_PATCH)

    def pods(self) -> list[Json]:
        """Its pods of the DaemonSet that aren't about to end."""
        selector = f"app.kubernetes.io%2Finstance%3D{self.name},app.kubernetes.io%2Fcomponent%3Dnode"
        found = self.api.get(f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={selector}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def delete_pods(self, *, grace: int | None = None) -> None:
        """Delete the pods; with 0 seconds of grace by force."""
        for pod in self.pods():
            body = None if grace is None else {"gracePeriodSeconds": grace}
            self.api.request("DELETE", self._pod(pod["metadata"]["name"]), body)

    def wait_ready(self) -> None:
        """Wait until a pod is ready on every node."""
        wait_until(self._rolled_out, _READY_SECONDS, self._why_not, interval=0.5)

    def log(self, container: str = "sidecar", *, times: bool = False) -> str:
        """The log of a container, of all pods; with the kubelet's times."""
        query = f"container={container}{'&timestamps=true' if times else ''}"
        answers = [self.api.raw("GET", f"{self._pod(pod['metadata']['name'])}/log?{query}") for pod in self.pods()]
        return "".join(answer.data.decode(errors="replace") for answer in answers)

    def events(self, reason: str) -> list[str]:
        """The messages of the Events of a reason in its namespace."""
        found = self.api.get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        return [str(event.get("message")) for event in found if event.get("reason") == reason]

    def restarts(self, container: str) -> int:
        """How often a container was started again."""
        states = [
            one
            for pod in self.pods()
            for key in ("containerStatuses", "initContainerStatuses")
            for one in pod["status"].get(key, ())
            if one["name"] == container
        ]
        return sum(int(one["restartCount"]) for one in states)

    def _words(self, *command: str) -> list[str]:
        return [*command, self.name, str(CHART), "--namespace", self.namespace, "--values", "-"]

    def _text(self, pipeline: Json) -> str:
        return yaml.safe_dump(self.values | {"pipeline": pipeline})

    @property
    def _config_map(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps/{self.name}"

    def _pod(self, name: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{name}"

    def _rolled_out(self) -> bool:
        found = self.api.get(f"/apis/apps/v1/namespaces/{self.namespace}/daemonsets/{self.name}")
        status = found["status"]
        wanted = status.get("desiredNumberScheduled", 0)
        seen = status.get("observedGeneration") == found["metadata"]["generation"]
        return bool(seen and wanted and wanted == status.get("numberReady") == status.get("updatedNumberScheduled"))

    def _why_not(self) -> str:
        states = [pod["status"] for pod in self.pods()]
        return f"all pods are ready: {states}; {self.log()[-3000:]}; {self.log('fluent-bit')[-2000:]}"


@contextmanager
def namespace(api: Api, name: str, *, level: str = "privileged") -> Iterator[str]:
    """A namespace of a Pod Security level, deleted in the end."""
    labels = {"pod-security.kubernetes.io/enforce": level}
    api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    try:
        yield name
    finally:
        api.raw("DELETE", f"/api/v1/namespaces/{name}")


def make_release(cluster: Cluster, api: Api, opensearch: Pipe, name: str) -> Release:
    """A release in a namespace, not yet installed; its indices begin with the namespace's name."""
    pipeline = {
        "cluster": name,
        "opensearch": {"url": f"http://{opensearch.address}:{opensearch.port}"},
        "events": {"index": f"{name}-events", "lease": "fluent-sidecar"},
        "logs": {
            "index": f"{name}-logs",
            "multiline": ["java"],
            "redact": [{"name": "own-key", "pattern": "AKIA[0-9A-Z]{16}", "replace": "***"}],
        },
        "controlPlane": {"index": f"{name}-control"},
    }
    return Release(cluster, api, name, pipeline, image_values(cluster.image))


def image_values(image: str) -> Json:
    """The chart's values for an image by its whole name."""
    name, _, tag = image.rpartition(":")
    registry, slash, repository = name.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        registry, repository = "docker.io", name if "/" in name else f"library/{name}"
    return {"image": {"registry": registry, "repository": repository, "tag": tag}}


def sources(answers: Answers) -> list[Mapping[str, Any]]:
    """All documents below an index name."""
    return [hit["_source"] for hit in answers.documents()]

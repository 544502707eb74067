"""A pipeline under test: the sidecar and Fluent Bit as real processes, which may be killed and started again."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3
import yaml

from sidecar.config import Config, load
from sidecar.opensearch import connect
from sidecar.opensearch.query import documents, refresh
from sidecar.render import fields
from sidecar.render.indices import DEAD_LETTER, event_index_pattern, families, index_pattern
from sidecar.render.layout import Layout
from sidecar.render.templates import index_templates
from tests.support.process import Process
from tests.support.waiting import free_port, unique_name, wait_until

NODE = "no-such-node"
"""Whose pods the sidecar asks for: there are none."""


class Pipeline:
    """One pipeline.yaml with folders, ports and indices of its own.

    Args:
        folder: For everything that it writes.
        url: OpenSearch; None where its address is a parameter.
        kubeconfig: The API server.
        start_process: The fixture.
        more: Keys of pipeline.yaml that differ, section by section.
    """

    def __init__(
        self,
        folder: Path,
        *,
        url: str | None,
        kubeconfig: Path,
        start_process: Callable[..., Process],
        more: dict[str, Any] | None = None,
    ) -> None:
        self.index = unique_name("events")
        self.file = folder / "pipeline.yaml"
        self._seen = folder / "answers"
        content: dict[str, Any] = {
            "cluster": unique_name("cluster"),
            "opensearch": {"url": url} if url else {},
            "events": {"index": self.index, "lease": unique_name("sidecar")},
            "logs": {"index": unique_name("logs")},
            "controlPlane": {"index": unique_name("control-plane")},
            # Not the logs of the machine that the tests run on.
            "paths": {"logs": str(folder / "pods"), "state": str(folder / "state"), "run": str(folder / "run")},
            "agent": {"address": "127.0.0.1", "port": free_port()},
            "fluentbit": {"port": free_port()},
        }
        for section, values in (more or {}).items():
            content[section] = {**content.get(section, {}), **values} if isinstance(values, dict) else values
        self.file.write_text(yaml.safe_dump(content))
        self.config: Config = load(str(self.file))
        self._kubeconfig = kubeconfig
        self._start = start_process
        self._client = connect(self.config)

    @property
    def layout(self) -> Layout:
        return Layout.of(self.config)

    def start_sidecar(self, *options: str, env: dict[str, str] | None = None) -> Process:
        """`sidecar run`, once it has rendered."""
        command = [sys.executable, "-m", "sidecar", "run", "-c", self.file, "--kubeconfig", self._kubeconfig, *options]
        process: Process = self._start(command, name="sidecar", env={**(env or os.environ), "NODE_NAME": NODE})
        wait_until(lambda: self.get("/readyz") is not None, 30, lambda: f"the sidecar is ready; {process}")
        return process

    def start_fluent_bit(self, program: Path) -> Process:
        return self._start([program, "-c", self.layout.fluent_bit_file], name="fluent-bit")

    def get(self, path: str) -> str | None:
        """What the sidecar's own port answers; None while it doesn't."""
        try:
            answer = urllib3.request(
                "GET", f"http://127.0.0.1:{self.config.agent.port}{path}", retries=False, timeout=5
            )
        except urllib3.exceptions.HTTPError:
            return None
        if answer.status != 200:
            return None
        # Kept, so that what is looked for in all files is looked for here too.
        self._seen.mkdir(exist_ok=True)
        (self._seen / path.strip("/")).write_bytes(answer.data)
        return answer.data.decode()

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 while the sidecar doesn't answer."""
        lines = (self.get("/metrics") or "").splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)

    def documents(self, namespace: str) -> list[dict[str, Any]]:
        """What OpenSearch holds of a namespace, every document as often as it is there."""
        pattern = event_index_pattern(self.config.events)
        refresh(self._client, pattern)
        query = {"term": {"metadata.namespace": namespace}}
        return list(documents(self._client, pattern, query, order=fields.ID))

    def clean(self) -> None:
        """Remove its indices and index templates; what all pipelines share stays."""
        for family in families(self.config):
            self._client.request("DELETE", f"/{index_pattern(family)}")
        for name in index_templates(self.config).keys() - {DEAD_LETTER}:
            self._client.request("DELETE", f"/_index_template/{name}")

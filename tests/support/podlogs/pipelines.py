"""Fluent Bit configurations to compare: the bare minimum, the workshop's, and the one that is rendered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from sidecar.agent.node import Node
from sidecar.config import Config, load
from sidecar.opensearch import connect
from sidecar.opensearch.client import Client
from sidecar.render.fluentbit import HOST, PORT
from sidecar.render.layout import Layout
from tests.support.managing import put_in_place
from tests.support.podlogs.spec import Log

Json = dict[str, Any]
Patch = Callable[[Json], None]


def service(folder: Path, port: int) -> Json:
    """What every one needs to be asked how it is."""
    return {"flush": 1, "grace": 1, "log_level": "info", "http_server": True, "http_listen": "127.0.0.1",
            "http_port": port, "hot_reload": True, "hot_reload.ensure_thread_safety": False,
            "storage.path": str(folder / "chunks"), "storage.metrics": True}  # fmt: skip


def bare(paths: str, folder: Path, address: tuple[str, int], port: int, index: str) -> Json:
    """Read, join parts, send: no ids, no metadata, no position, nothing on disk.

    Args:
        paths: What `tail` reads.
        folder: Its own.
        address: The sink's or OpenSearch's.
        port: For its HTTP server.
        index: Name of the index.
    """
    host, number = address
    tail = {"name": "tail", "tag": "logs", "path": paths, "multiline.parser": "cri", "read_from_head": True,
            "refresh_interval": 1}  # fmt: skip
    output = {"name": "opensearch", "match": "*", "host": host, "port": number, "index": index,
              "suppress_type_name": True, "buffer_size": False}  # fmt: skip
    own = {key: value for key, value in service(folder, port).items() if not key.startswith("storage.")}
    return {"service": own, "pipeline": {"inputs": [tail], "outputs": [output]}}


def workshop(
    containers: Path, folder: Path, address: tuple[str, int], port: int, index: str, api: tuple[str, Path]
) -> Json:
    """What the users of the workshop come from: its own settings.

    Args:
        containers: The folder that stands for /var/log/containers.
        folder: Its own.
        address: The sink's or OpenSearch's.
        port: For its HTTP server.
        index: Name of the index.
        api: The API server's address, and the file with the token for it.
    """
    host, number = address
    tail = {"name": "tail", "tag": "kube.*", "path": f"{containers}/*.log", "multiline.parser": "docker, cri",
            "db": str(folder / "tail.db"), "mem_buf_limit": "5MB", "skip_long_lines": True, "refresh_interval": 10,
            "read_from_head": True}  # fmt: skip
    kubernetes = {"name": "kubernetes", "match": "kube.*", "merge_log": True, "merge_log_key": "data",
                  "keep_log": True, "k8s-logging.parser": True, "k8s-logging.exclude": True, "buffer_size": "32k",
                  "kube_url": api[0], "kube_token_file": str(api[1]),
                  "kube_tag_prefix": f"kube.{str(containers).strip('/').replace('/', '.')}."}  # fmt: skip
    output = {"name": "opensearch", "match": "*", "host": host, "port": number, "index": index,
              "suppress_type_name": True, "buffer_size": "5m", "generate_id": False, "replace_dots": False,
              "trace_error": True, "workers": 0}  # fmt: skip
    own = {key: value for key, value in service(folder, port).items() if not key.startswith("storage.")}
    return {"service": own, "pipeline": {"inputs": [tail], "filters": [kubernetes], "outputs": [output]}}


class Rendered:
    """The configuration that is rendered for a pipeline.yaml, put in place as the sidecar puts it.

    Args:
        folder: Its own.
        logs: The folder that stands for /var/log/pods.
        address: The sink's or OpenSearch's.
        port: For Fluent Bit's HTTP server.
        more: Keys of pipeline.yaml, section by section.
        patch: Changes what was rendered.
    """

    def __init__(
        self, folder: Path, logs: Path, address: tuple[str, int], port: int, more: Json, patch: Patch | None = None
    ) -> None:
        host, number = address
        content: Json = {
            "cluster": "bench",
            "opensearch": {"url": f"http://{host}:{number}", "version": "3.4"},
            "paths": {"logs": str(logs), "state": str(folder / "state"), "run": str(folder / "run")},
            "fluentbit": {"port": port},
        }
        for section, values in more.items():
            content[section] = {**content.get(section, {}), **values} if isinstance(values, dict) else values
        self.pipeline_file = folder / "pipeline.yaml"
        self.pipeline_file.write_text(yaml.safe_dump(content))
        self.config: Config = load(str(self.pipeline_file))
        self.layout = Layout.of(self.config)
        Node(self.config, connect(self.config).access).prepare()
        for name, value in ((HOST, host), (PORT, str(number))):
            (Path(self.layout.environment) / name).write_text(value)
        self.file = Path(self.layout.fluent_bit_file)
        if patch:
            rendered: Json = yaml.safe_load(self.file.read_text())
            patch(rendered)
            self.file.write_text(yaml.safe_dump(rendered, sort_keys=False))

    def apply(self, opensearch: str) -> None:
        """Put the index templates in place."""
        client = Client(opensearch)
        put_in_place(client, self.config)
        client.close()

    def clean(self, opensearch: str) -> None:
        """Remove the indices. Templates stay: other tests may use them at the same time."""
        client = Client(opensearch)
        client.request("DELETE", f"/{self.config.logs.index}*", params={"expand_wildcards": "all"})
        client.close()

    def write_pods(self, logs: list[Log]) -> None:
        """The table that the sidecar's watch on its node's pods makes."""
        rows = [
            "\t".join([log.uid, log.namespace, log.pod, "Deployment", log.pod.rpartition("-")[0], "-", "-",
                       "app=web", "app.kubernetes.io/part-of=shop", "pod-template-hash=7d4b9c6f5"])
            for log in logs
        ]  # fmt: skip
        file = Path(self.layout.pods_table)
        temporary = file.with_suffix(".tmp")
        temporary.write_text("\n".join(["# fluent-sidecar pods 1\t1\tnode-1", *dict.fromkeys(rows)]) + "\n")
        temporary.rename(file)


def write(content: Json, folder: Path) -> Path:
    """A configuration as a file."""
    file = folder / "fluent-bit.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file

"""Fluent Bit's own input for events, `kubernetes_events`: the nearest thing that a user would take instead."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubeapi import read_access
from tests.support.process import Process


def start_rival(
    program: Path, folder: Path, *, kubeconfig: Path, url: str, index: str, start: Callable[..., Process]
) -> Process:
    """Start it, with the id that its users give: uid and resourceVersion can't be joined in C.

    Args:
        program: fluent-bit.
        folder: For its files; made.
        kubeconfig: Of the API server; has a token.
        url: OpenSearch, http.
        index: Where the events go.
        start: Takes a command and `name`.
    """
    file = folder / "fluent-bit.yaml"
    content = rival(folder, kubeconfig=kubeconfig, url=url, index=index)
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return start([program, "-c", file], name="rival")


def rival(folder: Path, *, kubeconfig: Path, url: str, index: str) -> dict[str, Any]:
    """Its configuration; `folder` is made, and gets the credentials."""
    folder.mkdir(parents=True)
    access = read_access(kubeconfig)
    token, authority = folder / "token", folder / "ca.crt"
    token.touch(0o600)
    token.write_text(access.token)
    authority.write_text(access.ca)
    host, _, port = url.removeprefix("http://").rpartition(":")
    return {
        "service": {"flush": 1, "grace": 1},
        "pipeline": {
            "inputs": [
                {
                    "name": "kubernetes_events",
                    "tag": "events",
                    "kube_url": access.server,
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

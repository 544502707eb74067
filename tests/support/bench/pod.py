"""Runs `sidecar` as it is in a pod: `pod FOLDER ARGUMENT...`, with the service account's files in FOLDER.

It finds the API server by the environment, without the official client, which takes memory and time that no pod pays.
It imports next to nothing: its memory is measured.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.process import Process

_SKIPPED = "--kubeconfig"


def write_service_account(folder: Path, *, token: str, ca: str) -> None:
    """What the kubelet mounts."""
    folder.mkdir(parents=True)
    for name, text in (("token", token), ("ca.crt", ca), ("namespace", "default")):
        (folder / name).touch(0o600)
        (folder / name).write_text(text)


def in_pod(start: "Callable[..., Process]", folder: Path, url: str) -> "Callable[..., Process]":
    """Starts processes as `start` does, but a sidecar as a pod would.

    Args:
        start: Takes a command, `name` and `env`.
        folder: Of the service account.
        url: The API server's, https.
    """
    host, _, port = url.removeprefix("https://").rpartition(":")

    def begin(command: Sequence[Any], *, name: str, env: "dict[str, str] | None" = None) -> "Process":
        words = list(command)
        if words[1:3] == ["-m", "sidecar"]:
            at = words.index(_SKIPPED)
            words = [words[0], "-m", "tests.support.bench.pod", folder, *words[3:at], *words[at + 2 :]]
            env = {key: value for key, value in (env or os.environ).items() if key != "KUBECONFIG"}
            env |= {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        return start(words, name=name, env=env)

    return begin


if __name__ == "__main__":
    from sidecar.cli import main
    from sidecar.kube import inpod

    inpod.FOLDER = Path(sys.argv.pop(1))
    sys.argv[0] = "sidecar"
    main()

"""OpenSearch in a Docker container, for a demonstration."""

import secrets
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType

from sidecar.dev.parts import Part, Progress, hold, wait_until_healthy
from sidecar.errors import DemoError

IMAGE = "opensearchproject/opensearch:3.4.0"
HTTP_PORT = 9200  # in the container

# A node of its own without users and passwords; it is published on this machine's loopback address only.
ENVIRONMENT = MappingProxyType(
    {
        "discovery.type": "single-node",
        "DISABLE_SECURITY_PLUGIN": "true",
        "DISABLE_INSTALL_DEMO_CONFIG": "true",
        "DISABLE_PERFORMANCE_ANALYZER_AGENT_CLI": "true",
        # No block on writing because the machine's disk is rather full.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
)


def has_docker() -> bool:
    """Whether there is a Docker engine that answers; the command alone does not do."""
    if not shutil.which("docker"):
        return False
    try:
        return _run("version", "--format", "{{.Server.Version}}", seconds=10).returncode == 0
    except DemoError:
        return False


def docker_opensearch(
    *,
    progress: Progress,
    port: int | None = None,
    heap: str = "512m",
    settings: Mapping[str, str] = MappingProxyType({}),
    keep: bool = False,
) -> AbstractContextManager[Part]:
    """A single node in a container, which is removed when the block is left or this process is killed.

    Args:
        progress: Told what happens.
        port: Where it answers on 127.0.0.1; a free one if None.
        heap: Memory for Java, e.g. "512m"; the container takes about twice that.
        settings: More settings of OpenSearch.
        keep: Leave it running.

    Raises:
        DemoError: No Docker, no image, or OpenSearch does not start.
    """
    container = f"fluent-sidecar-opensearch-{secrets.token_hex(4)}"
    environment = {**ENVIRONMENT, "OPENSEARCH_JAVA_OPTS": f"-Xms{heap} -Xmx{heap}", **settings}

    def start() -> Part:
        _pull(progress)
        _docker(*run_arguments(container, port, environment))
        url = wait_until_healthy(
            lambda: published_url(_run("port", container, str(HTTP_PORT)).stdout),
            name="OpenSearch in Docker",
            lives=lambda: _run("inspect", "--format", "{{.State.Running}}", container).stdout.strip() == "true",
            log=lambda: _run("logs", "--tail", "200", container).stdout,
            progress=progress,
        )
        return Part("OpenSearch", f"{IMAGE} in Docker", url, f"docker rm --force --volumes {container}" if keep else "")

    return hold(
        start,
        stop=lambda: _remove(container),
        last_will=["docker", "rm", "--force", "--volumes", container],
        keep=keep,
    )


def run_arguments(container: str, port: int | None, environment: Mapping[str, str]) -> list[str]:
    """What `docker` is to do to start a container; `port` None lets it choose."""
    arguments = ["run", "--detach", "--pull", "never", "--name", container]
    arguments += ["--publish", f"127.0.0.1:{port or ''}:{HTTP_PORT}"]
    for key, value in environment.items():
        arguments += ["--env", f"{key}={value}"]
    return [*arguments, IMAGE]


def published_url(answer: str) -> str | None:
    """The URL for what `docker port` says, e.g. "127.0.0.1:32768"; None if it is not published (any more)."""
    address, _, port = answer.strip().partition("\n")[0].rpartition(":")
    return f"http://{address}:{port}" if address and port.isdecimal() else None


def _pull(progress: Progress) -> None:
    if _run("image", "inspect", IMAGE).returncode:
        progress(f"Docker pulls {IMAGE}, about 1 GB", None)
        _docker("pull", "--quiet", IMAGE, seconds=1800)


def _docker(*arguments: str, seconds: float = 120) -> None:
    done = _run(*arguments, seconds=seconds)
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["it said nothing"])[-1]
        raise DemoError(f"docker {arguments[0]} failed: {last}", hint="docker info shows whether the engine works")


def _remove(container: str) -> None:
    # A failed start may have left no container: nothing to say then.
    _run("rm", "--force", "--volumes", container)


def _run(*arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run docker; its errors are part of `stdout`, in their place among the rest."""
    try:
        return subprocess.run(  # noqa: S603 - the arguments are ours
            ["docker", *arguments],  # noqa: S607 - docker is the one that the user has
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        raise DemoError("docker can't be run", hint="install Docker and start its engine") from error
    except subprocess.TimeoutExpired as error:
        raise DemoError(f"docker {arguments[0]} took more than {seconds:.0f} s", hint="is its engine well?") from error

"""The cluster of a demonstration: a recording of a real one, a context of the user's, or kind."""

import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sidecar.dev.parts import Progress
from sidecar.dev.recording import load
from sidecar.dev.replay import replay_server
from sidecar.errors import DemoError

NAMESPACE = "test"
WORKLOADS = ("scenario-a", "scenario-b", "scenario-c")
_FIX_SECONDS = 180


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Args:
        description: What was taken, in one line.
        access: Options of `sidecar run` and kubectl that lead to it.
        play: Lets the three scenarios fail, and fixes them. Told how many are seen open and resolved, it knows when to
            go on; returns how many documents must arrive at least, or None where nobody can know.
    """

    description: str
    access: tuple[str, ...]
    play: Callable[[Callable[[], tuple[int, int]]], int | None]


def open_cluster(
    choice: str | None, *, folder: Path, scenarios: Path, progress: Progress
) -> AbstractContextManager[Cluster]:
    """The cluster that the user chose.

    Args:
        choice: None for the recording, "kind", or a context of the user's kubeconfig.
        folder: For files of its own.
        scenarios: The folder with base/ and fix/.
        progress: Told what happens.

    Raises:
        DemoError: It can't be had; also when the block is entered.
    """
    if choice is None:
        return _recording(folder, progress)
    if choice == "kind":
        return _kind(folder, scenarios, progress)
    return _context(choice, scenarios, progress)


@contextmanager
def _recording(folder: Path, progress: Progress) -> Iterator[Cluster]:
    recording = load()
    server = recording.header.server.get("gitVersion", "")
    with replay_server(recording, now=datetime.now(UTC)) as replay:

        def play(_seen: Callable[[], tuple[int, int]]) -> int:
            progress("the recorded cluster plays its events", None)
            if not replay.finished.wait(60):
                raise DemoError("the recording was not watched to its end", hint="the sidecar's log says why")
            return replay.total

        text = f"recording of a Kubernetes {server}, played faster, times moved to now"
        yield Cluster(text, ("--kubeconfig", str(replay.kubeconfig(folder / "kubeconfig"))), play)


@contextmanager
def _context(context: str, scenarios: Path, progress: Progress) -> Iterator[Cluster]:
    access = ("--context", context)
    version = json.loads(_run("kubectl", *access, "get", "--raw", "/version")).get("gitVersion", "")
    with _scenarios(access, scenarios, progress) as play:
        yield Cluster(f"context {context}, Kubernetes {version}", access, play)


@contextmanager
def _kind(folder: Path, scenarios: Path, progress: Progress) -> Iterator[Cluster]:
    name = f"fluent-sidecar-{secrets.token_hex(3)}"
    kubeconfig = folder / "kubeconfig"
    progress(f"kind creates the cluster {name}", None)
    try:
        _run(
            "kind", "create", "cluster", "--name", name, "--kubeconfig", str(kubeconfig), "--wait", "120s", seconds=600
        )
        access = ("--kubeconfig", str(kubeconfig))
        with _scenarios(access, scenarios, progress) as play:
            yield Cluster(f"kind cluster {name}", access, play)
    finally:
        progress(f"kind deletes the cluster {name}", None)
        _run("kind", "delete", "cluster", "--name", name, seconds=120)


@contextmanager
def _scenarios(
    access: tuple[str, ...], scenarios: Path, progress: Progress
) -> Iterator[Callable[[Callable[[], tuple[int, int]]], int | None]]:
    """Applies the scenarios to a real cluster, and takes their namespace away in the end."""

    def kubectl(*arguments: str) -> str:
        return _run("kubectl", *access, *arguments, seconds=180)

    def play(seen: Callable[[], tuple[int, int]]) -> None:
        kubectl("apply", "-k", str(scenarios / "base"))
        _wait(lambda: seen()[0] >= len(WORKLOADS), "the three scenarios fail", progress)
        kubectl("apply", "-k", str(scenarios / "fix"))
        _wait(lambda: seen()[1] >= len(WORKLOADS), "the three scenarios recover", progress)

    if kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name").strip():
        raise DemoError(
            f"the cluster has a namespace {NAMESPACE} already",
            hint="the scenarios need it; delete it if it is one of theirs",
        )
    try:
        yield play
    finally:
        progress(f"the namespace {NAMESPACE} is deleted", None)
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def _wait(done: Callable[[], bool], what: str, progress: Progress) -> None:
    begun = time.monotonic()
    while not done():
        waited = time.monotonic() - begun
        if waited > _FIX_SECONDS:
            raise DemoError(
                f"after {_FIX_SECONDS} s it is not so: {what}", hint=f"kubectl get events -n {NAMESPACE} shows why"
            )
        progress(f"{what}: {waited:.0f} s", None)
        time.sleep(2)


def _run(*command: str, seconds: float = 60) -> str:
    if not shutil.which(command[0]):
        raise DemoError(f"{command[0]} is not on PATH", hint=f"install {command[0]}, or leave out --cluster")
    try:
        done = subprocess.run(  # noqa: S603 - the commands are ours
            command, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DemoError(f"{' '.join(command[:3])} took more than {seconds:.0f} s") from error
    if done.returncode:
        raise DemoError(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-300:]}")
    return done.stdout

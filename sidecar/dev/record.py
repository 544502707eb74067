"""Records how the scenarios fail and are mended on a real cluster: `python -m sidecar.dev.record -o FILE`.

It applies examples/scenarios/base to the cluster of the current kubeconfig context, waits until every failure shows,
applies fix, waits until all three Deployments run, and writes what the API server answered to one LIST and one WATCH
of Events meanwhile (see `sidecar.dev.recording`). It needs `kubectl`, and deletes the namespace in the end.
"""

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sidecar.dev.recording import Header, Json, Recording, WatchLine, dump, parse
from sidecar.errors import DemoError, KubernetesError, SidecarError

SCENARIO_NAMESPACE = "test"
SCENARIO_IMAGE = "nginx"
STRIPPED = "reportingInstance: the machine's name after the component's, where it is not a node's"
DEPLOYMENTS = ("scenario-a", "scenario-b", "scenario-c")
# What has to be seen of each Deployment before it is mended: its name, the reason, and a part of the message.
SYMPTOMS = (
    ("scenario-a", "FailedMount", "misspelt-secret-name"),
    ("scenario-b", "Failed", "Failed to pull image"),
    ("scenario-b", "Failed", "ErrImagePull"),
    ("scenario-b", "Failed", "ImagePullBackOff"),
    ("scenario-b", "BackOff", "Back-off pulling image"),
    ("scenario-c", "FailedScheduling", "Insufficient cpu"),
)


class Kubectl:
    """The `kubectl` on PATH, with one context."""

    def __init__(self, context: str | None) -> None:
        program = shutil.which("kubectl")
        if program is None:
            raise DemoError("kubectl is not on PATH", hint="install it: it applies the scenarios")
        self._argv = [program, *(["--context", context] if context else [])]

    def run(self, *argv: str, timeout: float = 120) -> str:
        """Runs one command to its end; its standard output.

        Raises:
            KubernetesError: It failed; with the last line that it said.
        """
        done = subprocess.run(  # noqa: S603 - the arguments are ours
            [*self._argv, *argv], capture_output=True, text=True, check=False, timeout=timeout
        )
        if done.returncode:
            said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
            raise KubernetesError(f"kubectl {' '.join(argv)}: {said}", hint="try the same command by hand")
        return done.stdout

    def get(self, path: str) -> Json:
        """The answer of the API server to a GET of `path`."""
        answer: Json = json.loads(self.run("get", "--raw", path))
        return answer

    def stream(self, path: str) -> subprocess.Popen[str]:
        """A GET of `path` whose answer is read while it comes."""
        argv = [*self._argv, "get", "--raw", path]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)  # noqa: S603 - the arguments are ours


class Watch:
    """Collects the lines of a WATCH, each with its seconds since `began` (monotonic)."""

    def __init__(self, process: subprocess.Popen[str], began: float) -> None:
        self._process = process
        self._began = began
        self.lines: list[WatchLine] = []
        self.odd: list[str] = []
        self._thread = threading.Thread(target=self._read, name="watch", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            at = round(time.monotonic() - self._began, 3)
            row = json.loads(text)
            if row["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                self.lines.append(WatchLine(at, row["type"], row["object"]))
            else:
                self.odd.append(text.strip())

    def check(self) -> None:
        """Raises a KubernetesError when the stream has ended or said that something is wrong."""
        if self.odd or not self._thread.is_alive():
            raise KubernetesError(f"the watch ended: {self.odd or 'without a word'}", hint="record once more")

    def close(self) -> None:
        """Ends the stream."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def shown(lines: Sequence[WatchLine]) -> set[tuple[str, str, str]]:
    """The symptoms that can be seen in `lines`."""
    return {
        (name, reason, part)
        for name, reason, part in SYMPTOMS
        for event in (line.object for line in lines)
        if event["reason"] == reason
        and part in event["message"]
        and event["involvedObject"]["name"].startswith(f"{name}-")
    }


def wait_for(what: str, done: Callable[[], bool], watch: Watch, timeout: float) -> None:
    """Waits until `done`, while the watch lives."""
    deadline = time.monotonic() + timeout
    while not done():
        watch.check()
        if time.monotonic() > deadline:
            raise KubernetesError(f"{what}: not after {timeout:.0f} s", hint="see kubectl describe pods -n test")
        time.sleep(0.2)


def without_machine(event: Json, nodes: frozenset[str]) -> Json:
    """The Event without the name of the machine that its writer runs on, unless that is a node's."""
    component = event.get("reportingComponent", "")
    machine = event.get("reportingInstance", "").removeprefix(f"{component}-")
    if machine in nodes or machine == event.get("reportingInstance", ""):
        return event
    return event | {"reportingInstance": component}


@contextmanager
def manifests(scenarios: Path, image: str | None) -> Iterator[tuple[Path, Path]]:
    """The folders to apply: `base` and `fix`, with `image` instead of nginx where it is given."""
    if image is None:
        yield scenarios / "base", scenarios / "fix"
        return
    name, _, tag = image.rpartition(":")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(scenarios, folder, dirs_exist_ok=True)
        for step in ("base", "fix"):
            overlay = Path(folder, f"own-{step}")
            overlay.mkdir()
            images = [{"name": SCENARIO_IMAGE, "newName": name, "newTag": tag}]
            # kustomize reads JSON: it is YAML.
            content = json.dumps({"resources": [f"../{step}"], "images": images})
            (overlay / "kustomization.yaml").write_text(content, encoding="utf-8")
        yield Path(folder, "own-base"), Path(folder, "own-fix")


def record(kubectl: Kubectl, *, path: str, folders: tuple[Path, Path], failing: float, timeout: float) -> Recording:
    """Lists, watches, applies, waits, mends, waits; the namespace of the scenarios must not exist before.

    Args:
        kubectl: The cluster.
        path: The API path of the Events to record.
        folders: The kustomizations that break, and that mend.
        failing: For how many seconds the scenarios fail at least.
        timeout: For how many seconds each step may take at most.

    Raises:
        KubernetesError: A step failed, or took too long.
    """
    base, fix = folders
    server = kubectl.get("/version")
    recorded = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    listed = kubectl.get(path)
    began = time.monotonic()
    marks: dict[str, float] = {}

    def mark(name: str) -> None:
        marks[name] = round(time.monotonic() - began, 3)

    start = f"{path}?watch=true&resourceVersion={listed['metadata']['resourceVersion']}&timeoutSeconds=1800"
    watch = Watch(kubectl.stream(start), began)
    try:
        kubectl.run("apply", "-k", str(base))
        mark("applied")
        wait_for("every failure shows", lambda: shown(watch.lines) == set(SYMPTOMS), watch, timeout)
        wait_for("the failures last", lambda: time.monotonic() - began > failing, watch, failing + 1)
        mark("fixed")
        kubectl.run("apply", "-k", str(fix))
        for name in DEPLOYMENTS:
            patience = ["--timeout", f"{timeout:.0f}s"]
            kubectl.run(
                "rollout", "status", f"deployment/{name}", "-n", SCENARIO_NAMESPACE, *patience, timeout=2 * timeout
            )
        mark("running")
        quiet = 10.0
        wait_for("quiet", lambda: time.monotonic() - began - watch.lines[-1].at > quiet, watch, timeout)
    finally:
        watch.close()
    nodes = frozenset(item["metadata"]["name"] for item in kubectl.get("/api/v1/nodes")["items"])
    return Recording(
        Header(recorded, server, path, (STRIPPED,)),
        listed | {"items": [without_machine(item, nodes) for item in listed["items"]]},
        tuple(dataclasses.replace(line, object=without_machine(line.object, nodes)) for line in watch.lines),
        marks,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sidecar.dev.record", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the file to write")
    parser.add_argument("--context", help="of the kubeconfig; default: the current one")
    parser.add_argument("--namespace", help="whose Events are recorded; default: those of all")
    parser.add_argument("--scenarios", type=Path, default=Path("examples/scenarios"), help="the folder of base and fix")
    parser.add_argument("--image", help="NAME:TAG instead of nginx, for a cluster that can't pull it")
    parser.add_argument("--failing", type=float, default=75, help="seconds to fail at least (default: 75)")
    parser.add_argument("--timeout", type=float, default=300, help="seconds a step may take (default: 300)")
    options = parser.parse_args(arguments)
    path = f"/api/v1/namespaces/{options.namespace}/events" if options.namespace else "/api/v1/events"
    try:
        kubectl = Kubectl(options.context)
        if kubectl.run("get", "namespace", SCENARIO_NAMESPACE, "--ignore-not-found"):
            raise KubernetesError("the namespace test exists", hint="delete it first: kubectl delete namespace test")
        try:
            with manifests(options.scenarios, options.image) as folders:
                recording = record(
                    kubectl, path=path, folders=folders, failing=options.failing, timeout=options.timeout
                )
        finally:
            kubectl.run("delete", "namespace", SCENARIO_NAMESPACE, "--ignore-not-found", timeout=300)
        content = dump(recording)
        parse(content, str(options.output))
        options.output.write_bytes(content)
    except SidecarError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{options.output}: {len(recording.lines)} lines in {recording.seconds:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

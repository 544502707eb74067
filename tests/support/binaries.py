"""etcd and kube-apiserver, built once from Go modules and kept in the user's cache folder."""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.support.process import run

MODULE = Path(__file__).parents[1] / "apiserver"

# On one slow core, with nothing in Go's own cache.
_BUILD_TIMEOUT = 3600

_PACKAGES = {"etcd": "go.etcd.io/etcd/server/v3", "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver"}


class GoMissing(Exception):  # noqa: N818 - it is a state, and reads better so
    """Neither the programs are in the cache, nor is there a `go` to build them."""


@dataclass(frozen=True)
class Binaries:
    """The programs, and the version of Kubernetes that they are."""

    etcd: Path
    kube_apiserver: Path
    version: str


def cache_folder(module: Path = MODULE) -> Path:
    """Where what is built from this go.mod and go.sum is kept."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((module / name).read_bytes())
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "fluent-sidecar" / "apiserver" / digest.hexdigest()[:16]


def kubernetes_version(go_mod: str) -> str:
    """The version of Kubernetes that a go.mod asks for, as `v1.35.4`."""
    found = re.search(r"^\s*(?:require\s+)?k8s\.io/kubernetes (v\S+)", go_mod, re.MULTILINE)
    assert found, "go.mod doesn't require k8s.io/kubernetes"
    return found[1]


def build(progress: Callable[[str], None]) -> Binaries:
    """The programs from the cache; built first where it lacks them, which takes 10 minutes on 2 cores.

    Args:
        progress: Told what is being done, several times a second; what it raises ends the build.

    Raises:
        GoMissing: They have to be built, and there is no `go` on PATH.
        AssertionError: The build failed; with the end of its output.
    """
    folder = cache_folder()
    version = kubernetes_version((MODULE / "go.mod").read_text())
    paths = {name: folder / name for name in _PACKAGES}
    if not all(path.exists() for path in paths.values()):
        go = shutil.which("go")
        if not go:
            raise GoMissing
        with _locked(folder / ".lock"):
            for name, path in paths.items():
                if not path.exists():  # another session may have built it meanwhile
                    doing = f"building {name} for Kubernetes {version} (once; minutes)"
                    _build_one(go, _PACKAGES[name], path, version, partial(progress, doing))
    return Binaries(paths["etcd"], paths["kube-apiserver"], version)


def _build_one(go: str, package: str, path: Path, version: str, tick: Callable[[], None]) -> None:
    """Build one program, so that it is there whole or not at all."""
    fresh = path.with_name(f".{path.name}")
    major, minor = version.removeprefix("v").split(".")[:2]
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = ["-s", "-w", *(f"-X=k8s.io/component-base/version.{key}={value}" for key, value in stamps.items())]
    run(
        [go, "build", "-trimpath", f"-ldflags={' '.join(flags)}", "-o", fresh, package],
        log=path.with_suffix(".build.log"),
        timeout=_BUILD_TIMEOUT,
        cwd=MODULE,
        tick=tick,
        CGO_ENABLED="0",
        GOWORK="off",
    )
    fresh.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that other sessions respect; it goes with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

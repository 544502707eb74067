import fnmatch
import re
from pathlib import Path

import pytest

from sidecar.config import loads
from sidecar.config.model import Config
from sidecar.render.logpaths import exclude_paths, include_paths, wanted

NAMES = [
    (namespace, pod, container)
    for namespace in ("shop", "shop-b", "kube-system")
    for pod in ("web-1", "api-2", "shop")
    for container in ("app", "proxy", "shop")
]


def config(folder: Path, logs: str) -> Config:
    return loads(
        f"cluster: c1\nopensearch: {{url: http://localhost:9200}}\nlogs: {logs}\npaths: {{logs: {folder}/a_b/pods}}\n"
    )


def excluded(patterns: list[str], path: str) -> bool:
    # fnmatch(3) with flags 0: its `*` matches a slash, as Python's does.
    return any(re.match(fnmatch.translate(pattern), path) for pattern in patterns)


@pytest.mark.parametrize(
    "logs",
    [
        "{}",
        "{include: {namespaces: [shop]}}",
        "{include: {namespaces: ['shop*', kube-system], pods: ['*-1', shop]}}",
        "{exclude: {namespaces: ['*-system']}}",
        "{exclude: {pods: [shop], containers: ['pro*']}}",
        "{exclude: {containers: [shop]}, include: {containers: [shop, app]}}",
        "{include: {namespaces: [shop]}, exclude: {namespaces: [shop]}}",
        "{include: {pods: ['s*p']}, exclude: {namespaces: ['*b']}}",
        "{include: {labels: {app: x}}, exclude: {labels: {app: y}}}",
    ],
)
def test_wildcards_and_function_agree(tmp_path: Path, logs: str) -> None:
    made = config(tmp_path, logs)
    root = Path(made.paths.logs)
    files = ["0.log", "0.log.20261122-100000", "0.log.20261122-090000.gz", "0.log.20261122-090000.gz.tmp", "x.txt"]
    for namespace, pod, container in NAMES:
        folder = root / f"{namespace}_{pod}_0b5ad" / container
        folder.mkdir(parents=True)
        for name in files:
            (folder / name).touch()

    read = {str(path) for pattern in include_paths(made) for path in Path("/").glob(pattern.lstrip("/"))}
    read = {path for path in read if not excluded(exclude_paths(made), path)}
    every = {str(path.relative_to(root)) for path in root.glob("*/*/*")}
    chosen = {str(root / path) for path in every if wanted(made)(path)}

    assert {path for path in chosen if not path.endswith(".gz")} == read
    packed = {path.replace("100000", "090000") + ".gz" for path in read if "1000" in path}
    assert {path for path in chosen if path.endswith(".gz")} == packed


@pytest.mark.parametrize("path", ["a/b/0.log", "a_b/c/0.log", "a_b_c_d/c/0.log", "a_b_c/0.log", "a_b_c/d/e/0.log", ""])
def test_what_is_laid_out_otherwise_is_not_wanted(tmp_path: Path, path: str) -> None:
    assert not wanted(config(tmp_path, "{}"))(path)

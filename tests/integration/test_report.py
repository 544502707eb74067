"""`sidecar report` as a user calls it, from documents in a real OpenSearch."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.config import Config, loads
from sidecar.opensearch import connect
from sidecar.opensearch.codec import dumps
from tests.support.samples import sample_documents
from tests.support.search import Answers
from tests.support.waiting import unique_name


@pytest.fixture(scope="module")
def pipeline(opensearch_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A pipeline.yaml, what it means in OpenSearch, and the sample documents of a cluster there."""
    name = unique_name("report")
    file = tmp_path_factory.mktemp("report") / "pipeline.yaml"
    # The dead letters of all tests are in one index: a cluster of its own tells ours.
    file.write_text(
        f"cluster: {name}\nopensearch: {{url: '{opensearch_url}'}}\nevents: {{index: {name}-e}}\n"
        f"logs: {{index: {name}-l}}\ncontrolPlane: {{index: {name}-c}}\n"
    )
    with Answers(opensearch_url, name):
        done = sidecar("apply", "-c", str(file))
        assert done.returncode == 0, done.stderr
        fill(loads(file.read_text()))
        yield file


def fill(config: Config) -> None:
    lines: list[bytes] = []
    for document in sample_documents(config):
        lines += [dumps({"create": {"_index": document.index, "_id": f"{config.cluster}/{document.id}"}})]
        lines += [document.source.rstrip(b"\n")]
    answer = connect(config).request("POST", "/_bulk", b"\n".join([*lines, b""]), params={"refresh": "true"})
    assert not answer["errors"], answer


def sidecar(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sidecar", *words]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_all_that_is_known_is_on_the_page(pipeline: Path, tmp_path: Path) -> None:
    done = sidecar("report", "-c", str(pipeline), "--since", "1h", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "report.html: problems: 1 open, 3 resolved; events: 105, 39 of them warnings; " in done.stdout
    assert "logs: 13 lines, 2 of them errors" in done.stdout
    assert (tmp_path / "report.html").as_uri() in done.stdout
    html = (tmp_path / "report.html").read_text()
    for told in (
        "secret &#34;misspelt-secret-name&#34; not found",
        "Started pod/scenario-a-",
        "Gap: ",
        "deployment/<wbr><bdi>web</bdi>",
        "control plane/<wbr><bdi>kube-apiserver</bdi>",
        "mapper_parsing_exception",
        "as pipeline.yaml says",
        "half of the newest 6 lines waited",
    ):
        assert told in html
    assert "Not known:" not in html


def test_one_namespace_is_alone(pipeline: Path) -> None:
    done = sidecar("report", "-c", str(pipeline), "--since", "1h", "-n", "shop", "-o", "-")

    assert done.returncode == 0, done.stderr
    assert "namespace <strong>shop</strong>" in done.stdout
    assert "deployment/<wbr><bdi>web</bdi>" in done.stdout
    assert "deployment/<wbr><bdi>api</bdi>" not in done.stdout
    assert "No event in this window" not in done.stdout, "a gap is one of the whole cluster"
    assert "No workload failed in this window" in done.stdout


def test_a_window_with_nothing_says_where_it_looked_and_what_there_is(pipeline: Path) -> None:
    done = sidecar("report", "-c", str(pipeline), "--since", "30d", "--until", "29d", "-o", "-")

    assert done.returncode == 0, done.stderr
    assert "OpenSearch has neither events nor log lines of this cluster in this window" in done.stdout
    assert "The newest document of the cluster is of <time" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--since", "yesterday"], "--since 'yesterday' is no time"),
        (["--since", "2100-01-01"], "--since 2100-01-01 is not in the past"),
        (["-n", "shop", "-A"], "-n and -A don't go together"),
        (["-o", "/"], "-o wants a file, and '/' is none."),
    ],
)
def test_what_can_not_be_meant_is_refused(pipeline: Path, words: list[str], told: str) -> None:
    done = sidecar("report", "-c", str(pipeline), *words)

    assert done.returncode == 2
    assert told in done.stderr

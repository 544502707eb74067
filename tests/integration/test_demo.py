"""`sidecar demo` as a user starts it: a recording of a real cluster, real OpenSearch, and Fluent Bit if it is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def _demo(folder: Path, *options: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    (folder / "here").mkdir(exist_ok=True)
    env = {**os.environ, "COLUMNS": "100", "TMPDIR": str(folder), **({"PATH": path} if path else {})}
    command = [sys.executable, "-m", "sidecar", "demo", *options]
    return subprocess.run(
        command, cwd=folder / "here", env=env, capture_output=True, text=True, timeout=150, check=False
    )


def test_it_shows_what_failed_and_when_it_was_over_and_leaves_nothing_but_a_report(
    tmp_path: Path, opensearch_url: str, fluent_bit: Path
) -> None:
    done = _demo(tmp_path, "--opensearch", opensearch_url)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "on PATH" in done.stdout, f"{fluent_bit} was not taken"
    assert "OpenSearch holds 105 events of 105 owed, 0 of them twice" in done.stdout
    for workload, reason in (("a", "FailedMount"), ("b", "Failed, BackOff"), ("c", "FailedScheduling")):
        assert f"test/scenario-{workload} (Deployment)  {reason}, seen" in done.stdout
    assert done.stdout.count("resolved ") == 3
    assert 'secret "misspelt-secret-name" not found' in done.stdout
    assert "demo --keep" in done.stdout
    page = tmp_path / "here" / "fluent-sidecar-report.html"
    assert page.as_uri() in done.stdout
    assert page.read_text().count('<article class="problem resolved">') == 3
    assert _left(tmp_path) == [page]


def test_without_fluent_bit_it_says_so_and_delivers_all_the_same(tmp_path: Path, opensearch_url: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "kill"):
        (tools / name).symlink_to(f"/bin/{name}")

    done = _demo(tmp_path, "--opensearch", opensearch_url, path=str(tools))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "none: no fluent-bit" in done.stdout
    assert "OpenSearch holds 105 events of 105 owed, 0 of them twice" in done.stdout


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--opensearch", "http://127.0.0.1:1"], "127.0.0.1:1"),
        (["--opensearch", "elastic"], "no such OpenSearch: 'elastic'"),
    ],
)
def test_a_part_that_can_not_be_had_is_named(tmp_path: Path, options: list[str], text: str) -> None:
    done = _demo(tmp_path, *options)

    assert done.returncode == 1
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert _left(tmp_path) == []


def test_a_file_that_is_no_report_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("mine")

    done = _demo(tmp_path, "--report", str(tmp_path / "mine.html"))

    assert done.returncode == 1
    assert "mine.html is there already, and is no report" in done.stderr
    assert _left(tmp_path) == [tmp_path / "mine.html"]


def _left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]

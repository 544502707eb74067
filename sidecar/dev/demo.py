"""`sidecar demo`: the main job from end to end, on parts that it starts itself or is given."""

import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from sidecar.agent.ports import free_ports
from sidecar.config import Config, load
from sidecar.dev.cluster import NAMESPACE, WORKLOADS, Cluster, open_cluster
from sidecar.dev.fluent_bit import FluentBitChoice, choose_fluent_bit, running_fluent_bit
from sidecar.dev.opensearch import open_opensearch
from sidecar.dev.parts import Part, Progress, log_end, running
from sidecar.errors import DemoError, OpenSearchError
from sidecar.events.gap import KIND
from sidecar.events.problems import Problem, problems
from sidecar.opensearch import Client, connect
from sidecar.opensearch.query import counts_by_index, documents, refresh
from sidecar.render import fields
from sidecar.render.indices import event_index_pattern
from sidecar.render.layout import Layout
from sidecar.report.file import check, write
from sidecar.report.make import make
from sidecar.report.page import page as render_page

_FOLDERS = (Path(__file__).parent / "scenarios", Path(__file__).parents[2] / "examples" / "scenarios")
SCENARIOS = next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[-1])
"""Part of an installed package; in a checkout they are an example."""
CLUSTER = "demo"
_ARRIVAL_SECONDS = 60
_START_SECONDS = 30
_MARGIN = timedelta(seconds=20)
_TITLE = "The demonstration: three workloads fail, and are mended"


@dataclass(frozen=True)
class Taken:
    """Which part was taken for what, in words."""

    opensearch: Part
    cluster: str
    fluent_bit: str


@dataclass(frozen=True)
class Report:
    """What OpenSearch holds in the end."""

    taken: Taken
    seconds: float
    events: int
    twice: int
    by_reason: list[tuple[str, str, int]]
    """Type, reason and documents, most first."""
    by_index: dict[str, int]
    problems: list[Problem]
    kept_folder: Path | None
    page: Path
    """The report as a file to open in a browser."""
    expected: int | None = field(default=None)
    """How many events there must be; None where nobody can know."""


def demo(
    *,
    opensearch: str | None,
    cluster: str | None,
    page: Path,
    keep: bool,
    progress: Progress,
    announce: Callable[[Taken], None],
) -> Report:
    """Run the demonstration.

    Args:
        opensearch: See `open_opensearch`.
        cluster: See `open_cluster`.
        page: Where the report goes, which stays; an earlier one is replaced, and nothing else.
        keep: Leave OpenSearch and the folder.
        progress: Told what happens.
        announce: Told which parts were taken, before anything is sent.

    Raises:
        DemoError: A part can't be had, or what was sent did not arrive.
        RenderError: The report can't be written there.
    """
    check(page)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="fluent-sidecar-demo-"))
    server: Part | None = None
    try:
        with ExitStack() as parts:
            server = parts.enter_context(open_opensearch(opensearch, progress=progress, keep=keep))
            source = parts.enter_context(open_cluster(cluster, folder=folder, scenarios=SCENARIOS, progress=progress))
            fluent_bit = choose_fluent_bit(folder)
            taken = Taken(server, source.description, fluent_bit.description)
            announce(taken)
            config = load(str(_pipeline(folder, server.url)))
            expected, held = _ship(config, source, fluent_bit, folder, progress)
            seconds = time.monotonic() - began
            progress("the report is written", None)
            write(page, _page(config, held))
            kept = folder if keep else None
            return _report(config, taken, held, page, expected=expected, seconds=seconds, kept=kept)
    except DemoError as error:
        raise DemoError(_with_log(error.what, folder), hint=error.hint or _left(server, folder, keep=keep)) from error
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _with_log(text: str, folder: Path) -> str:
    """The last warning of the sidecar is most often the reason."""
    log = folder / "sidecar.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    warnings = [line for line in lines if " WARNING " in line or " ERROR " in line]
    return f"{text}; the sidecar's last warning:\n  {warnings[-1]}" if warnings else text


def _left(server: Part | None, folder: Path, *, keep: bool) -> str:
    if not keep:
        return "--keep leaves the logs to look at"
    stop = f"{server.stop_command}; " if server and server.stop_command else ""
    return f"look at the logs in {folder}; then remove all: {stop}rm -r {folder}"


def _pipeline(folder: Path, url: str) -> Path:
    """The pipeline.yaml of the demonstration: the smallest, but for folders and ports of its own."""
    with free_ports(2) as (agent, fluent_bit):
        content: dict[str, Any] = {
            "cluster": CLUSTER,
            "opensearch": {"url": url},
            # No node's logs are here to be read.
            "logs": {"enabled": False},
            "paths": {"state": str(folder / "state"), "run": str(folder / "run")},
            "agent": {"address": "127.0.0.1", "port": agent},
            "fluentbit": {"port": fluent_bit},
        }
    if os.environ.get("OPENSEARCH_USER"):
        reference = {"username": {"env": "OPENSEARCH_USER"}, "password": {"env": "OPENSEARCH_PASSWORD"}}
        content["opensearch"]["auth"] = {"basic": reference}
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def _ship(
    config: Config, source: Cluster, fluent_bit: FluentBitChoice, folder: Path, progress: Progress
) -> tuple[int | None, list[dict[str, Any]]]:
    """Run sidecar and Fluent Bit until everything has arrived: how much was to come, and what is there."""
    client = connect(config)
    file = Path(Layout.of(config).fluent_bit_file)

    def seen() -> tuple[int, int]:
        found = scenario_problems(_held(config, client))
        return len(found), sum(problem.state == "resolved" for problem in found)

    with _sidecar(folder, source.access, without_fluent_bit=not fluent_bit.command) as lives:
        _wait_for(file.exists, lambda: "the sidecar renders", lives, progress, _START_SECONDS)
        with running_fluent_bit(fluent_bit, file, folder / "fluent-bit.log"):
            expected = source.play(seen)
            if expected is not None:
                wanted = expected
                _wait_for(
                    lambda: len(_held(config, client)) >= wanted,
                    lambda: f"{len(_held(config, client))} of {wanted} events have arrived",
                    lives,
                    progress,
                    _ARRIVAL_SECONDS,
                )
        return expected, _held(config, client)


@contextmanager
def _sidecar(folder: Path, access: tuple[str, ...], *, without_fluent_bit: bool) -> Iterator[Callable[[], None]]:
    """`sidecar run` as a user would start it; yields a check that raises if it has ended."""
    log = folder / "sidecar.log"
    command = [sys.executable, "-m", "sidecar", "run", "-c", str(folder / "pipeline.yaml"), *access]
    command += ["--log-format", "text", *(["--without-fluent-bit"] if without_fluent_bit else [])]
    with running(command, log) as process:

        def lives() -> None:
            if process.poll() is not None:
                raise DemoError(f"the sidecar ended; the end of its log:\n{log_end(log.read_text(errors='replace'))}")

        yield lives


def _wait_for(
    done: Callable[[], bool],
    what: Callable[[], str],
    lives: Callable[[], None],
    progress: Progress,
    seconds: float,
) -> None:
    end = time.monotonic() + seconds
    while not done():
        lives()
        if time.monotonic() > end:
            raise DemoError(f"after {seconds:.0f} s: {what()}, and no more")
        progress(what(), None)
        time.sleep(0.3)


def _query() -> dict[str, Any]:
    # In an OpenSearch that was kept there is a gap since the last demonstration: no event.
    return {"bool": {"filter": {"term": {fields.CLUSTER: CLUSTER}}, "must_not": {"term": {"kind": KIND}}}}


def _held(config: Config, client: Client) -> list[dict[str, Any]]:
    pattern = event_index_pattern(config.events)
    try:
        refresh(client, pattern)
        return list(documents(client, pattern, _query(), order=fields.ID))
    except OpenSearchError:
        return []  # no index yet, or just being made


def scenario_problems(held: list[dict[str, Any]]) -> list[Problem]:
    """The problems of the three scenarios, in the order of their names."""
    found = [problem for problem in problems(held) if problem.namespace == NAMESPACE and problem.name in WORKLOADS]
    return sorted(found, key=lambda problem: problem.name)


def _page(config: Config, held: list[dict[str, Any]]) -> str:
    """A report of when the events are of: an OpenSearch that was kept has those of an earlier demonstration."""
    now = datetime.now(UTC)
    times = [datetime.fromisoformat(event[fields.TIMESTAMP]) for event in held] or [now]
    start, end = min(times) - _MARGIN, min(max(times) + _MARGIN, now)
    return render_page(make(config, start=start, end=end, now=now, title=_TITLE))


def _report(
    config: Config,
    taken: Taken,
    held: list[dict[str, Any]],
    page: Path,
    *,
    expected: int | None,
    seconds: float,
    kept: Path | None,
) -> Report:
    reasons = Counter((str(event.get("type")), str(event.get("reason"))) for event in held)
    return Report(
        taken=taken,
        seconds=seconds,
        events=len(held),
        twice=len(held) - len({event[fields.ID] for event in held}),
        by_reason=[(kind, reason, count) for (kind, reason), count in reasons.most_common()],
        by_index=counts_by_index(connect(config), event_index_pattern(config.events), _query()),
        problems=scenario_problems(held),
        kept_folder=kept,
        page=page,
        expected=expected,
    )

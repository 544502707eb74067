"""Events, problems and pod logs read back from a real OpenSearch, as a user does: by the commands."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from sidecar.cli.main import cli
from sidecar.config import Config, loads
from sidecar.dev.recording import Recording, load
from sidecar.events.following import Gap, Position
from sidecar.events.gap import gap_record
from sidecar.events.record import Recorder
from sidecar.opensearch import Client, Document, Documents, Verdict
from sidecar.reading import Selection, Window, kinds
from sidecar.reading.matches import matches
from tests.support.managing import OWN_INDICES, put_in_place
from tests.support.process import Process
from tests.support.waiting import unique_name, wait_until

Json = dict[str, Any]

_LINES = 12_500
"""More than a search shows at once, however it is asked."""


@dataclass
class Kept:
    """An OpenSearch with our templates, and a pipeline.yaml for it."""

    config: Config
    client: Client
    file: Path

    def put(self, documents: Sequence[Document]) -> None:
        for at in range(0, len(documents), 5000):
            outcomes = Documents(self.client).create(documents[at : at + 5000])
            assert {outcome.verdict for outcome in outcomes} <= {Verdict.STORED}
        indices = ",".join(sorted({document.index for document in documents}))
        self.client.request("POST", f"/{indices}/_refresh")

    def put_events(self, events: Sequence[Json]) -> None:
        recorder = Recorder(self.config)
        records = [recorder.record(event) for event in events]
        self.put([Document(record.index, record.id, record.line) for record in records])

    def run(self, *words: str) -> Result:
        result = CliRunner(env={"KUBECONFIG": "/nowhere", "PAGER": ""}).invoke(
            cli, [words[0], "--config", str(self.file), *words[1:]], prog_name="sidecar"
        )
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def lines(self, *words: str) -> list[str]:
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()


@pytest.fixture
def kept(opensearch_url: str, tmp_path: Path) -> Iterator[Kept]:
    name = unique_name("reading")
    text = OWN_INDICES.format(name=name, url=opensearch_url)
    file = tmp_path / "pipeline.yaml"
    file.write_text(text)
    client = Client(opensearch_url)
    config = loads(text)
    put_in_place(client, config)
    yield Kept(config, client, file)
    client.request("DELETE", f"/{name}-*", params={"ignore_unavailable": "true"})
    client.request("DELETE", f"/_index_template/fluent-sidecar-{name}-*")
    client.close()


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load().shifted(datetime.now(UTC))


def test_three_problems_are_open_and_then_three_resolved(kept: Kept, recording: Recording) -> None:
    kept.put_events(list(recording.documents(until="fixed")))
    told = json.loads(kept.run("problems", "-n", "test", "--output", "json").stdout)["problems"]
    assert {one["workload"]: (one["state"], one["reasons"][0]) for one in told} == {
        "deployment/scenario-a": ("open", "FailedMount"),
        "deployment/scenario-b": ("open", "Failed"),
        "deployment/scenario-c": ("open", "FailedScheduling"),
    }
    assert kept.run("problems", "-n", "test", "--check").exit_code == 1

    kept.put_events(list(recording.documents()))
    told = json.loads(kept.run("problems", "-n", "test", "--output", "json").stdout)["problems"]
    assert [one["state"] for one in told] == ["resolved"] * 3
    assert all(one["resolvedBy"].startswith("Started pod/scenario-") for one in told)
    assert kept.run("problems", "-n", "test", "--check").exit_code == 0

    text = kept.run("problems", "-n", "test")
    assert len(re.findall(r"^resolved +deployment/scenario-", text.stdout, re.MULTILINE)) == 3
    assert 'secret "misspelt-secret-name" not found' in text.stdout
    assert text.stderr.startswith("0 open, 3 resolved in namespace test since")


def test_a_problem_is_told_from_its_beginning_however_short_the_time_that_is_asked_for(
    kept: Kept, recording: Recording
) -> None:
    kept.put_events(list(recording.documents(until="fixed")))
    whole = {
        one["workload"]: one for one in json.loads(kept.run("problems", "-A", "--output", "json").stdout)["problems"]
    }
    since = max(one["lastSeen"] for one in whole.values())

    told = json.loads(kept.run("problems", "-A", "--since", since, "--output", "json").stdout)["problems"]

    assert told
    assert all(one == whole[one["workload"]] for one in told)
    assert any(one["firstSeen"] < since for one in told)


def test_events_are_one_row_each_with_their_newest_version_and_the_last_seen_at_the_end(
    kept: Kept, recording: Recording
) -> None:
    events = list(recording.documents())
    kept.put_events(events)
    newest = {event["metadata"]["uid"]: event["metadata"]["resourceVersion"] for event in events}

    head, *rows = kept.lines("events", "-A", "--since", "2h")
    items = json.loads(kept.run("events", "-A", "--since", "2h", "-o", "json").stdout)["items"]

    assert re.split(r"\s{2,}", head) == ["NAMESPACE", "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert len(rows) == len(newest)
    assert {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in items} == newest
    seen = [item["lastTimestamp"][:19] for item in items]
    assert seen == sorted(seen)
    assert {(item["apiVersion"], item["kind"]) for item in items} == {("v1", "Event")}
    assert "cluster" not in items[0]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--for", "deployment/scenario-a"], r"(deployment|replicaset|pod)/scenario-a.*"),
        (["--for", "deploy/scenario-b", "--types", "warning"], r"pod/scenario-b-.*"),
        (["--types", "Warning", "--reason", "FailedScheduling"], r"pod/scenario-c-.*"),
        (["--for", "pod/no-such"], None),
    ],
)
def test_both_sources_choose_the_same_events(
    kept: Kept, recording: Recording, words: list[str], wanted: str | None
) -> None:
    events = list(recording.documents())
    kept.put_events(events)
    options = dict(zip(words[::2], words[1::2], strict=True))
    selection = Selection(
        kept.config.cluster,
        target=kinds.target(options["--for"]) if "--for" in options else None,
        types=tuple(filter(None, [options.get("--types")])),
        reasons=tuple(filter(None, [options.get("--reason")])),
    )
    expected = {event["metadata"]["name"] for event in events if matches(event, selection, Window())}

    result = kept.run("events", "-A", *words, "--since", "2h", "-o", "json")

    items = json.loads(result.stdout)["items"]
    assert {item["metadata"]["name"] for item in items} == expected
    objects = [f"{item['involvedObject']['kind'].lower()}/{item['involvedObject']['name']}" for item in items]
    if wanted:
        assert objects
        assert all(re.fullmatch(wanted, one) for one in objects)
    else:
        assert objects == []
        assert "No events in any namespace of pod/no-such since" in result.stderr
        assert "of other objects than pod/no-such there are some" in result.stderr


def test_a_gap_is_a_row_of_its_own(kept: Kept, recording: Recording) -> None:
    now = datetime.now(UTC).timestamp()
    gap = gap_record(Gap(Position("1", now - 600), Position("9", now - 300), "history"), kept.config)
    kept.put([Document(gap.index, gap.id, gap.line)])
    kept.put_events(list(recording.documents())[:1])

    rows = kept.lines("events", "-n", "no-such", "--since", "1h")

    assert len(rows) == 2
    assert re.search(rf"Warning +EventGap +cluster/{kept.config.cluster} +Versions of events between", rows[1])
    assert json.loads(kept.run("events", "-n", "no-such", "-o", "json").stdout)["items"] == []


def _line(kept: Kept, number: int, moment: datetime, *, index: str = "logs", **more: Any) -> Document:
    nanoseconds = f"{moment:%Y-%m-%dT%H:%M:%S}.{number // 3:09d}Z"
    key = f"uid-1/main/0/o/{nanoseconds}/{number % 3 * 7}"
    source = {
        "@timestamp": nanoseconds,
        "id": key,
        "cluster": kept.config.cluster,
        "log": f"line {number}",
        "kubernetes": {
            "namespace_name": "shop", "pod_name": "web-5d4f8c7b96-x2v7q", "pod_id": "uid-1", "container_name": "main",
            "restart_count": 0,
        },
        "workload": {"kind": "Deployment", "name": "web"},
        **more,
    }  # fmt: skip
    return Document(f"{kept.config.cluster}-{index}-{moment:%Y.%m.%d}", key, orjson.dumps(source))


def test_every_line_is_shown_once_in_the_order_of_its_writing(kept: Kept) -> None:
    moment = datetime.now(UTC) - timedelta(minutes=5)
    documents = [_line(kept, number, moment) for number in range(_LINES)]
    # They come as they are: of two routes, and not in order.
    other = [_line(kept, number, moment, index="payments") for number in range(_LINES, _LINES + 50)]
    kept.put([*documents[::2], *other, *documents[1::2][::-1]])

    assert kept.lines("logs", "deployment/web") == [f"line {number}" for number in range(_LINES + 50)]
    assert kept.lines("logs", "-n", "shop", "deploy/web", "--tail", "5") == [
        f"line {number}" for number in range(_LINES + 45, _LINES + 50)
    ]
    assert kept.lines("logs", "web-5d4f8c7b96-x2v7q", "--grep", "LINE 77") == ["line 77"]


def test_lines_are_chosen_by_severity_container_and_run(kept: Kept) -> None:
    moment = datetime.now(UTC) - timedelta(minutes=5)
    pod = {"namespace_name": "shop", "pod_name": "web-0", "pod_id": "uid-2", "container_name": "main"}
    rows = [
        ("info", 0, "begun"),
        ("error", 0, "failed\n  at Main.java:1"),
        ("fatal", 1, "failed again"),
        ("info", 2, "up"),
    ]
    kept.put(
        [
            _line(kept, number, moment, level=level, log=text, workload={"kind": "StatefulSet", "name": "web"},
                  kubernetes={**pod, "restart_count": run})
            for number, (level, run, text) in enumerate(rows)
        ]
    )  # fmt: skip

    assert kept.lines("logs", "sts/web", "--level", "error") == ["failed", "  at Main.java:1", "failed again"]
    assert kept.lines("logs", "web-0", "--previous") == ["failed again"]
    assert kept.lines("logs", "web-0", "-c", "other") == []
    assert kept.lines("logs", "web-0", "--prefix", "--tail", "1") == ["[pod/web-0/main] up"]
    assert [json.loads(line)["log"] for line in kept.lines("logs", "-A", "-o", "json")] == [row[2] for row in rows]


def test_following_shows_each_version_once_however_late_and_ends_quietly(
    kept: Kept, recording: Recording, start_process: Callable[..., Process]
) -> None:
    events = list(recording.documents())
    kept.put_events(events[:20])
    command = [
        sys.executable,
        "-m",
        "sidecar",
        "events",
        "-c",
        str(kept.file),
        "-A",
        "-w",
        "--since",
        "2h",
        "-o",
        "json",
    ]
    process = start_process(command, name="watch", env={**os.environ, "KUBECONFIG": "/nowhere"})

    def shown() -> list[str]:
        return re.findall(r'"resourceVersion": "(\d+)",\n {8}"creationTimestamp"', process.log.read_text())

    first = {event["metadata"]["uid"]: event["metadata"]["resourceVersion"] for event in events[:20]}
    wait_until(lambda: len(shown()) >= len(first), 60, "what is there is shown")
    # The last come first: those between are late, and have older times.
    kept.put_events(events[60:])
    kept.put_events(events[20:60])
    later = [event["metadata"]["resourceVersion"] for event in events[20:]]
    wait_until(lambda: len(shown()) >= len(first) + len(later), 60, lambda: f"all are shown; {len(shown())}")

    assert sorted(shown()) == sorted([*first.values(), *later])
    process.send(signal.SIGINT)
    assert process.wait(30) == 0
    assert "Traceback" not in process.log.read_text()


def test_following_ends_when_nobody_reads_any_more(kept: Kept, recording: Recording) -> None:
    kept.put_events(list(recording.documents())[:5])
    command = [sys.executable, "-m", "sidecar", "events", "-c", str(kept.file), "-A", "-w", "--since", "2h"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith("NAMESPACE")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 0

import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from sidecar.dev import record
from sidecar.dev.recording import SCENARIOS, Recording, dump, load, parse
from sidecar.errors import DemoError

NOW = datetime(2031, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
HEADER = {"recording": "events/v1", "recorded": "2026-01-01T00:00:00Z", "server": {}, "path": "/", "stripped": []}


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load()


def event(version: int, **fields: Any) -> dict[str, Any]:
    metadata = {"name": f"e{version}", "namespace": "test", "uid": f"u{version}", "resourceVersion": str(version)}
    return {"metadata": metadata, **fields}


def rows(*lines: Any, header: Any = HEADER, items: Any = ()) -> list[Any]:
    listed = {"kind": "EventList", "metadata": {"resourceVersion": "10"}, "items": list(items)}
    return [header, {"list": listed}, *lines]


def encode(content: list[Any]) -> bytes:
    return b"\n".join(orjson.dumps(row) for row in content)


def texts(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value, with its path."""
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts(child, f"{at}/{key}")
    else:
        yield at, value


def test_the_recording_holds_every_symptom_of_the_three_scenarios(recording: Recording) -> None:
    seen = {
        (document["involvedObject"]["name"].rsplit("-", 2)[0], document["reason"]) for document in recording.documents()
    }
    assert {
        ("scenario-a", "FailedMount"),
        ("scenario-b", "Failed"),
        ("scenario-b", "BackOff"),
        ("scenario-c", "FailedScheduling"),
        ("scenario-a", "Started"),
        ("scenario-b", "Started"),
        ("scenario-c", "Started"),
    } <= seen
    assert list(recording.marks) == ["applied", "fixed", "running"]
    assert recording.listed["items"], "the LIST shows what was there before"


def test_the_recording_has_both_kinds_of_writers(recording: Recording) -> None:
    documents = list(recording.documents())
    assert any(document["lastTimestamp"] is None and document["eventTime"] for document in documents)
    assert any(document["lastTimestamp"] and document["eventTime"] is None for document in documents)


def test_the_recording_names_no_machine_but_its_node_and_no_token(recording: Recording) -> None:
    hosts = {document.get("source", {}).get("host", "k8s-dev") for document in recording.documents()}
    instances = {document.get("reportingInstance") for document in recording.documents()}
    assert hosts == {"k8s-dev"}
    assert instances <= {"", "k8s-dev", "kube-proxy", "default-scheduler"}
    assert not re.search(rb"(?i)bearer|eyJ|token|password|-vm\b", SCENARIOS.read_bytes())


def test_until_a_mark_nothing_is_mended(recording: Recording) -> None:
    before = list(recording.documents(until="fixed"))
    assert 0 < len(before) < recording.total == len(list(recording.documents()))
    assert not any(document["reason"] == "Started" for document in before)


def test_shifted_it_ends_at_now_and_every_time_moves_alike(recording: Recording) -> None:
    shifted = recording.shifted(NOW)
    assert timedelta() <= NOW - shifted.end < timedelta(seconds=1)
    deltas: set[timedelta] = set()
    for old, new in zip(recording.documents(), shifted.documents(), strict=True):
        for (path, before), (same, after) in zip(texts(old), texts(new), strict=True):
            assert path == same
            if before == after:
                assert not re.search(r"(Timestamp|[a-z]Time|/time)$", path) or before is None, path
                continue
            assert re.search(r"(Timestamp|[a-z]Time|/time)$", path), path
            assert re.sub(r"\d", "0", before) == re.sub(r"\d", "0", after), "the format stays"
            deltas.add(datetime.fromisoformat(after) - datetime.fromisoformat(before))
    assert len(deltas) == 1
    assert deltas.pop() > timedelta(days=365)


def test_shifting_leaves_the_original_alone_and_keeps_microseconds() -> None:
    line = {"at": 1, "type": "ADDED", "object": event(11, eventTime="2026-01-01T00:00:00.030718Z", lastTimestamp=None)}
    original = parse(encode(rows(line)), "r")
    shifted = original.shifted(datetime(2025, 1, 1, 0, 0, 0, tzinfo=UTC))
    assert shifted.lines[0].object["eventTime"] == "2024-12-31T23:59:59.030718Z"
    assert shifted.lines[0].object["lastTimestamp"] is None
    assert original.lines[0].object["eventTime"] == "2026-01-01T00:00:00.030718Z"
    assert shifted.start_version == original.start_version == 10


def test_what_dump_writes_parse_reads(recording: Recording) -> None:
    again = parse(dump(recording), "again")
    assert dataclasses.asdict(again.header) == dataclasses.asdict(recording.header)
    assert (again.listed, again.lines, dict(again.marks)) == (recording.listed, recording.lines, dict(recording.marks))
    assert dump(again) == SCENARIOS.read_bytes()


GOOD = {"at": 1, "type": "ADDED", "object": event(11)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "r: not a recording: it has 0 lines"),
        (encode(rows()), "r: not a recording: the watch has no line"),
        (b'{"recording": \n{}\n{}', "r:1: not JSON"),
        (b"[]\n{}\n{}", "r:1: not a JSON object"),
        (encode(rows(GOOD, header={"recording": "events/v9"})), "r:1: not a recording of format events/v1"),
        (encode(rows(GOOD, header={"recording": "events/v1"})), "r:1: the header lacks something"),
        (encode([HEADER, {"list": []}, GOOD]), "r:2: not an EventList"),
        (encode(rows(GOOD, items=[{"metadata": {}}])), "r:2: metadata.resourceVersion: None"),
        (encode(rows(GOOD, GOOD)), "r:4: resourceVersion 11 does not follow 11"),
        (encode(rows(GOOD | {"object": event(9)})), "r:3: resourceVersion 9 does not follow 10"),
        (encode(rows(GOOD, {"at": 0.5, "mark": "early"})), "r:4: at: 0.5 is not a number of seconds from 1.0"),
        (encode(rows(GOOD | {"at": True})), "r:3: at: True"),
        (encode(rows(GOOD | {"type": "ERROR"})), "r:3: 'ERROR' is none of ADDED, DELETED, MODIFIED"),
        (encode(rows(GOOD | {"object": {"kind": "Pod"}})), "r:3: not an Event"),
        (
            encode(rows(GOOD | {"object": event(11) | {"metadata": {"resourceVersion": "11"}}})),
            "metadata.uid is missing",
        ),
        (encode(rows(GOOD | {"object": event(11, eventTime="2026-01-01 00:00")})), "is not a time as Kubernetes"),
    ],
)
def test_what_is_not_a_recording_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(DemoError) as caught:
        parse(content, "r")
    assert said in caught.value.what
    assert caught.value.hint


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"gone\.jsonl: the recording can't be read: No such file"):
        load(tmp_path / "gone.jsonl")


# The recorder


def test_the_scenarios_fail_as_they_should_and_the_fix_mends_each() -> None:
    base = Path(__file__).parents[3] / "examples" / "scenarios" / "base"
    pods = {
        name: yaml.safe_load((base / f"{name}.yaml").read_text())["spec"]["template"]["spec"]
        for name in record.DEPLOYMENTS
    }
    containers = {name: pod["containers"][0] for name, pod in pods.items()}
    assert pods["scenario-a"]["volumes"][0]["secret"]["secretName"] == "misspelt-secret-name"
    assert containers["scenario-b"]["image"] == "wrong-image"
    assert containers["scenario-c"]["resources"]["requests"]["cpu"] == "999999m"
    fix = yaml.safe_load((base.parent / "fix" / "kustomization.yaml").read_text())
    mended = {patch["target"]["name"]: yaml.safe_load(patch["patch"])[0]["value"] for patch in fix["patches"]}
    image = containers["scenario-a"]["image"]
    assert mended == {"scenario-a": "some-secret", "scenario-b": image, "scenario-c": "100m"}
    assert re.fullmatch(r"nginx:\d+\.\d+\.\d+", image), "pinned, so that it is not pulled always"


def test_the_recorder_waits_for_every_symptom(recording: Recording) -> None:
    failing = [line for line in recording.lines if line.at <= recording.marks["fixed"]]
    assert record.shown(failing) == set(record.SYMPTOMS)
    without = [line for line in failing if line.object["reason"] != "FailedMount"]
    assert {name for name, *_ in set(record.SYMPTOMS) - record.shown(without)} == {"scenario-a"}


@pytest.mark.parametrize(
    ("instance", "kept"),
    [
        ("default-scheduler-laptop", "default-scheduler"),
        ("default-scheduler-node-1", "default-scheduler-node-1"),
        ("default-scheduler", "default-scheduler"),
        ("node-1", "node-1"),
        ("", ""),
    ],
)
def test_the_recorder_keeps_no_name_of_another_machine(instance: str, kept: str) -> None:
    original = {"reportingComponent": "default-scheduler", "reportingInstance": instance}
    assert record.without_machine(original, frozenset({"node-1"}))["reportingInstance"] == kept
    assert original["reportingInstance"] == instance


def test_another_image_can_stand_in_for_nginx(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "fix").mkdir()
    with record.manifests(tmp_path, None) as folders:
        assert folders == (tmp_path / "base", tmp_path / "fix")
    with record.manifests(tmp_path, "localhost:5000/own/pause:1") as (base, fix):
        written = yaml.safe_load((fix / "kustomization.yaml").read_text())
        assert written["images"] == [{"name": "nginx", "newName": "localhost:5000/own/pause", "newTag": "1"}]
        assert (fix / written["resources"][0]).resolve() == (base.parent / "fix").resolve()
    assert not base.exists()


def test_without_kubectl_the_recorder_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert record.main(["-o", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("kubectl is not on PATH (install it")

"""Lines of a control plane on its own nodes: the documents are those that the Lambda function makes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.controlplane.documents import documents_of
from sidecar.controlplane.payload import batches_of
from sidecar.render.components import CONTAINERS
from tests.support.controlplane import LINES, invocation, settings
from tests.support.controlplane.odd import ODD_TEXT
from tests.unit.plugin.plugin import LOGS, UID, Filter, cri, install

AUDIT = "/var/log/kubernetes/audit.log"
PROGRAMS = [name for name in LINES if name != "audit"]
# A container runtime makes several lines of one of several.
SINGLE = [(component, line) for component in PROGRAMS for line in LINES[component] if "\n" not in line]
OWN = {"family": 2, "components": dict(CONTAINERS), "audit": "/var/log/kubernetes/audit"}
FAMILIES = [{"index": "logs", "rotate": "daily"}, {"index": "control-plane", "rotate": "daily"}]


def path_of(container: str, namespace: str = "kube-system") -> str:
    return f"/var/log/pods/{namespace}_{container}-node-1_{UID}/{container}/0.log"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Filter:
    folder = tmp_path_factory.mktemp("filter")
    (folder / "pods.tsv").write_text("# fluent-sidecar pods 1\t1\tnode-1\n")
    return Filter(install(folder, families=FAMILIES, control_plane=OWN, multiline=[]))


def of_function(component: str, line: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    (document,) = documents_of(batches_of(invocation(component, [line])), settings(cluster="c1"), now=now)
    return dict(orjson.loads(document.source))


def texts(value: Any) -> Any:
    """What the filter keeps as numbers, the function as text."""
    return {key: str(item) for key, item in value.items()} if isinstance(value, dict) else value


def read(reader: Filter, component: str, line: str, offset: int = 0) -> dict[str, Any]:
    if component == "audit":
        (found,) = reader.call(LOGS, {"path": AUDIT, "offset": offset, "log": line.encode()})
    else:
        (found,) = reader.line(path_of(component), offset, cri(line))
    return found


@pytest.mark.parametrize(
    ("component", "line"),
    [(component, line) for component in PROGRAMS for line in LINES[component] if "\n" not in line],
)
def test_a_line_of_a_program_is_the_functions_document(reader: Filter, component: str, line: str) -> None:
    if component == "authenticator":
        (found,) = reader.line(path_of("aws-iam-authenticator"), 0, cri(line))
    else:
        found = read(reader, component, line)
    wanted = of_function(component, line)
    assert found["@message"] == line
    assert found["component"] == component
    assert found["index"] == "control-plane-2026.11.22"
    for name in ("level", "message", "source", "authenticator"):
        assert found.get(name) == wanted.get(name), name
    assert texts(found.get("data")) == texts(wanted.get("data"))
    assert found["kubernetes"] == {"host": "node-1"}


@pytest.mark.parametrize("line", LINES["audit"])
def test_an_audit_event_is_the_functions_document(reader: Filter, line: str) -> None:
    found, wanted = read(reader, "audit", line), of_function("audit", line)
    event = orjson.loads(line)
    assert found["@message"] == line
    assert found["@timestamp"] == event["stageTimestamp"]
    assert found["id"].startswith(f"audit/{event['auditID']}/{event['stageTimestamp']}/")
    assert found["index"] == "control-plane-2026.11.27"
    assert (found["component"], found["@log_stream"]) == ("audit", "audit.log")
    assert found["audit"] == wanted["audit"]


def test_an_audit_line_whose_end_is_missing_keeps_what_is_there(reader: Filter) -> None:
    line = next(line for line in LINES["audit"] if '"requestObject"' in line)
    cut = line[: line.index('"requestObject"') + 100]
    found = read(reader, "audit", cut)
    assert found["truncated"] is True
    assert found["audit"]["verb"] == "create"
    assert found["index"] == "control-plane-undated"
    assert found["@message"] == cut


def test_the_id_of_an_audit_event_is_the_same_wherever_it_is_read(reader: Filter) -> None:
    line = LINES["audit"][0].encode()
    rotated = "/var/log/kubernetes/audit-2026-11-27T04-00-00.000.log"
    (first,) = reader.call(LOGS, {"path": AUDIT, "offset": 0, "log": line})
    (second,) = reader.call(LOGS, {"path": rotated, "offset": 9999, "log": line})
    (other,) = reader.call(LOGS, {"path": AUDIT, "offset": 0, "log": line.replace(b'"stage":"', b'"stage":"x')})
    assert first["id"] == second["id"] != other["id"]


def test_what_a_client_chooses_hides_nothing(reader: Filter) -> None:
    # The event's id comes from a header of the request; two requests may have the same.
    line = LINES["audit"][1]
    again = line.replace('"verb":"', '"verb":"x')
    assert read(reader, "audit", line)["id"] != read(reader, "audit", again)["id"]


def test_only_the_control_planes_own_pods_are_taken(reader: Filter) -> None:
    line = cri(LINES["kube-scheduler"][0])
    (elsewhere,) = reader.line(path_of("kube-scheduler", "team-a"), 0, line)
    (other,) = reader.line(path_of("coredns"), 0, line)
    for found in (elsewhere, other):
        assert found["index"].startswith("logs-")
        assert "log" in found


def test_without_it_all_are_pod_logs(tmp_path: Path) -> None:
    plain = Filter(install(tmp_path))
    (found,) = plain.line(path_of("kube-scheduler"), 0, cri(LINES["kube-scheduler"][0]))
    assert found["index"].startswith("logs-")


# --- The same by both


AUDIT_NAMES = [
    "auditID", "level", "stage", "verb", "requestURI", "userAgent", "sourceIPs", "user", "impersonatedUser",
    "objectRef", "responseStatus", "requestReceivedTimestamp", "stageTimestamp", "annotations", "requestObject",
    "responseObject", "kind", "other",
]  # fmt: skip
INNER = st.sampled_from(
    [
        "username",
        "uid",
        "groups",
        "extra",
        "resource",
        "name",
        "code",
        "status",
        "message",
        "a/b.c",
        "",
        ".",
        "x" * 4001,
    ]
)
LONG = st.sampled_from(["x" * 40_000, "ä" * 8_000, "\x01" * 10])
PLAIN = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(-1e6, 1e6) | ODD_TEXT | LONG
ODD_VALUE = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(INNER | ODD_TEXT, inner, max_size=4),
    max_leaves=8,
)
ODD_EVENT = st.dictionaries(st.sampled_from(AUDIT_NAMES), ODD_VALUE, max_size=6)


def both(reader: Filter, line: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What filter and function make of an audit line, as far as it doesn't say where it comes from."""
    own = {"id", "index", "@id", "@timestamp", "@log_stream", "@log_group", "@owner", "kubernetes"}
    found, wanted = read(reader, "audit", line), of_function("audit", line)
    return tuple({name: one[name] for name in one if name not in own} for one in (found, wanted))  # type: ignore[return-value]


@given(ODD_EVENT, st.booleans())
def test_an_odd_audit_event_is_the_functions_document(reader: Filter, changes: dict[str, Any], bare: bool) -> None:
    event = changes if bare else {**orjson.loads(LINES["audit"][2]), **changes}
    found, wanted = both(reader, json.dumps(event, separators=(",", ":")))
    assert found == wanted


@given(ODD_EVENT, st.floats(0, 1))
def test_an_audit_event_is_cut_alike(reader: Filter, changes: dict[str, Any], part: float) -> None:
    event = {**orjson.loads(LINES["audit"][0]), **changes}
    line = json.dumps(event, separators=(",", ":"))
    found, wanted = both(reader, line[: round(part * len(line))])
    assert found == wanted


@pytest.mark.parametrize("line", LINES["audit"])
def test_a_real_audit_event_is_cut_alike_wherever(reader: Filter, line: str) -> None:
    for length in range(0, len(line), 3):
        found, wanted = both(reader, line[:length])
        assert found == wanted


@pytest.mark.parametrize(
    ("line", "audit", "cut"),
    [
        ('{"verb":{"a":1},"stage":"x"}', {"stage": "x"}, None),
        ('{"verb":"get","sourceIPs":[{"a":1},"1.2.3.4",null,5],"user":{"groups":[["x"]]}}',
         {"verb": "get", "sourceIPs": ["1.2.3.4"]}, None),
        ('{"user":{"groups":["a"]}}', {"user": {"groups": ["a"]}}, None),
        ('{"verb":"get","annotations":{"a":{"b":"c"},"d":"e"}}', {"verb": "get", "annotations": {"d": "e"}}, None),
        ('{"verb":"get","responseStatus":{"code":20', {"verb": "get"}, True),
        ('{"verb":"get","annotations":{"a":"b', {"verb": "get"}, True),
        ('{"verb":"get"} and more', {"verb": "get"}, True),
        (' \t{"verb":"get"} ', {"verb": "get"}, None),
        ('{"verb":"a\tb"}', {"verb": "a\tb"}, None),
        ('{"verb":"get","requestObject":null,"responseObject":{"a":1}}',
         {"verb": "get", "responseObject": '{"a":1}'}, None),
        # What a client sends must not be taken for what the API server says.
        ('{"verb":"create","requestObject":{"x":1,"requestReceivedTimestamp":"1","annotations":{"a":"forged"}}',
         {"verb": "create"}, True),
        ('{"verb":"create","requestObject":{"x":1,"requestReceivedTimestamp":"1","verb":"forged"',
         {"verb": "create"}, True),
        (json.dumps({"verb": "list", "sourceIPs": ["10.0.0.1"] * 1200, "stage": "x"}),
         {"verb": "list", "sourceIPs": ["10.0.0.1"] * 1200, "stage": "x"}, None),
        ('{"verb":"get","user":{"extra":{"k":["a","b"],"n":[1],"' + "y" * 40_000 + '":["c"]}}}',
         {"verb": "get", "user": {"extra": {"k": ["a", "b"]}}}, None),
    ],
    ids=range(14),
)  # fmt: skip
def test_both_say_of_an_odd_audit_line(reader: Filter, line: str, audit: dict[str, Any], cut: bool | None) -> None:
    for found in both(reader, line):
        assert found.get("audit") == audit
        assert found.get("truncated") == cut


PIECES = st.sampled_from(
    ['"', "\\", "=", "a=", 'b="', "[", "]", "{", "}", "<", " ", ",", "level=", "time=", "x", '"auditID":"',
     ',"requestObject":', ',"responseObject":', ',"requestReceivedTimestamp":"', "é", "\x00"]
)  # fmt: skip
HEADS = st.sampled_from(["", "I1127 02:13:37.090351       1 a.go:1] ", "level=info ", '{"auditID":"x"', "{"])


@given(HEADS, st.lists(PIECES, max_size=30).map("".join))
def test_any_line_is_a_document(reader: Filter, head: str, rest: str) -> None:
    line = (head + rest).replace("\n", "")
    for component in ("kube-scheduler", "audit"):
        found = read(reader, component, line)
        assert found["component"] == component
        assert found["id"]
        assert found["index"]


@pytest.mark.parametrize(
    "unit", ['a="', "a=[", 'a="\\', "a", "a={", "a=b ", '"', "\\", ',"requestReceivedTimestamp":"']
)
def test_no_line_takes_long(reader: Filter, unit: str) -> None:
    for head in ('I1127 02:13:37.090351       1 a.go:1] "x" ', "level=info ", '{"a":1,"requestObject":'):
        line = head + unit * (2**18 // len(unit))
        for component in ("kube-scheduler", "audit"):
            assert read(reader, component, line)["component"] == component

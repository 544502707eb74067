import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as unhurried
from hypothesis import strategies as st

from sidecar.config import loads
from sidecar.controlplane.documents import component_of, documents_of, index_of
from sidecar.controlplane.payload import batches_of, packed
from sidecar.opensearch import Document, codec
from sidecar.render.components import COMPONENTS
from sidecar.render.fields import CONTROL_PLANE_FIELDS
from sidecar.render.templates import properties
from tests.support.controlplane import GROUP, LINES, OWNER, STREAMS, TIME, event_id, events, message, settings
from tests.support.controlplane.odd import ANY_JSON, ODD_TEXT
from tests.unit.opensearch.test_fit import refusals

Json = dict[str, Any]
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
TODAY = "eks-control-plane-logs-2026.11.27"
CONFIG = loads("cluster: c\nopensearch: {url: http://localhost:9200}\n")
PROPERTIES = properties(CONFIG, CONTROL_PLANE_FIELDS)


def flaws(found: Json) -> list[str]:
    """Why OpenSearch would refuse a document; a list of text is as good as each of its texts."""

    def single(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: single(item) for name, item in value.items()}
        assert not isinstance(value, list) or all(isinstance(item, str) for item in value)
        return "".join(value) if isinstance(value, list) else value

    return refusals(single(found), PROPERTIES)


def made(component: str, *lines: str, time: int = TIME, **changes: Any) -> list[Document]:
    stream = STREAMS.get(component, component)
    batches = batches_of(packed(message(stream, events(lines, time=time))))
    return list(documents_of(batches, settings(**changes), now=NOW))


def source(component: str, line: str, **changes: Any) -> Json:
    (document,) = made(component, line, **changes)
    return dict(orjson.loads(document.source))


# --- What every line has


@pytest.mark.parametrize("component", LINES)
def test_every_real_line_is_a_document_under_its_own_id(component: str) -> None:
    documents = made(component, *LINES[component])
    assert [document.id for document in documents] == [event_id(number) for number in range(len(documents))]
    for number, (document, line) in enumerate(zip(documents, LINES[component], strict=True)):
        found = orjson.loads(document.source)
        assert document.index == TODAY
        assert found["@message"] == line
        assert found["component"] == component
        assert found["cluster"] == "eks-workshop"
        assert (found["@id"], found["@owner"], found["@log_group"]) == (event_id(number), OWNER, GROUP)
        assert found["@log_stream"] == STREAMS[component]
        assert not flaws(found)
        named = {field.name.split(".")[0] for field in CONTROL_PLANE_FIELDS}
        assert set(found) <= named, "a field that no mapping knows"


def test_the_dashboards_know_the_components() -> None:
    assert {name for names in COMPONENTS.values() for name in names} == set(STREAMS)
    assert {component_of(stream) for stream in STREAMS.values()} == set(STREAMS)


@pytest.mark.parametrize(
    ("stream", "component"),
    [
        ("kube-apiserver-audit-1f", "audit"),
        ("kube-apiserver-1f", "kube-apiserver"),
        ("something-new-0123456789abcdef", "something-new"),
        ("something-new", "something-new"),
        ("", ""),
    ],
)
def test_a_stream_says_who_writes(stream: str, component: str) -> None:
    assert component_of(stream) == component


def test_only_the_types_that_are_wanted_are_taken_and_whatever_is_new() -> None:
    assert not made("audit", "x", components=("kube-scheduler",))
    assert len(made("kube-scheduler", "x", components=("kube-scheduler",))) == 1
    assert len(made("something-new-0123456789", "x", components=())) == 1


def test_a_message_that_no_request_could_carry_is_cut() -> None:
    found = source("kube-scheduler", "ä" * 2**20)
    assert len(found["@message"].encode()) <= 2**20
    assert found["@message"].endswith("...[cut]")
    assert found["truncated"] is True


# --- Indices


@pytest.mark.parametrize(
    ("rotate", "time", "index"),
    [
        ("daily", TIME, "eks-control-plane-logs-2026.11.27"),
        ("monthly", TIME, "eks-control-plane-logs-2026.11"),
        ("never", TIME, "eks-control-plane-logs"),
        ("daily", None, "eks-control-plane-logs-undated"),
        ("monthly", 12, "eks-control-plane-logs-undated"),
        ("daily", 10**40, "eks-control-plane-logs-undated"),
        ("daily", -1, "eks-control-plane-logs-undated"),
        ("never", None, "eks-control-plane-logs"),
    ],
)
def test_the_index_is_of_cloudwatchs_time(rotate: str, time: int | None, index: str) -> None:
    assert index_of(settings(rotate=rotate), time) == index


def test_a_line_without_a_time_has_the_present() -> None:
    batches = batches_of(packed(message(STREAMS["kube-scheduler"], [{"message": "x"}])))
    (document,) = documents_of(batches, settings(), now=NOW)
    assert orjson.loads(document.source)["@timestamp"] == "2026-11-27T12:00:00.000Z"
    assert document.index == "eks-control-plane-logs-undated"


# --- klog


def test_a_structured_line_of_klog() -> None:
    found = source("kube-controller-manager", LINES["kube-controller-manager"][2])
    assert found["level"] == "info"
    assert found["message"] == "Controller is disabled by a feature gate"
    assert found["source"] == "controller_descriptor.go:99"
    assert found["data"]["controller"] == "kube-apiserver-serving-clustertrustbundle-publisher-controller"
    assert found["data"]["requiredFeatureGates"] == '["ClusterTrustBundle"]'


def test_quotes_within_a_value_of_klog() -> None:
    found = source("kube-controller-manager", LINES["kube-controller-manager"][4])
    assert found["level"] == "error"
    assert found["data"]["err"].startswith('pods "agent-7ngx2" is forbidden: violates PodSecurity "restricted:latest"')
    assert found["data"]["logger"] == "UnhandledError"


def test_a_value_of_several_lines() -> None:
    found = source("kube-apiserver", LINES["kube-apiserver"][-1])
    assert found["data"] == {
        "err": "http: Handler timeout\ncontext canceled",
        "logger": "UnhandledError",
        "method": "GET",
        "URI": "/api/v1/pods?limit=500",
    }


def test_a_plain_line_of_klog() -> None:
    found = source("kube-controller-manager", LINES["kube-controller-manager"][1])
    assert found["level"] == "warn"
    assert found["message"].startswith("Flexvolume plugin directory at /usr/libexec")
    assert "data" not in found


@pytest.mark.parametrize(
    ("head", "time", "written"),
    [
        ("I1127 03:33:37.090351", TIME, "2026-11-27T03:33:37.090351Z"),
        ("I1127 03:33:37.090000", TIME, "2026-11-27T03:33:37.090Z"),
        # A clock that is wrong, or another time zone.
        ("I1127 04:33:37.090351", TIME, "2026-11-27T03:33:37.123Z"),
        ("I0229 03:33:37.090351", TIME, "2026-11-27T03:33:37.123Z"),
        ("I1399 99:99:99.090351", TIME, "2026-11-27T03:33:37.123Z"),
        # Written on New Year's Eve, delivered in the next year.
        ("I1231 23:59:59.900000", 1_798_761_600_100, "2026-12-31T23:59:59.900Z"),
    ],
)
def test_the_time_of_a_line_is_its_own_where_it_can_be(head: str, time: int, written: str) -> None:
    found = source("kube-scheduler", f'{head}       1 server.go:175] "Starting"', time=time)
    assert found["@timestamp"] == written
    assert found["level"] == "info"


def test_a_json_line() -> None:
    found = source("kube-apiserver", LINES["kube-apiserver"][8])
    assert (found["level"], found["message"]) == ("warn", "retrying of unary invoker failed")
    assert found["data"]["logger"] == "etcd-client"
    assert found["data"]["attempt"] == "0"


# --- authenticator


def test_a_line_of_the_authenticator() -> None:
    found = source("authenticator", LINES["authenticator"][0])
    assert (found["level"], found["message"]) == ("info", "access granted")
    assert found["authenticator"] == {
        "arn": "arn:aws:iam::123456789012:role/workshop-admin",
        "username": "workshop-admin",
        "client": "127.0.0.1:41768",
        "groups": ["system:masters", "system:authenticated"],
    }
    assert found["data"]["path"] == "/authenticate"
    assert found["@timestamp"] == "2026-11-27T03:33:37.123Z", "the line's own has no milliseconds"
    assert source("authenticator", LINES["authenticator"][1])["level"] == "warn"


# --- audit


def audit_event(**changes: Any) -> Json:
    return {**json.loads(LINES["audit"][1]), **changes}


def test_an_audit_event_is_below_audit() -> None:
    line = next(line for line in LINES["audit"] if '"verb":"delete"' in line)
    found = source("audit", line)
    audit = found["audit"]
    assert (audit["verb"], audit["stage"]) == ("delete", "ResponseComplete")
    assert audit["user"]["username"] == "system:serviceaccount:default:reader"
    assert "system:authenticated" in audit["user"]["groups"]
    assert audit["objectRef"]["name"] == "settings"
    assert (audit["responseStatus"]["code"], audit["responseStatus"]["reason"]) == (403, "Forbidden")
    assert audit["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert "level" not in found, "its level is none of severity"


def test_bodies_are_cut_and_the_line_is_whole() -> None:
    line = json.dumps(audit_event(requestObject={"data": {"text": "x" * 100_000}}))
    found = source("audit", line)
    assert len(found["audit"]["requestObject"]) == 2048
    assert found["audit"]["requestObject"].endswith("...[cut]")
    assert found["@message"] == line


def test_an_audit_line_that_was_cut_keeps_what_is_there() -> None:
    whole = json.dumps(audit_event(requestObject={"data": {"text": "x" * 300_000}}))
    line = whole[: 256 * 1024]
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(line)
    found = source("audit", line)
    assert found["truncated"] is True
    assert found["audit"]["verb"] == json.loads(LINES["audit"][1])["verb"]
    assert found["audit"]["user"]["username"] == json.loads(LINES["audit"][1])["user"]["username"]
    assert "requestObject" not in found["audit"]
    assert found["@message"] == line


def test_the_time_of_an_audit_event_is_its_stages() -> None:
    stamp = "2026-11-27T03:33:30.123456Z"
    assert source("audit", json.dumps(audit_event(stageTimestamp=stamp)))["@timestamp"] == stamp
    skewed = json.dumps(audit_event(stageTimestamp="2020-11-27T03:33:30.123456Z"))
    assert source("audit", skewed)["@timestamp"] == "2026-11-27T03:33:37.123Z"


@pytest.mark.parametrize("line", ["", "not JSON", "{", "[]", "null", '{"a": 1}', "I1127 03:33:37.090351 1 a.go:1] x"])
def test_what_is_no_audit_event_is_a_line(line: str) -> None:
    found = source("audit", line)
    assert found["@message"] == line
    assert "audit" not in found


# --- Whatever comes


FIELDS = st.sampled_from([*audit_event(), "impersonatedUser", "requestObject", "responseObject"])
AUDITS = st.dictionaries(FIELDS, ANY_JSON | st.just("ä" * 17_000), max_size=6).map(
    lambda changes: json.dumps({**audit_event(), **changes})
)
KLOGS = st.builds(
    "I1127 03:33:37.090351       1 a.go:1] {}".format, ODD_TEXT | st.text('"\\=<>[]{} \n\tab', max_size=60)
)
LOGFMT = st.text('"\\=[]{} abt', max_size=60).map("level=info {}".format)
ANY_LINE = ODD_TEXT | KLOGS | LOGFMT | AUDITS | ANY_JSON.map(json.dumps)


@pytest.mark.parametrize("fast", [True, False], ids=["orjson", "python alone"])
@unhurried(deadline=None)
@given(st.lists(ANY_LINE, max_size=4), st.sampled_from([*STREAMS.values(), "new"]), st.integers() | st.none(), ANY_JSON)
def test_any_line_is_a_document_that_opensearch_takes(
    fast: bool, lines: list[str], stream: str, time: int | None, extracted: Any
) -> None:
    odd = [{"id": event_id(number), "timestamp": time, "message": line, "extractedFields": extracted}
           for number, line in enumerate(lines)]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "FAST", fast)
        documents = list(documents_of(batches_of(packed(message(stream, odd))), settings(), now=NOW))
    assert [document.id for document in documents] == [event_id(number) for number in range(len(lines))]
    for document in documents:
        assert b"\n" not in document.source
        found = orjson.loads(document.source)
        assert not flaws(found)
        datetime.fromisoformat(found["@timestamp"])


@given(ANY_LINE, st.integers(0, 400))
def test_a_line_may_end_anywhere(line: str, length: int) -> None:
    for component in ("audit", "kube-apiserver", "authenticator"):
        assert len(made(component, line[:length])) == 1


@pytest.mark.parametrize("unit", ['a="', "a=[", 'a="\\', "a", "a=<\n\t", "a={", "a=b ", '"', "\\", "{", "\x00"])
def test_no_line_takes_long(unit: str) -> None:
    for head in ("", 'I1127 03:33:37.090351       1 a.go:1] "x" ', "level=info ", "{"):
        for component in ("kube-apiserver", "audit"):
            (document,) = made(component, head + unit * (2**20 // len(unit)))
            assert len(document.source) < 8 * 2**20

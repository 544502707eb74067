"""Which documents a choice finds: asked of a fake that gives queries the meaning they have."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sidecar.errors import InputError
from sidecar.reading.kinds import Target, target
from sidecar.reading.matches import matches
from sidecar.reading.selection import Selection, event_query, log_query
from sidecar.reading.window import Window
from tests.support.fakes.searched import holds

Json = dict[str, Any]


def event(kind: str, name: str, *, workload: tuple[str, str] | None = None, **more: Any) -> Json:
    return {
        "cluster": "c",
        "kind": "Event",
        "metadata": {"namespace": "shop", "creationTimestamp": "2026-11-27T08:00:00Z"},
        "involvedObject": {"kind": kind, "name": name},
        **({"workload": dict(zip(("kind", "name"), workload, strict=True))} if workload else {}),
        **more,
    }


def finds(query: Json, document: Json) -> bool:
    return holds(query, ("index", 0, document))


WEB_POD, OTHER_POD = "web-5d4f8c7b96-x2v7q", "web-api-5d4f8c7b96-x2v7q"


@pytest.mark.parametrize(
    ("wanted", "document", "found"),
    [
        ("deployment/web", event("Deployment", "web"), True),
        ("deploy/web", event("ReplicaSet", "web-5d4f8c7b96"), True),
        ("deploy/web", event("Pod", WEB_POD), True),
        ("deploy/web", event("Pod", OTHER_POD), False),
        ("deploy/web", event("Pod", "any", workload=("Deployment", "web")), True),
        ("deploy/web", event("Pod", WEB_POD, workload=("Deployment", "other")), False),
        ("deployments.apps/web", event("Service", "web"), False),
        ("rs/web-5d4f8c7b96", event("Pod", WEB_POD, workload=("Deployment", "web")), True),
        ("sts/web", event("Pod", "web-12"), True),
        ("sts/web", event("Pod", "web-x"), False),
        ("ds/log", event("Pod", "log-x2v7q"), True),
        ("cj/nightly", event("Job", "nightly-29012345"), True),
        ("cj/nightly", event("Pod", "nightly-29012345-x2v7q"), True),
        ("job/nightly-29012345", event("Pod", "nightly-29012345-x2v7q", workload=("CronJob", "nightly")), True),
        ("po/a.b", event("Pod", "axb"), False),
        ("no/n1", event("Node", "n1"), True),
        ("certificates.cert-manager.io/web", event("Certificate", "web"), True),
        ("policies/p", event("Policy", "p"), True),
    ],
)
def test_an_object_brings_along_what_it_has_made(wanted: str, document: Json, *, found: bool) -> None:
    selection = Selection("c", target=target(wanted))
    assert finds(event_query(selection, Window()), document) is found
    if "workload" not in document:  # which the API server does not have
        assert matches(document, selection, Window()) is found


@pytest.mark.parametrize("text", ["web", "/web", "deployment/", "a/b/c", ""])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no object"):
        target(text)


def test_a_target_is_named_as_kubectl_does() -> None:
    assert str(target("svc/web")) == "service/web"
    assert target("Ingresses/a") == Target(("Ingress",), "a")


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection("c"), True),
        (Selection("other"), False),
        (Selection("c", namespace="shop"), True),
        (Selection("c", namespace="other"), False),
        (Selection("c", types=("warning",)), True),
        (Selection("c", types=("Normal",)), False),
        (Selection("c", reasons=("Failed", "backoff")), True),
        (Selection("c", reasons=("Failed",)), False),
    ],
)
def test_events_are_chosen_by_what_they_say(selection: Selection, *, found: bool) -> None:
    assert finds(event_query(selection, Window()), event("Pod", "p", type="Warning", reason="BackOff")) is found


def test_a_gap_is_found_whatever_is_wanted_where_it_reaches_into_the_window() -> None:
    gap = {
        "cluster": "c",
        "kind": "EventGap",
        "gap": {"from": "2026-11-27T07:00:00.000Z", "to": "2026-11-27T07:30:00.000Z"},
    }
    selection = Selection("c", namespace="shop", types=("Normal",))

    def at(hour: int, minute: int) -> datetime:
        return datetime(2026, 11, 27, hour, minute, tzinfo=UTC)

    assert finds(event_query(selection, Window(at(7, 20), at(8, 0))), gap)
    assert finds(event_query(selection, Window(None, at(7, 20))), gap)
    assert not finds(event_query(selection, Window(at(7, 40))), gap)
    assert not finds(event_query(selection, Window(), gaps=False), gap)


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection("c", namespace="shop", target=target("deploy/web"), level="warn"), True),
        (Selection("c", level="fatal"), False),
        (Selection("c", target=target(f"pod/{WEB_POD}"), containers=("main",), words="of Memory"), True),
        (Selection("c", containers=("other",)), False),
        (Selection("c", target=target("svc/web")), False),
    ],
)
def test_lines_are_chosen_by_pod_workload_severity_and_words(selection: Selection, *, found: bool) -> None:
    line = {
        "cluster": "c",
        "log": "out of memory",
        "level": "error",
        "kubernetes": {"namespace_name": "shop", "pod_name": WEB_POD, "container_name": "main"},
    }
    assert finds(log_query(selection, Window()), line) is found

"""The saved objects are what every OpenSearch Dashboards from 1.3 to 3.x imports, and the same for every cluster."""

import copy
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.config import Config, load, loads
from sidecar.config.controlplane import LOG_TYPES
from sidecar.render.components import COMPONENTS
from sidecar.render.dashboards import ndjson, saved_objects
from tests.support.panels.question import by_id
from tests.support.panels.validator import faults

Json = dict[str, Any]

ROOT = Path(__file__).parents[4]
FILES = [*sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / "tests/unit/render/golden").glob("*/*.yaml"))]
MINIMAL = "cluster: c\nopensearch: {url: 'http://h'}\n"


def titles(config: Config, kind: str) -> list[str]:
    return [thing["attributes"]["title"] for thing in saved_objects(config) if thing["type"] == kind]


def visual(name: str, config: Config | None = None) -> Json:
    """The state of a visualization."""
    found = {thing["attributes"]["title"]: thing for thing in saved_objects(config or loads(MINIMAL))}
    state: Json = json.loads(found[name]["attributes"]["visState"])
    return state


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_object_is_right(file: Path) -> None:
    objects = saved_objects(load(str(file)))

    assert faults(by_id(objects)) == []
    assert max(Counter((thing["type"], thing["id"]) for thing in objects).values()) == 1
    # Nobody could tell two of one title apart.
    assert max(Counter((thing["type"], thing["attributes"]["title"]) for thing in objects).values()) == 1


def test_without_severities_no_panel_shows_them() -> None:
    """They would be empty for ever."""
    every, less = (saved_objects(loads(f"{MINIMAL}logs: {{level: {level}}}\n")) for level in ("true", "false"))
    gone = {thing["attributes"]["title"] for thing in every} - {thing["attributes"]["title"] for thing in less}

    assert gone == {"Pod logs: by severity", "Pod logs: severities", "Pod logs: errors by workload"}
    shown = [ndjson([thing]) for thing in less if thing["type"] != "index-pattern"]
    assert not any('"level"' in text or '\\"level\\"' in text for text in shown)
    assert faults(by_id(less)) == []


def test_what_is_referred_to_comes_first() -> None:
    seen: set[tuple[str, str]] = set()
    for thing in saved_objects(loads(MINIMAL)):
        assert {(one["type"], one["id"]) for one in thing["references"]} <= seen
        seen.add((thing["type"], thing["id"]))


def test_every_object_is_on_a_dashboard() -> None:
    objects = saved_objects(loads(MINIMAL))
    shown = {one["id"] for thing in objects for one in thing["references"]}

    assert [
        thing["attributes"]["title"] for thing in objects if thing["id"] not in shown and thing["type"] != "dashboard"
    ] == []


def test_another_cluster_renders_the_same_bytes() -> None:
    one, other = loads(MINIMAL), loads(MINIMAL.replace("cluster: c", "cluster: another"))

    assert ndjson(saved_objects(one)) == ndjson(saved_objects(other))


def test_ids_stay_the_same_whatever_the_indices_are_called() -> None:
    one = loads(MINIMAL)
    other = loads(MINIMAL + "events: {index: e}\nlogs: {index: l}\ncontrolPlane: {index: cp}\n")

    def keys(config: Config) -> list[tuple[str, str]]:
        return [(thing["type"], thing["id"]) for thing in saved_objects(config)]

    assert keys(one) == keys(other)
    # An id that changes would leave the old object behind.
    dashboards = {
        thing["attributes"]["title"]: thing["id"] for thing in saved_objects(one) if thing["type"] == "dashboard"
    }
    assert dashboards == {
        "Kubernetes events": "43b9b4f0-fa4e-57d5-9ead-50bfe9cec3ff",
        "Pod logs": "3a343cdd-a79b-5d60-8874-65668c08f0f8",
        "Control-plane logs": "456bf600-b9aa-5610-81ea-8eaaeae4fa20",
        "Pipeline health": "8c986088-7d06-5b18-bc3d-8800ef1b65bf",
    }


def test_the_file_is_one_object_a_line() -> None:
    objects = saved_objects(loads(MINIMAL))
    lines = ndjson(objects).splitlines()

    assert [json.loads(line) for line in lines] == objects


def test_index_patterns_are_those_of_the_configuration() -> None:
    config = loads(
        MINIMAL + "logs: {index: l, routes: [{name: pay, namespaces: [pay], index: pay-logs, retain: 90d}]}\n"
        "events: {index: e, rotate: never}\n"
    )

    assert titles(config, "index-pattern") == [
        "e",
        "l-*,pay-logs-*",
        "eks-control-plane-logs-*",
        "fluent-sidecar-dead-letter",
        "e,eks-control-plane-logs-*,l-*,pay-logs-*",
    ]


def test_indices_for_which_a_pattern_has_no_room_are_named_on_the_dashboard() -> None:
    routes = ", ".join(f"{{name: r{at}, namespaces: [n{at}], index: {'x' * 90}-{at:03d}}}" for at in range(40))
    config = loads(MINIMAL + f"logs: {{routes: [{routes}]}}\n")

    longest = max(titles(config, "index-pattern"), key=len)
    about = visual("Pod logs: about", config)["params"]["markdown"]

    assert len(longest) <= 2000
    shown = set(titles(config, "index-pattern")[1].split(","))
    named = set(re.findall(r"`([^`]+)`", about))
    assert shown | named == {"eks-pod-logs-*", *(f"{'x' * 90}-{at:03d}-*" for at in range(40))}
    assert not shown & named


def test_without_pod_logs_there_is_nothing_of_them() -> None:
    config = loads(MINIMAL + "logs: {enabled: false}\n")

    assert faults(by_id(saved_objects(config))) == []
    assert titles(config, "dashboard") == ["Kubernetes events", "Control-plane logs", "Pipeline health"]
    assert "pod-logs" not in ndjson(saved_objects(config))


def test_control_plane_logs_that_are_not_taken_have_no_row() -> None:
    config = loads(MINIMAL + "controlPlane: {types: [audit, scheduler]}\n")
    searches = [title for title in titles(config, "search") if title.startswith("Control-plane")]

    assert searches == ["Control-plane logs: Audit, latest", "Control-plane logs: Scheduler, latest"]
    assert set(COMPONENTS) == set(LOG_TYPES)


def test_events_are_counted_by_uid_for_every_update_is_a_document() -> None:
    for thing in saved_objects(loads(MINIMAL)):
        if thing["type"] == "visualization" and thing["attributes"]["title"].startswith("Kubernetes events: "):
            metrics = [one for one in json.loads(thing["attributes"]["visState"])["aggs"] if one["schema"] == "metric"]
            if metrics:
                assert metrics[0]["type"] == "cardinality"
                assert metrics[0]["params"]["field"] == "metadata.uid"


def test_every_dashboard_has_a_list_of_clusters_and_links_to_the_others() -> None:
    objects = saved_objects(loads(MINIMAL))
    ids = {thing["attributes"]["title"]: thing["id"] for thing in objects if thing["type"] == "dashboard"}
    for title in ids:
        assert visual(f"{title}: filters")["params"]["controls"][0]["fieldName"] == "cluster"
        links = re.findall(r"\[([^\]]+)\]\(#/view/([^)]+)\)", visual(f"{title}: about")["params"]["markdown"])
        assert dict(links) == {other: key for other, key in ids.items() if other != title}


def test_fields_that_an_old_server_does_not_search_are_in_no_pattern() -> None:
    old, new = (
        loads(f"cluster: c\nopensearch: {{url: 'http://h', version: '{version}'}}") for version in ("2.11", "3.4")
    )

    def fields(config: Config) -> dict[str, list[str]]:
        pattern = next(thing for thing in saved_objects(config) if thing["attributes"]["title"].startswith("eks-pod"))
        return {spec["name"]: spec["esTypes"] for spec in json.loads(pattern["attributes"]["fields"])}

    assert fields(new)["data"] == ["flat_object"]
    assert fields(new)["log"] == ["match_only_text"]
    assert set(fields(new)) - set(fields(old)) == {"data", "kubernetes.labels"}
    assert fields(old)["log"] == ["text"]


def rename(thing: Json) -> None:
    thing["attributes"]["title"] += "!"


def later(thing: Json) -> None:
    thing["migrationVersion"][thing["type"]] = "8.0.0"


def lose_reference(thing: Json) -> None:
    thing["references"].pop()


def refer_elsewhere(thing: Json) -> None:
    thing["references"][0]["id"] = "00000000-0000-0000-0000-000000000000"


def underscore(thing: Json) -> None:
    thing["id"] = f"a_{thing['id']}"


def another_attribute(thing: Json) -> None:
    thing["attributes"]["hash"] = "x"


def another_type(thing: Json) -> None:
    thing["attributes"]["visState"] = thing["attributes"]["visState"].replace('"type":"pie"', '"type":"gantt"', 1)


@pytest.mark.parametrize(
    "harm", [rename, later, lose_reference, refer_elsewhere, underscore, another_attribute, another_type]
)
def test_the_judge_finds_what_is_wrong(harm: Callable[[Json], None]) -> None:
    objects = copy.deepcopy(saved_objects(loads(MINIMAL)))
    harm(next(thing for thing in objects if thing["attributes"]["title"] == "Kubernetes events: normal and warning"))

    assert faults(by_id(objects))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"x": 1}, "overlap"),
        ({"w": 49}, "outside"),
        ({"w": 5}, "holes"),
        ({"i": "99"}, "in the grid"),
    ],
)
def test_the_judge_sees_where_the_panels_are(change: Json, fault: str) -> None:
    objects = copy.deepcopy(saved_objects(loads(MINIMAL)))
    dashboard = next(thing for thing in objects if thing["type"] == "dashboard")
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    panels[0]["gridData"] |= change
    dashboard["attributes"]["panelsJSON"] = json.dumps(panels)

    assert fault in " ".join(faults(by_id(objects)))

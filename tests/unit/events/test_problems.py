import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sidecar.dev.recording import Recording, load
from sidecar.events.problems import Problem, problems

BEGAN = datetime(2026, 5, 4, 10, 0, 0, tzinfo=UTC)
Json = dict[str, Any]


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def stamp(seconds: float) -> str:
    return at(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(seconds: float) -> str:
    return at(seconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def event(
    version: int,
    about: str,
    reason: str,
    message: str = "",
    *,
    first: float,
    last: float | None = None,
    count: int = 1,
    uid: str = "",
    warning: bool = False,
    component: str = "kubelet",
) -> Json:
    """A core/v1 Event of a writer that fills in first, last and count; `about` is `Kind/name`."""
    kind, _, name = about.partition("/")
    return {
        "metadata": {
            "namespace": "shop",
            "name": f"{name}.{version}",
            "uid": uid or f"{about}.{reason}.{message}",
            "resourceVersion": str(version),
            "creationTimestamp": stamp(first),
        },
        "involvedObject": {"kind": kind, "namespace": "shop", "name": name},
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": stamp(first),
        "lastTimestamp": stamp(first if last is None else last),
        "count": count,
        "eventTime": None,
        "reportingComponent": component,
    }


def warning(version: int, about: str, reason: str, message: str = "", **more: Any) -> Json:
    return event(version, about, reason, message, warning=True, **more)


def scaled(version: int, name: str, replica_set: str, seconds: float) -> Json:
    message = f"Scaled up replica set {replica_set} from 0 to 1"
    component = "deployment-controller"
    return event(version, f"Deployment/{name}", "ScalingReplicaSet", message, first=seconds, component=component)


def created(version: int, replica_set: str, pod: str, seconds: float) -> Json:
    component = "replicaset-controller"
    message = f"Created pod: {pod}"
    return event(version, f"ReplicaSet/{replica_set}", "SuccessfulCreate", message, first=seconds, component=component)


def deleted(version: int, replica_set: str, pod: str, seconds: float) -> Json:
    return created(version, replica_set, pod, seconds) | {
        "reason": "SuccessfulDelete",
        "message": f"Deleted pod: {pod}",
    }


def started(version: int, pod: str, seconds: float) -> Json:
    return event(version, f"Pod/{pod}", "Started", "Container started", first=seconds)


def only(*documents: Mapping[str, Any]) -> Problem:
    (problem,) = problems(documents)
    return problem


# The real thing


@pytest.fixture(scope="module")
def recording() -> Recording:
    return load()


def of_scenarios(documents: Any) -> dict[str, Problem]:
    return {problem.name: problem for problem in problems(documents) if problem.namespace == "test"}


def test_while_the_scenarios_fail_three_problems_are_open(recording: Recording) -> None:
    found = of_scenarios(recording.documents(until="fixed"))
    assert sorted(found) == ["scenario-a", "scenario-b", "scenario-c"]
    assert {(each.kind, each.state, each.resolved_at, each.resolved_by) for each in found.values()} == {
        ("Deployment", "open", None, "")
    }
    a, b, c = (found[f"scenario-{name}"] for name in "abc")
    assert a.reasons == ("FailedMount",)
    assert a.message == 'MountVolume.SetUp failed for volume "secret-volume" : secret "misspelt-secret-name" not found'
    assert b.reasons == ("Failed", "BackOff")
    assert b.message.startswith('Failed to pull image "wrong-image": failed to pull and unpack image')
    assert c.reasons == ("FailedScheduling",)
    assert c.message.startswith("0/1 nodes are available: 1 Insufficient cpu.")
    assert (a.count, b.count, c.count) == (10, 51, 2)


def test_once_they_are_fixed_three_problems_are_resolved(recording: Recording) -> None:
    failing, whole = of_scenarios(recording.documents(until="fixed")), of_scenarios(recording.documents())
    for name, problem in whole.items():
        assert problem.state == "resolved"
        assert problem.resolved_at is not None
        assert problem.last_seen < problem.resolved_at <= recording.end
        assert problem.resolved_by.startswith(f"Started pod/{name}-")
        assert (problem.message, problem.count) == (failing[name].message, failing[name].count)
    assert len(whole) == 3


def test_neither_order_nor_duplicates_nor_older_versions_matter(recording: Recording) -> None:
    documents = list(recording.documents())
    mixed = documents * 2
    random.Random(7).shuffle(mixed)
    assert problems(mixed) == problems(documents)


def test_the_last_versions_alone_tell_the_same(recording: Recording) -> None:
    newest = {document["metadata"]["uid"]: document for document in recording.documents()}
    assert problems(newest.values()) == problems(recording.documents())


def test_names_tell_where_the_controllers_events_are_gone(recording: Recording) -> None:
    gone = {"ScalingReplicaSet", "SuccessfulCreate", "SuccessfulDelete"}
    rest = [document for document in recording.documents() if document["reason"] not in gone]
    assert of_scenarios(rest) == of_scenarios(recording.documents())


# Whose problem it is


def test_the_events_of_controllers_beat_names() -> None:
    # A ReplicaSet that nobody scaled, whose name looks like a Deployment's, has an owner of its own here.
    pod = "odd-name-bcdfgh-x2v7q"
    problem = only(
        scaled(1, "renamed", "odd-name-bcdfgh", 0),
        created(2, "odd-name-bcdfgh", pod, 1),
        warning(3, f"Pod/{pod}", "X", first=2),
    )
    assert (problem.kind, problem.name) == ("Deployment", "renamed")


@pytest.mark.parametrize(
    ("about", "kind", "name"),
    [
        ("Pod/web-5d4f8c7b96-x2v7q", "Deployment", "web"),
        ("Pod/web-api-5d4f8c7b96-x2v7q", "Deployment", "web-api"),
        ("ReplicaSet/web-5d4f8c7b96", "Deployment", "web"),
        ("Pod/web-0", "Pod", "web-0"),
        ("Pod/agent-x2v7q", "Pod", "agent-x2v7q"),
        ("Pod/web-5d4f8c7b96-aeiou", "Pod", "web-5d4f8c7b96-aeiou"),
        ("ReplicaSet/web", "ReplicaSet", "web"),
        ("PersistentVolumeClaim/data-5d4f8c7b96-x2v7q", "PersistentVolumeClaim", "data-5d4f8c7b96-x2v7q"),
    ],
)
def test_generated_names_name_the_deployment(about: str, kind: str, name: str) -> None:
    problem = only(warning(1, about, "Unhappy", first=0))
    assert (problem.namespace, problem.kind, problem.name) == ("shop", kind, name)


@pytest.mark.parametrize(
    ("component", "about", "message", "pod"),
    [
        ("statefulset-controller", "StatefulSet/db", "create Pod db-0 in StatefulSet db successful", "db-0"),
        ("daemonset-controller", "DaemonSet/agent", "Created pod: agent-x2v7q", "agent-x2v7q"),
        ("job-controller", "Job/backup-1", "Created pod: backup-1-zzzzz", "backup-1-zzzzz"),
    ],
)
def test_other_controllers_own_pods_too(component: str, about: str, message: str, pod: str) -> None:
    own = event(1, about, "SuccessfulCreate", message, first=0, component=component)
    problem = only(own, warning(2, f"Pod/{pod}", "FailedMount", first=1))
    assert f"{problem.kind}/{problem.name}" == about


def test_a_job_belongs_to_its_cronjob() -> None:
    component = "cronjob-controller"
    cron = event(1, "CronJob/backup", "SuccessfulCreate", "Created job backup-1", first=0, component=component)
    job = event(2, "Job/backup-1", "SuccessfulCreate", "Created pod: backup-1-z", first=0, component="job-controller")
    problem = only(cron, job, warning(3, "Pod/backup-1-z", "Failed", first=1))
    assert (problem.kind, problem.name) == ("CronJob", "backup")


def test_only_the_controllers_word_counts() -> None:
    lie = created(1, "other-5d4f8c7b96", "db-0", 0) | {"source": {"component": "me"}, "reportingComponent": "me"}
    assert only(lie, warning(2, "Pod/db-0", "Failed", first=1)).name == "db-0"


def test_the_pods_of_one_deployment_are_one_problem() -> None:
    problem = only(
        warning(1, "Pod/web-5d4f8c7b96-x2v7q", "FailedMount", "why", first=0, last=9, count=4),
        warning(2, "Pod/web-5d4f8c7b96-bbbbb", "FailedMount", "why", first=3, last=7, count=2),
        warning(3, "ReplicaSet/web-5d4f8c7b96", "FailedCreate", "quota", first=5),
    )
    assert (problem.count, problem.reasons) == (7, ("FailedMount", "FailedCreate"))
    assert (problem.first_seen, problem.last_seen) == (at(0), at(9))


# What is said


@pytest.mark.parametrize(
    ("cause", "echo"),
    [
        ('Failed to pull image "x": not found', "Error: ErrImagePull"),
        ('Failed to pull image "x": not found', "Error: ImagePullBackOff"),
        ('Failed to pull image "x": not found', 'Back-off pulling image "x"'),
        (
            'MountVolume.SetUp failed for volume "v" : secret "s" not found',
            "Unable to attach or mount volumes: unmounted volumes=[v]: timed out waiting for the condition",
        ),
        ("Error: secret not found in the key map", "Back-off restarting failed container x in pod y_z(1)"),
        ("why", ""),
    ],
)
def test_the_cause_is_told_even_if_an_echo_is_newer(cause: str, echo: str) -> None:
    first, second = warning(1, "Pod/p", "Failed", cause, first=0), warning(2, "Pod/p", "Failed", echo, first=9)
    assert only(first, second).message == cause
    assert only(second).message == echo


def test_of_two_causes_the_newer_is_told() -> None:
    versions = [(3, "0/3 nodes are available", 9.0), (1, "0/2 nodes are available", 4.0)]
    documents = [warning(v, "Pod/p", "FailedScheduling", text, first=0, last=last) for v, text, last in versions]
    assert only(*documents).message == "0/3 nodes are available"


def test_a_normal_back_off_is_a_symptom_and_other_normal_events_are_none() -> None:
    assert problems([event(1, "Pod/p", "Pulling", first=0), started(2, "p", 1)]) == []
    assert only(event(1, "Pod/p", "BackOff", 'Back-off pulling image "x"', first=0)).reasons == ("BackOff",)


def test_the_highest_count_of_each_event_counts() -> None:
    versions = [(1, 1), (7, 3), (5, 5)]
    one = [warning(n, "Pod/p", "F", "x", first=0, last=n, count=count, uid="one") for n, count in versions]
    assert only(*one, warning(9, "Pod/p", "F", "y", first=0, count=2, uid="two")).count == 7


def test_the_times_of_the_new_events_api_are_read() -> None:
    document = warning(1, "Pod/p", "FailedScheduling", "no", first=0) | {
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": micro(0.5),
        "series": {"count": 6, "lastObservedTime": micro(42.25)},
    }
    del document["count"]
    problem = only(document)
    assert (problem.first_seen, problem.last_seen, problem.count) == (at(0), at(42.25), 6)


# Whether it is over


FAILING = "web-5d4f8c7b96-x2v7q"
NEXT = "web-6c6c6c6c6c-bbbbb"


def test_started_after_the_last_symptom_resolves() -> None:
    mount = warning(1, f"Pod/{FAILING}", "FailedMount", "why", first=0, last=60, count=9)
    problem = only(mount, started(2, NEXT, 70), started(3, "web-6c6c6c6c6c-ccccc", 75))
    assert (problem.state, problem.resolved_at, problem.resolved_by) == ("resolved", at(70), f"Started pod/{NEXT}")


@pytest.mark.parametrize("reason", ["Scheduled", "Pulled", "Created", "Killing"])
def test_less_than_started_resolves_nothing(reason: str) -> None:
    pull = warning(1, f"Pod/{FAILING}", "Failed", "why", first=0)
    assert only(pull, event(2, f"Pod/{NEXT}", reason, first=9)).state == "open"


def test_what_started_before_or_elsewhere_resolves_nothing() -> None:
    mount = warning(5, f"Pod/{FAILING}", "FailedMount", "why", first=0, last=60)
    assert only(mount, started(4, NEXT, 50), started(6, "shop-6c6c6c6c6c-bbbbb", 70)).state == "open"


def test_a_symptom_after_the_start_opens_it_again() -> None:
    crash = "Back-off restarting failed container x in pod y"
    versions = [warning(n, "Pod/p", "BackOff", crash, first=1, last=n * 10, count=n, uid="b") for n in (1, 3)]
    starts = [started(2, "p", 20)]
    assert only(versions[0], *starts).state == "resolved"
    assert only(*versions, *starts).state == "open"


def test_within_a_second_the_resource_version_decides() -> None:
    mount = warning(5, f"Pod/{FAILING}", "FailedMount", "why", first=0)
    assert only(mount, started(6, NEXT, 0)).state == "resolved"
    assert only(mount, started(4, NEXT, 0)).state == "open"
    scheduling = mount | {"firstTimestamp": None, "lastTimestamp": None, "eventTime": micro(0.9)}
    assert only(scheduling, started(6, NEXT, 0)).state == "resolved", "Started has no fraction of its second"


def test_a_deleted_pod_that_failed_on_beside_its_successor_counts_no_more() -> None:
    story = [
        warning(1, f"Pod/{FAILING}", "Failed", "why", first=0),
        started(2, NEXT, 70),
        event(3, f"Pod/{FAILING}", "BackOff", "again", first=71),
    ]
    assert only(*story).state == "open"
    problem = only(*story, deleted(4, "web-5d4f8c7b96", FAILING, 72))
    assert (problem.state, problem.resolved_at) == ("resolved", at(70))


def test_every_failing_pod_has_to_end() -> None:
    one = warning(1, f"Pod/{FAILING}", "FailedMount", "why", first=0)
    two = warning(3, "Pod/web-5d4f8c7b96-zzzzz", "FailedMount", "why", first=20)
    assert only(one, started(2, NEXT, 10)).resolved_at == at(10)
    assert only(one, started(2, NEXT, 10), two).state == "open"
    assert only(one, started(2, NEXT, 10), two, started(4, NEXT, 30) | {"metadata": {"uid": "s"}}).resolved_at == at(30)


# Odd input


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"metadata": None, "type": "Warning"},
        {"type": "Warning", "metadata": {"creationTimestamp": "yesterday"}},
        {"type": 7, "involvedObject": "x", "series": [], "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}},
    ],
)
def test_an_odd_event_is_never_fatal(odd: Json) -> None:
    fine = warning(1, "Pod/p", "Failed", "why", first=0)
    assert problems([odd, fine]) == [only(fine)]


def test_a_warning_with_little_in_it_is_shown_as_it_is() -> None:
    problem = only({"type": "Warning", "metadata": {"creationTimestamp": stamp(3)}, "count": "many"})
    assert problem == Problem("", "", "", ("",), at(3), at(3), 1, "")


def test_a_node_has_no_namespace_and_stays_open() -> None:
    node = warning(1, "Node/n1", "CgroupV1", "old", first=0) | {"involvedObject": {"kind": "Node", "name": "n1"}}
    problem = only(node)
    assert (problem.namespace, problem.kind, problem.name, problem.state) == ("", "Node", "n1", "open")


# One that comes back

APART = timedelta(minutes=30)
HOUR = 3600


def test_one_that_was_over_for_long_is_another_one_when_it_comes_back() -> None:
    story = [
        warning(1, f"Pod/{FAILING}", "FailedMount", "why", first=0, last=60, count=5, uid="u"),
        started(2, FAILING, 90),
        # The same Event, counted on: of its seven times two belong to the second problem.
        warning(3, f"Pod/{FAILING}", "FailedMount", "why", first=0, last=HOUR, count=7, uid="u"),
        warning(4, f"Pod/{FAILING}", "Failed", "also", first=HOUR + 5, uid="v"),
    ]

    first, second = problems(story, apart=APART)

    assert (first.state, first.count, first.first_seen, first.resolved_at) == ("resolved", 5, at(0), at(90))
    assert (second.state, second.count, second.first_seen) == ("open", 3, at(HOUR))
    assert second.reasons == ("FailedMount", "Failed")
    assert [problem.first_seen for problem in problems(story)] == [at(0)]


@pytest.mark.parametrize("ended", [True, False])
def test_one_that_comes_back_soon_or_was_never_over_is_the_same(*, ended: bool) -> None:
    again = 25 * 60 if ended else HOUR
    story = [
        warning(1, f"Pod/{FAILING}", "BackOff", "why", first=0, uid="u"),
        *([started(2, FAILING, 90)] if ended else []),
        warning(3, f"Pod/{FAILING}", "BackOff", "why", first=0, last=again, count=2, uid="u"),
    ]
    (problem,) = problems(story, apart=APART)
    assert (problem.count, problem.first_seen, problem.state) == (2, at(0), "open")


def test_a_document_that_names_the_workload_is_believed() -> None:
    top = {"workload": {"kind": "StatefulSet", "name": "db"}}
    pod = warning(1, "Pod/db-0", "FailedMount", "why", first=0) | top
    # Of one that was not enriched the same object's other documents tell.
    other = warning(2, "Pod/db-0", "Failed", "why", first=5)
    claim = warning(3, "StatefulSet/db", "FailedCreate", "why", first=9)
    (problem,) = problems([pod, other, claim])
    assert (problem.kind, problem.name, problem.count) == ("StatefulSet", "db", 3)

"""What the chart renders: a golden file for each feature, and what must hold in all of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar import __version__
from sidecar.config import loads
from tests.support.chart import CHART
from tests.support.golden import check_golden
from tests.support.helm import KUBERNETES, MINIMAL, call, containers, mounts, one, pod_of, pods_in, render

GOLDEN = Path(__file__).parent / "golden"
VALUE = {"securityContext": "podSecurityContext"}
FEATURES = sorted((CHART / "ci").glob("*-values.yaml"))

feature = pytest.mark.parametrize("values", FEATURES, ids=lambda path: path.name.removesuffix("-values.yaml"))


@feature
def test_a_feature_renders_as_when_somebody_last_looked(helm: Path, values: Path, *, update_golden: bool) -> None:
    files = {}
    for found in render(helm, values):
        name = f"{found['kind']}-{found['metadata']['name']}.yaml"
        assert name not in files
        text = yaml.safe_dump(found, sort_keys=False, width=120, allow_unicode=True)
        files[name] = text.replace(__version__, "VERSION")  # a release changes none

    how = GOLDEN / values.name.removesuffix("-values.yaml")
    check_golden(how, files, update=update_golden)


@feature
def test_a_feature_passes_the_strict_lint(helm: Path, values: Path) -> None:
    assert "0 chart(s) failed" in call(helm, "lint", "--strict", CHART, "--kube-version", KUBERNETES, "-f", str(values))


@feature
def test_what_holds_for_every_pod(helm: Path, values: Path) -> None:
    for pod in pods_in(render(helm, values)):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        volumes = [volume["name"] for volume in pod["volumes"]]
        assert len(volumes) == len(set(volumes))
        used = {mount["name"] for container in containers(pod).values() for mount in container.get("volumeMounts", [])}
        assert used == set(volumes)
        for name, container in containers(pod).items():
            if name in {"first", "more"}:  # the user's own
                continue
            security = container["securityContext"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert (security["runAsUser"] == 0) == (name in {"prepare", "fluent-bit"})
            assert not any("subPath" in mount for mount in container["volumeMounts"])
            places = [mount["mountPath"] for mount in container["volumeMounts"]]
            assert len(places) == len(set(places))
            names = [variable["name"] for variable in container.get("env", [])]
            assert len(names) == len(set(names))
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_only_the_sidecar_gets_the_token_and_no_log_can_be_written(helm: Path) -> None:
    pod = pod_of(render(helm, MINIMAL))

    holders = [name for name, found in containers(pod).items() if "token" in mounts(found)]
    assert holders == ["sidecar"]
    for name in ("sidecar", "fluent-bit"):
        assert mounts(containers(pod)[name])["logs"]["readOnly"] is True
    assert mounts(containers(pod)["fluent-bit"])["run"]["readOnly"] is True
    assert "logs" not in mounts(containers(pod)["prepare"])


def test_the_sidecar_keeps_running_and_is_asked_about_itself_alone(helm: Path) -> None:
    sidecar = containers(pod_of(render(helm, MINIMAL)))["sidecar"]

    assert sidecar["restartPolicy"] == "Always"
    paths = {probe: sidecar[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    fields = {
        found["name"]: found.get("value") or found["valueFrom"]["fieldRef"]["fieldPath"] for found in sidecar["env"]
    }
    assert fields == {
        "SIDECAR_CONFIG": "/etc/fluent-sidecar/pipeline.yaml",
        "SIDECAR_STATE": "/var/lib/fluent-sidecar",
        "NODE_NAME": "spec.nodeName",
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
        "POD_UID": "metadata.uid",
    }


def test_kubectl_describe_says_why_a_container_ended(helm: Path) -> None:
    manager = {"basic": {"username": {"env": "U"}, "password": {"env": "P"}}}
    pipeline = MINIMAL["pipeline"] | {"opensearch": {"url": "https://h", "manage": {"auth": manager}}}
    rendered = render(helm, {"pipeline": pipeline})

    for pod in (pod_of(rendered), one(rendered, "Job")["spec"]["template"]["spec"]):
        policies = {name: found.get("terminationMessagePolicy") for name, found in containers(pod).items()}
        assert set(policies.values()) == {"FallbackToLogsOnError"}, policies


def test_a_change_of_the_configuration_alone_is_no_new_pod(helm: Path) -> None:
    other = {"pipeline": MINIMAL["pipeline"] | {"events": {"retain": "3d"}, "logs": {"redact": ["secrets"]}}}

    assert pod_of(render(helm, other)) == pod_of(render(helm, MINIMAL))


def test_a_change_of_what_the_pod_is_made_of_is_a_new_pod(helm: Path) -> None:
    for change in ({"agent": {"port": 3000}}, {"paths": {"state": "/s"}}, {"fluentbit": {"version": "5.1.3"}}):
        other: dict[str, Any] = {"pipeline": MINIMAL["pipeline"] | change}
        assert pod_of(render(helm, other)) != pod_of(render(helm, MINIMAL))


def test_two_releases_share_no_folder_and_no_name_outside_their_namespaces(helm: Path) -> None:
    def marks(release: str, namespace: str) -> set[str]:
        objects = render(helm, MINIMAL | {"namespaceOverride": namespace, "fullnameOverride": release})
        [state] = [found for found in pod_of(objects)["volumes"] if found["name"] == "state"]
        names = {f"{kind} {one(objects, kind)['metadata']['name']}" for kind in ("ClusterRole", "ClusterRoleBinding")}
        return {state["hostPath"]["path"], *names}

    assert not marks("b-c", "a") & marks("c", "a-b")


@pytest.mark.parametrize(
    ("values", "lease"),
    [
        ({"fullnameOverride": "other"}, "other"),
        ({"fullnameOverride": "fluent-sidecar"}, "fluent-sidecar"),
        ({"fullnameOverride": "other", "pipeline": MINIMAL["pipeline"] | {"events": {"lease": "mine"}}}, "mine"),
        # What a ConfigMap of the user's says isn't known: the default.
        ({"fullnameOverride": "other", "existingConfigMap": "mine"}, "fluent-sidecar"),
    ],
)
def test_each_release_has_a_leader_of_its_own(helm: Path, values: dict[str, Any], lease: str) -> None:
    objects = render(helm, MINIMAL | values)

    assert [lease] in [rule.get("resourceNames") for rule in one(objects, "Role")["rules"]]
    if "existingConfigMap" not in values:
        text = one(objects, "ConfigMap")["data"]["pipeline.yaml"]
        assert loads(text).events.lease == lease


@pytest.mark.parametrize("release", ["r" * 53, "fluent-sidecar", "x"])
def test_names_are_short_enough_for_what_is_appended(helm: Path, release: str) -> None:
    for found in render(helm, CHART / "ci/manager-values.yaml", release=release):
        name = found["metadata"]["name"]
        longest = 52 + len("-apply") if found["kind"] in {"Job", "ServiceAccount"} else 63
        assert len(name) <= longest
        assert not name.endswith("-")


def test_fluent_bit_gets_of_the_credentials_what_it_reads_itself_alone(helm: Path) -> None:
    pod = pod_of(render(helm, CHART / "ci/mtls-values.yaml"))
    [volume] = [found for found in pod["volumes"] if found["name"] == "certificates"]
    assert {found["key"] for found in volume["secret"]["items"]} == {"tls.crt", "tls.key", "ca.crt"}
    assert mounts(containers(pod)["fluent-bit"])["certificates"]["mountPath"] == "/run/secrets/opensearch"

    passwords = pod_of(render(helm, CHART / "ci/credentials-values.yaml"))
    assert "credentials" in mounts(containers(passwords)["sidecar"])
    assert mounts(containers(passwords)["fluent-bit"]).keys() == {"state", "run", "logs", "ca"}


def test_the_job_gets_the_ca_that_is_beside_a_client_certificate_and_not_the_key(helm: Path) -> None:
    values = yaml.safe_load((CHART / "ci/mtls-values.yaml").read_text()) | {"apply": {"existingSecret": "manager"}}
    basic = {name: {"file": f"/run/secrets/manager/{name}"} for name in ("username", "password")}
    values["pipeline"]["opensearch"]["manage"] = {"auth": {"basic": basic}}
    job = one(render(helm, values), "Job")["spec"]["template"]["spec"]

    [volume] = [found for found in job["volumes"] if found["name"] == "certificates"]
    assert volume["secret"]["secretName"] == "opensearch-client"
    assert [found["key"] for found in volume["secret"]["items"]] == ["ca.crt"]
    assert mounts(job["containers"][0])["certificates"]["mountPath"] == "/run/secrets/opensearch"


def test_the_managers_password_is_in_the_job_alone(helm: Path) -> None:
    objects = render(helm, CHART / "ci/manager-values.yaml")
    job = one(objects, "Job")["spec"]["template"]["spec"]
    node = pod_of(objects)

    assert "opensearch-manager" in str(job["volumes"])
    assert "opensearch-writer" not in str(job["volumes"])
    assert "opensearch-manager" not in str(node)
    assert job["serviceAccountName"] != node["serviceAccountName"]


@pytest.mark.parametrize(
    ("account", "name", "made"),
    [
        ({}, "test-fluent-sidecar", True),
        ({"name": "mine"}, "mine", True),
        ({"create": False, "name": "mine"}, "mine", False),
        ({"create": False}, "default", False),
    ],
)
def test_the_service_account_is_the_one_that_is_named(
    helm: Path, account: dict[str, Any], name: str, *, made: bool
) -> None:
    objects = render(helm, MINIMAL | {"serviceAccount": account})

    assert pod_of(objects)["serviceAccountName"] == name
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        assert [subject["name"] for subject in one(objects, kind)["subjects"]] == [name]
    assert [found["metadata"]["name"] for found in objects if found["kind"] == "ServiceAccount"] == [name] * made


def test_no_job_where_the_leader_manages_or_nobody_does(helm: Path) -> None:
    for manage in (True, False):
        opensearch = {"opensearch": {"url": "https://h", "manage": manage}}
        assert "Job" not in {found["kind"] for found in render(helm, {"pipeline": MINIMAL["pipeline"] | opensearch})}


def test_nothing_depends_on_the_cluster_that_it_is_rendered_for() -> None:
    for file in (CHART / "templates").iterdir():
        assert "lookup" not in file.read_text(), file
        assert ".Capabilities" not in file.read_text(), file


def test_labels_and_annotations_of_ours_are_not_doubled_by_the_users(helm: Path) -> None:
    labels = {"app.kubernetes.io/component": "mine", "app.kubernetes.io/part-of": "mine", "team": "x"}
    given = MINIMAL | {
        "commonLabels": labels,
        "podLabels": labels,
        "podAnnotations": {"kubectl.kubernetes.io/default-container": "fluent-bit"},
        "serviceAccount": {"labels": labels},
        "podMonitor": {"enabled": True, "labels": labels},
        "prometheusRule": {"enabled": True, "labels": labels, "alertLabels": {"severity": "info"}},
    }

    objects = render(helm, given)  # which refuses a key that is there twice

    template = one(objects, "DaemonSet")["spec"]["template"]["metadata"]
    assert template["labels"]["app.kubernetes.io/component"] == "node"
    assert template["annotations"] == {"kubectl.kubernetes.io/default-container": "fluent-bit"}
    for found in objects:
        assert found["metadata"]["labels"]["team"] == "x"
    [group] = one(objects, "PrometheusRule")["spec"]["groups"]
    assert {rule["labels"]["severity"] for rule in group["rules"]} == {"info"}


def test_a_probe_may_be_another_one(helm: Path) -> None:
    given = {"startupProbe": {"httpGet": {"path": "/livez"}}, "livenessProbe": {"exec": {"command": ["true"]}}}

    sidecar = containers(pod_of(render(helm, MINIMAL | {"sidecar": given})))["sidecar"]

    assert sidecar["startupProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}
    assert "httpGet" not in sidecar["livenessProbe"]
    assert sidecar["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_what_is_set_to_null_is_gone(helm: Path) -> None:
    for gone in ("affinity", "nodeSelector", "tolerations", "securityContext"):
        assert gone not in pod_of(render(helm, MINIMAL, "--set", f"{VALUE.get(gone, gone)}=null"))
    for gone in ("livenessProbe", "securityContext", "resources"):
        assert gone not in containers(pod_of(render(helm, MINIMAL, "--set", f"sidecar.{gone}=null")))["sidecar"]
    # A map is merged: what is beside it stays.
    assert "affinity" in pod_of(render(helm, MINIMAL | {"affinity": {}}))

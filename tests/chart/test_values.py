"""What the chart's values may be: the schema, the messages, and pipeline.yaml as it arrives in the ConfigMap."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import sidecar
from sidecar.config import loads
from sidecar.render.layout import Layout
from tests.support.chart import CHART, VALUES, generated, values
from tests.support.helm import MINIMAL, HelmError, containers, mounts, one, pod_of, render

ROOT = Path(__file__).parents[2]
SECRET = "hunter2-not-a-reference"


def with_pipeline(**more: Any) -> dict[str, Any]:
    return {"pipeline": MINIMAL["pipeline"] | more}


def test_schema_and_readme_are_the_generated_ones(*, update_golden: bool) -> None:
    for path, content in generated().items():
        if update_golden:
            path.write_text(content)
        assert path.read_text() == content, "`make chart` writes it again"


def test_every_key_is_described() -> None:
    def bare(found: tuple[Any, ...], above: str = "") -> list[str]:
        return [
            path
            for value in found
            for path in (bare(value.inner, f"{above}{value.name}.") if value.inner else [f"{above}{value.name}"])
            if value.inner or not value.text
        ]

    assert bare(values(VALUES.read_text())) == []


def test_every_key_is_used() -> None:
    """A key of values.yaml that no template reads is a promise that nothing keeps."""
    text = "".join(file.read_text() for file in (CHART / "templates").iterdir())

    def paths(found: tuple[Any, ...], above: str = "") -> list[str]:
        return [
            path
            for value in found
            for path in (paths(value.inner, f"{above}{value.name}.") if value.inner else [f"{above}{value.name}"])
        ]

    handed_on = {"image": "Values.image", "fluentBit.image": "Values.fluentBit.image"}  # to the helper, as a whole
    monitors = ("podMonitor", "serviceMonitor")  # one template for both
    for path in paths(values(VALUES.read_text())):
        section, _, name = path.rpartition(".")
        if section in handed_on:
            assert f".image.{name}" in text or f"Values.{path}" in text, path
        elif section in monitors:
            assert f"$monitor.{name}" in text, path
        else:
            assert f".Values.{path}" in text, path


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pipeline": {"clutser": "c"}}, "/pipeline': additional properties 'clutser' not allowed"),
        (with_pipeline(events={"retian": "3d"}), "/pipeline/events': additional properties 'retian'"),
        (with_pipeline(events={"retain": "3 days"}), "/pipeline/events/retain'"),
        (with_pipeline(logs={"routes": [{"name": "r", "index": "i", "rotate": "weekly"}]}), "/logs/routes/0/rotate'"),
        (with_pipeline(buffer={"disk": 1000000000}), "/pipeline/buffer/disk': got number, want string"),
        ({"image": {"tagg": "1"}}, "/image': additional properties 'tagg'"),
        ({"image": {"digest": "sha256:1"}}, "/image/digest'"),
        ({"fluentBit": {"image": {"pullPolicy": "Sometimes"}}}, "/fluentBit/image/pullPolicy'"),
        ({"rbac": {"create": "yes"}}, "/rbac/create': got string, want boolean"),
        ({"tolerations": {"operator": "Exists"}}, "/tolerations': got object, want array"),
        ({"state": {"hostPath": "relative"}}, "/state/hostPath'"),
        (with_pipeline(paths={"state": "relative"}), "/pipeline/paths/state'"),
        ({"sidecar": {"extraEnv": [{"name": "A", "value": 1}]}}, "/sidecar/extraEnv/0/value': got number, want string"),
        ({"nope": 1}, "additional properties 'nope' not allowed"),
    ],
)
def test_the_schema_refuses(helm: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmError) as error:
        render(helm, MINIMAL | given)

    assert said in str(error.value)


def test_a_password_in_place_of_a_reference_is_refused_without_being_shown(helm: Path) -> None:
    password = {"basic": {"username": {"env": "U"}, "password": SECRET}}

    with pytest.raises(HelmError) as error:
        render(helm, with_pipeline(opensearch={"url": "https://h", "auth": password}))

    assert "password" in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("section", ["opensearch", "dashboards"])
def test_a_password_in_an_address_is_refused_without_being_shown(helm: Path, section: str) -> None:
    with pytest.raises(HelmError) as error:
        render(helm, with_pipeline(**{section: {"url": f"https://user:{SECRET}@h"}}))

    assert f"pipeline.{section}.url: user and password don't belong in the address" in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "pipeline.cluster is missing: the cluster's name, such as --set pipeline.cluster=my-cluster"),
        ({"pipeline": {"cluster": "c"}}, "pipeline.opensearch.url is missing: such as --set pipeline.opensearch.url="),
        (with_pipeline(opensearch={"url": "opensearch:9200"}), 'https://opensearch.example, found "opensearch:9200"'),
        (with_pipeline(opensearch={"url": "ftp://opensearch"}), "pipeline.opensearch.url: expected an address such as"),
        (with_pipeline(dashboards={"url": "dashboards"}), "pipeline.dashboards.url: expected an address such as"),
        (with_pipeline(agent={"port": 2020}), "pipeline.fluentbit.port and pipeline.agent.port share a pod"),
        (MINIMAL | {"ca": {"existingSecret": "a", "existingConfigMap": "b"}}, "at most one of both"),
        (with_pipeline(agent={"address": "127.0.0.1"}), "pipeline.agent.address must be 0.0.0.0 or ::"),
        (MINIMAL | {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}, "maxSurge must be 0"),
        (MINIMAL | {"sidecar": {"extraEnv": [{"name": "A"}, {"name": "A"}]}}, "sidecar.extraEnv: A is there twice"),
    ],
)
def test_what_no_schema_can_say_is_said_by_the_chart(helm: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmError) as error:
        render(helm, given)

    assert said in str(error.value)


def test_with_parameters_of_aws_no_address_is_needed(helm: Path) -> None:
    ssm = {"auth": {"ssm": {"path": "/workshop/opensearch", "region": "eu-west-1"}}}

    assert render(helm, {"pipeline": {"cluster": "c", "opensearch": ssm}})


@pytest.mark.parametrize("name", ["minimal", "production", "archive"])
def test_a_file_arrives_as_it_was_written(helm: Path, name: str) -> None:
    written = (ROOT / f"examples/{name}.yaml").read_text()

    found = one(render(helm, {"pipeline": yaml.safe_load(written)}, release="fluent-sidecar"), "ConfigMap")

    assert loads(found["data"]["pipeline.yaml"]) == loads(written)


def test_odd_texts_and_numbers_arrive_as_they_are(helm: Path) -> None:
    odd = [
        "yes",
        "0o17",
        "012",
        "1e3",
        "1:30",
        "null",
        "~",
        "{{ .Release.Name }}",
        "a: b",
        "#c",
        "é'\"\\",
        " x ",
        "=1",
        "-",
    ]
    texts = {f"text{at}": text for at, text in enumerate(odd)}
    pipeline = {
        "cluster": "0123",
        "opensearch": {"url": "https://h", "version": "3.10"},
        "alerts": {"channel": {"existing": ["1"]}, "monitors": {"warnings": {"above": 1000000}}},
        "fluentbit": {"extra": {"outputs": [{"name": "null", "match": "x.*", "big": 12345678901, **texts}]}},
    }

    objects = render(helm, {"pipeline": pipeline}, release="fluent-sidecar")
    found = one(objects, "ConfigMap")["data"]["pipeline.yaml"]

    assert loads(found) == loads(json.dumps(pipeline))
    assert "1000000" in found
    assert "12345678901" in found


def test_numbers_of_the_command_line_arrive_too(helm: Path) -> None:
    found = render(helm, MINIMAL, "--set", "pipeline.alerts.monitors.warnings.above=1000000,pipeline.agent.port=12021")

    there = loads(one(found, "ConfigMap")["data"]["pipeline.yaml"])
    assert there.alerts.monitors.warnings.above == 1000000
    assert there.agent.port == 12021


def test_where_credentials_and_ca_are_mounted_is_filled_in(helm: Path) -> None:
    there = loads(one(render(helm, CHART / "ci/credentials-values.yaml"), "ConfigMap")["data"]["pipeline.yaml"])

    basic = there.opensearch.auth.basic
    assert basic is not None
    assert (basic.username.file, basic.password.file) == (
        "/run/secrets/opensearch/username",
        "/run/secrets/opensearch/password",
    )
    assert there.opensearch.tls.ca == "/run/secrets/opensearch-ca/bundle.pem"


def test_what_is_said_is_not_overwritten(helm: Path) -> None:
    auth = {"sigv4": {"region": "eu-west-1"}}
    opensearch = {"url": "https://h", "auth": auth, "tls": {"ca": "/mine.crt"}}
    more = {"credentials": {"existingSecret": "s"}, "ca": {"existingSecret": "c"}}

    there = yaml.safe_load(
        one(render(helm, with_pipeline(opensearch=opensearch) | more), "ConfigMap")["data"]["pipeline.yaml"]
    )

    assert there["opensearch"] == opensearch


def test_the_pod_is_made_of_the_models_defaults(helm: Path) -> None:
    config = loads("cluster: c\nopensearch: {url: 'https://h'}\n")
    objects = render(helm, MINIMAL, release="fluent-sidecar")
    pod = pod_of(objects)
    found = containers(pod)

    assert found["fluent-bit"]["image"] == f"docker.io/fluent/fluent-bit:{config.fluentbit.version}"
    assert found["fluent-bit"]["args"] == ["-c", Layout.of(config).fluent_bit_file]
    assert found["sidecar"]["ports"] == [{"name": "metrics", "containerPort": config.agent.port, "protocol": "TCP"}]
    for name in ("sidecar", "fluent-bit"):
        places = {volume: mount["mountPath"] for volume, mount in mounts(found[name]).items()}
        assert places["state"] == config.paths.state
        assert places["run"] == config.paths.run
        assert places["logs"] == config.paths.logs
    [lease] = [rule for rule in one(objects, "Role")["rules"] if "resourceNames" in rule]
    assert lease["resourceNames"] == [config.events.lease]


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    images = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])
    config = loads("cluster: c\nopensearch: {url: 'https://h'}\n")

    assert chart["appVersion"] == sidecar.__version__
    assert [image["image"].rpartition(":")[2] for image in images] == [sidecar.__version__, config.fluentbit.version]

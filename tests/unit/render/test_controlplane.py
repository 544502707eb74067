"""The CloudFormation template: what the function may do, what it is told, and what starts it."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from sidecar.config import Config, loads
from sidecar.config.function import SECRET_VARIABLE, VARIABLE, Settings
from sidecar.controlplane import handler, package
from sidecar.controlplane.documents import KNOWN, index_of
from sidecar.errors import ConfigError
from sidecar.render import controlplane, render
from sidecar.render.components import components
from sidecar.render.controlplane import TEMPLATE, settings, template
from sidecar.render.indices import index_pattern
from sidecar.render.templates import index_templates

Json = dict[str, Any]
BASIC = "basic: {username: {env: A}, password: {env: B}}"
SSM = "ssm: {path: /eksworkshop/c/opensearch, region: eu-west-1}"
SIGV4 = "sigv4: {region: eu-west-1}"
OTHER = "sigv4: {region: eu-west-1, roleArn: 'arn:aws:iam::123456789012:role/x'}"


def config(auth: str = "", more: str = "", url: str = "url: 'https://search-x.eu-west-1.es.amazonaws.com', ") -> Config:
    return loads(f"cluster: eks-workshop\nopensearch: {{{url}auth: {{{auth}}}}}\n{more}")


def statements(made: Json) -> dict[str, Any]:
    """Resources by action, without those that only some stacks have."""
    found = {}
    for statement in made["Resources"]["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]:
        if "Fn::If" not in statement:
            action = statement["Action"]
            found[action if isinstance(action, str) else " ".join(action)] = statement["Resource"]
    return found


ALWAYS = {
    "logs:CreateLogStream logs:PutLogEvents": {"Fn::GetAtt": ["LogGroup", "Arn"]},
    "sqs:SendMessage": {"Fn::GetAtt": ["Queue", "Arn"]},
}
PARAMETER = "arn:${AWS::Partition}:ssm:eu-west-1:${AWS::AccountId}:parameter/eksworkshop/c/opensearch"


@pytest.mark.parametrize(
    ("auth", "url", "more"),
    [
        ("", "url: 'https://h', ", {}),
        (BASIC, "url: 'https://h', ", {"secretsmanager:GetSecretValue": {"Ref": "SecretArn"}}),
        (
            SIGV4,
            "url: 'https://h', ",
            {
                "es:ESHttpPost": {"Fn::Sub": "${DomainArn}/_bulk"},
                "es:ESHttpGet": {"Fn::Sub": "${DomainArn}/_index_template/fluent-sidecar-eks-control-plane-logs"},
            },
        ),
        (OTHER, "url: 'https://h', ", {"sts:AssumeRole": "arn:aws:iam::123456789012:role/x"}),
        (
            SSM,
            "",
            {"ssm:GetParameters": [{"Fn::Sub": f"{PARAMETER}/{name}"} for name in ("user", "password", "host")]},
        ),
        (
            SSM,
            "url: 'https://h', ",
            {"ssm:GetParameters": [{"Fn::Sub": f"{PARAMETER}/{name}"} for name in ("user", "password")]},
        ),
    ],
    ids=["nothing", "basic", "sigv4", "assumed", "ssm with host", "ssm"],
)
def test_the_role_may_do_what_the_function_does_and_no_more(auth: str, url: str, more: Json) -> None:
    made = template(config(auth, url=url))
    assert statements(made) == {**ALWAYS, **more}
    variables = made["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    assert (SECRET_VARIABLE in variables) == (auth == BASIC)
    named = json.dumps(made["Resources"]) + json.dumps(made["Conditions"])
    for name in made["Parameters"]:
        assert f'"{name}"' in named or f"${{{name}}}" in named, f"nothing takes the parameter {name}"


@pytest.mark.parametrize("auth", ["", BASIC, SSM, SIGV4, OTHER])
def test_the_function_reads_what_it_is_told(auth: str) -> None:
    made = json.loads(render(config(auth, "controlPlane: {rotate: monthly, types: [audit, scheduler]}\n"))[TEMPLATE])
    found = Settings.from_json(made["Resources"]["Function"]["Properties"]["Environment"]["Variables"][VARIABLE])
    assert found.components == ("audit", "kube-scheduler")
    assert found.url == "https://search-x.eu-west-1.es.amazonaws.com"
    assert set(found.auth) == ({"secret"} if auth == BASIC else {auth.partition(":")[0]} - {""})
    assert len(made["Resources"]["Function"]["Properties"]["Environment"]["Variables"][VARIABLE]) < 2048


def test_names_that_are_written_down_twice_are_the_same() -> None:
    assert controlplane.HANDLER == package.HANDLER
    assert controlplane.NAMESPACE == handler.NAMESPACE
    assert set(components(config())) == KNOWN


def test_the_function_waits_for_the_template_that_is_put_in_place() -> None:
    made = config(more="controlPlane: {index: own}\n")
    assert settings(made).template in index_templates(made)


@pytest.mark.parametrize("rotate", ["daily", "monthly", "never"])
@pytest.mark.parametrize("time", [None, 0, 1_795_750_417_123])
def test_every_index_of_the_function_has_the_template(rotate: str, time: int | None) -> None:
    made = config(more=f"controlPlane: {{rotate: {rotate}}}\n")
    assert fnmatchcase(index_of(settings(made), time), index_pattern(made.control_plane))


def test_the_subscription_is_of_the_clusters_log_group() -> None:
    def properties(more: str = "") -> Json:
        found: Json = template(config(more=more))["Resources"]["Subscription"]["Properties"]
        return found

    assert properties()["LogGroupName"] == "/aws/eks/eks-workshop/cluster"
    assert properties("controlPlane: {logGroup: /own}\n")["LogGroupName"] == "/own"
    assert properties()["FilterPattern"] == ""


def test_a_long_or_odd_name_of_a_cluster_is_a_name_for_aws() -> None:
    for name in ("a" * 256, "arn:aws:eks:eu-west-1:1:cluster/x", "c._:/@-"):
        made = template(loads(f"cluster: '{name}'\nopensearch: {{url: http://h}}\n"))
        function = made["Resources"]["Function"]["Properties"]["FunctionName"]
        assert len(function) <= 64
        assert function.replace("-", "").isalnum()


def test_there_is_no_function_where_none_is_needed_or_could_work() -> None:
    mtls = "mtls: {cert: /a, key: /b}"
    assert TEMPLATE in render(config())
    assert TEMPLATE not in render(config(mtls))
    assert TEMPLATE not in render(config(more="controlPlane: {source: node}\n"))
    assert TEMPLATE not in render(config(more="controlPlane: {types: []}\n"))
    with pytest.raises(ConfigError, match="has no client certificate"):
        config(mtls, "controlPlane: {source: cloudwatch}\n")

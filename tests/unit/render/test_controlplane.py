"""The CloudFormation template: what the function may do, what it is told, and what starts it."""

import json
import re
from collections.abc import Mapping
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


def named(cluster: str, more: str = "") -> Json:
    return template(loads(f"cluster: '{cluster}'\nopensearch: {{url: http://h}}\n{more}"))


def test_no_name_is_fixed_so_that_a_stack_can_be_made_again_and_beside_others() -> None:
    resources = named("c")["Resources"]
    for name, resource in resources.items():
        fixed = set(resource["Properties"]) & {"FunctionName", "QueueName", "LogGroupName", "RoleName", "AlarmName"}
        if name not in {"OnFailure", "MayInvoke", "Subscription"}:  # these name what they belong to
            assert not fixed, name
    assert resources["Function"]["Properties"]["LoggingConfig"] == {"LogGroup": {"Ref": "LogGroup"}}
    assert resources["Queue"]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_a_long_name_of_a_cluster_is_a_description_for_aws() -> None:
    made = named("a" * 256, "controlPlane: {logGroup: /own}\n")
    assert len(made["Resources"]["Function"]["Properties"]["Description"]) <= 256
    assert len(made["Description"]) <= 1024


@pytest.mark.parametrize("name", ["arn:aws:eks:eu-west-1:1:cluster/x", "me@example", "c._/", "a" * 101])
def test_a_name_that_eks_does_not_know_needs_a_log_group(name: str) -> None:
    text = f"cluster: '{name}'\nopensearch: {{url: http://h}}\n"
    # Somebody whose cluster isn't EKS need not say so.
    assert TEMPLATE not in render(loads(text))
    with pytest.raises(ConfigError, match=r"controlPlane\.logGroup") as caught:
        loads(f"{text}controlPlane: {{source: cloudwatch}}\n")
    assert str(caught.value).count("controlPlane.source") == 1
    assert TEMPLATE in render(loads(f"{text}controlPlane: {{source: cloudwatch, logGroup: /own}}\n"))


def test_a_network_is_whole_or_not_there() -> None:
    made = named("c")
    (rule,) = made["Rules"].values()
    (assertion,) = rule["Assertions"]
    parameters = made["Parameters"]
    assert (parameters["SubnetIds"]["Default"], parameters["SecurityGroupIds"]["Default"]) == ("", "")
    assert "SubnetIds" in assertion["AssertDescription"]
    none, both = ("", ""), ("subnet-1,subnet-2", "sg-1")
    for name, good in zip(("SubnetIds", "SecurityGroupIds"), both, strict=True):
        pattern = re.compile(parameters[name]["AllowedPattern"])
        assert pattern.fullmatch("")
        assert pattern.fullmatch(good)
        for bad in (" ", ",", f"{good},", f"{good}, {good}", f"vpc-1,{good}", "subnet1"):
            assert not pattern.fullmatch(bad), bad
    network = made["Resources"]["Function"]["Properties"]["VpcConfig"]["Fn::If"][1]
    assert network == {name: {"Fn::Split": [",", {"Ref": name}]} for name in ("SubnetIds", "SecurityGroupIds")}
    for subnets, groups in (none, both):
        given = {"SubnetIds": subnets, "SecurityGroupIds": groups}
        assert holds(made["Conditions"]["InVpc"], given) == bool(subnets)
        assert holds(assertion["Assert"], {"SubnetIds": subnets, "SecurityGroupIds": groups})
    for subnets, groups in ((none[0], both[1]), (both[0], none[1])):
        assert not holds(assertion["Assert"], {"SubnetIds": subnets, "SecurityGroupIds": groups})


def holds(condition: Json, values: Mapping[str, str]) -> bool:
    """What CloudFormation says of a condition."""
    ((word, parts),) = condition.items()
    if word == "Fn::Equals":
        return values[parts[0]["Ref"]] == str(parts[1])
    found = [holds(part, values) for part in parts]
    return any(found) if word == "Fn::Or" else all(found) if word == "Fn::And" else not found[0]


def test_there_is_no_function_where_none_is_needed_or_could_work() -> None:
    mtls = "mtls: {cert: /a, key: /b}"
    assert TEMPLATE in render(config())
    assert TEMPLATE not in render(config(mtls))
    assert TEMPLATE not in render(config(more="controlPlane: {source: node}\n"))
    assert TEMPLATE not in render(config(more="controlPlane: {types: []}\n"))
    with pytest.raises(ConfigError, match="has no client certificate"):
        config(mtls, "controlPlane: {source: cloudwatch}\n")

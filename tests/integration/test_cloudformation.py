"""The CloudFormation template as cfn-lint judges it, which knows every resource's schema."""

import warnings

import pytest

from sidecar.config import loads
from sidecar.render import render
from sidecar.render.controlplane import TEMPLATE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from cfnlint import api
    from cfnlint.config import ManualArgs

AUTH = {
    "nothing": "",
    "basic": "basic: {username: {env: A}, password: {env: B}}",
    "ssm": "ssm: {path: /eksworkshop/c/opensearch, region: eu-west-1}",
    "sigv4": "sigv4: {region: eu-west-1}",
    "assumed": "sigv4: {region: eu-west-1, roleArn: 'arn:aws:iam::123456789012:role/x'}",
}


def complaints(text: str) -> list[str]:
    return [str(match) for match in api.lint(text, config=ManualArgs(regions=["eu-west-1", "us-gov-west-1"]))]


@pytest.mark.parametrize("auth", AUTH)
def test_the_template_is_right(auth: str) -> None:
    text = f"cluster: eks-workshop\nopensearch: {{url: 'https://h', auth: {{{AUTH[auth]}}}}}\n"
    assert complaints(render(loads(text))[TEMPLATE]) == []


def test_a_wrong_template_is_found() -> None:
    text = render(loads("cluster: c\nopensearch: {url: 'https://h'}\n"))[TEMPLATE]
    assert any("MemorySze" in one for one in complaints(text.replace('"MemorySize"', '"MemorySze"')))

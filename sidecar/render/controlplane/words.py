"""The words of CloudFormation and IAM."""

from typing import Any

Json = dict[str, Any]


def ref(name: str) -> Json:
    """A parameter, a resource, or what CloudFormation knows, such as `AWS::Region`."""
    return {"Ref": name}


def arn(name: str, attribute: str = "Arn") -> Json:
    """What a resource is when it is there."""
    return {"Fn::GetAtt": [name, attribute]}


def output(description: str, name: str) -> Json:
    """An output with a resource's ARN."""
    return {"Description": description, "Value": arn(name)}


def policy(*statements: Json) -> Json:
    """A policy of IAM."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any, resource: Any, **more: Any) -> Json:
    """A statement of one; a trust policy's has no resource."""
    return {"Effect": "Allow", "Action": action, **({} if resource is None else {"Resource": resource}), **more}


def parameter(description: str, **more: Any) -> Json:
    """A parameter of the template."""
    return {"Type": "String", "Description": description, **more}


NO_VALUE = ref("AWS::NoValue")
"""Leaves a property out."""

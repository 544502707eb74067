"""What AWS needs for the control plane's logs: a CloudFormation template, and what the function has to know.

The template makes the function, its role, which may do no more than it needs, the subscription of the log group, a
queue for what fails for good, and alarms. What only whoever deploys knows is a parameter.
"""

import re
from collections.abc import Iterator
from typing import Any

from sidecar.config.function import SECRET_VARIABLE, VARIABLE, Settings
from sidecar.config.model import Config
from sidecar.render.components import components
from sidecar.render.templates import index_template_name

Json = dict[str, Any]

TEMPLATE = "controlplane/template.json"
HANDLER = "sidecar.controlplane.handler.handler"
NAMESPACE = "FluentSidecar"
"""Of the function's own metrics in CloudWatch."""
_RUNTIME, _ARCHITECTURE = "python3.13", "arm64"
_MEMORY, _TIMEOUT = 512, 120
"""MiB, which also set its share of a processor, and seconds."""
_KEPT_DAYS = 30
_QUEUE_SECONDS = 14 * 24 * 3600
"""The longest that SQS keeps anything."""
_QUEUE_BYTES = 2**20
"""The most that SQS takes, and as much as Lambda takes of a batch."""
_EVENT_SECONDS = 6 * 3600
"""The longest that Lambda keeps a batch that can't be started."""
_NAME = 40  # characters of 64, with an ending
_ODD = re.compile(r"[^A-Za-z0-9-]+")


def settings(config: Config) -> Settings:
    """What the function has to know; nothing secret."""
    family, server = config.control_plane, config.opensearch
    return Settings(
        cluster=config.cluster,
        index=family.index,
        rotate=family.rotate,
        template=template_name(config),
        components=components(config),
        url=server.url or "",
        verify=server.tls.verify,
        private_ca=server.tls.ca is not None,
        auth=_auth(config),
    )


def has_function(config: Config) -> bool:
    """Whether there is a function to deploy: it knows no client certificate."""
    family = config.control_plane
    return family.source == "cloudwatch" and bool(family.types) and config.opensearch.auth.mtls is None


def template_name(config: Config) -> str:
    """Name of the index template of the control plane's logs."""
    return index_template_name(config.control_plane.index)


def log_group(config: Config) -> str:
    """The log group of the control plane."""
    return config.control_plane.log_group or f"/aws/eks/{config.cluster}/cluster"


def template(config: Config) -> Json:
    """The CloudFormation template."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Control-plane logs of the cluster {config.cluster} to OpenSearch, by fluent-sidecar",
        "Parameters": {**_CODE, **_NETWORK, **_ALARM_TOPIC, **_access_parameters(config)},
        "Conditions": {
            "InVpc": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", _ref("SubnetIds")]}, ""]}]},
            "HasAlarmTopic": {"Fn::Not": [{"Fn::Equals": [_ref("AlarmTopicArn"), ""]}]},
            **_access_conditions(config),
        },
        "Resources": {
            **_function(config),
            **_subscription(config),
            **_alarms(config),
        },
        "Outputs": {
            "RoleArn": _output("The function's role; with SigV4 it is to be mapped to a role of OpenSearch", "Role"),
            "FunctionArn": _output("The function", "Function"),
            "QueueUrl": {"Description": "The queue of what failed for good", "Value": _ref("Queue")},
        },
    }


# --- Parameters: what pipeline.yaml doesn't know


def _parameter(description: str, **more: Any) -> Json:
    return {"Type": "String", "Description": description, **more}


_CODE = {
    "CodeBucket": _parameter("S3 bucket with the zip that `sidecar lambda package` writes, in this region"),
    "CodeKey": _parameter("Its key there; another one with each version, so that the function is replaced"),
}
_NETWORK = {
    "SubnetIds": {
        "Type": "CommaDelimitedList",
        "Default": "",
        "Description": "For an OpenSearch in a VPC: subnets that reach it, and AWS where credentials are there",
    },
    "SecurityGroupIds": {
        "Type": "CommaDelimitedList",
        "Default": "",
        "Description": "For an OpenSearch in a VPC: security groups that it lets in",
    },
}
_ALARM_TOPIC = {"AlarmTopicArn": _parameter("SNS topic that hears of alarms; empty for none", Default="")}
_KEY = {
    "KmsKeyArn": _parameter(
        "KMS key that parameters or secret are encrypted with; empty for the AWS managed one", Default=""
    )
}


def _access_parameters(config: Config) -> Json:
    auth = config.opensearch.auth
    if auth.sigv4:
        return {} if auth.sigv4.role_arn else {"DomainArn": _parameter("ARN of the OpenSearch domain")}
    if auth.basic:
        text = "Secret of AWS Secrets Manager with user and password: JSON with username and password"
        return {"SecretArn": _parameter(text), **_KEY}
    return dict(_KEY) if auth.ssm else {}


def _access_conditions(config: Config) -> Json:
    if not _uses_key(config):
        return {}
    return {"HasKmsKey": {"Fn::Not": [{"Fn::Equals": [_ref("KmsKeyArn"), ""]}]}}


def _uses_key(config: Config) -> bool:
    return bool(config.opensearch.auth.basic or config.opensearch.auth.ssm)


# --- Resources


def _function(config: Config) -> Json:
    environment: Json = {VARIABLE: settings(config).to_json()}
    if config.opensearch.auth.basic:
        environment[SECRET_VARIABLE] = _ref("SecretArn")
    name = f"{_ODD.sub('-', config.cluster)[:_NAME].strip('-')}-control-plane-logs"
    return {
        "LogGroup": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"LogGroupName": f"/aws/lambda/{name}", "RetentionInDays": _KEPT_DAYS},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": _policy(
                    _allow("sts:AssumeRole", None, Principal={"Service": "lambda.amazonaws.com"})
                ),
                "Policies": [
                    {"PolicyName": "fluent-sidecar", "PolicyDocument": _policy(*_statements(config))},
                    {"Fn::If": ["InVpc", _VPC_POLICY, _NO_VALUE]},
                ],
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "DependsOn": "LogGroup",
            "Properties": {
                "FunctionName": name,
                "Description": f"Control-plane logs of {config.cluster} to OpenSearch",
                "Handler": HANDLER,
                "Runtime": _RUNTIME,
                "Architectures": [_ARCHITECTURE],
                "Code": {"S3Bucket": _ref("CodeBucket"), "S3Key": _ref("CodeKey")},
                "MemorySize": _MEMORY,
                "Timeout": _TIMEOUT,
                "Role": _arn("Role"),
                "Environment": {"Variables": environment},
                "VpcConfig": {
                    "Fn::If": [
                        "InVpc",
                        {"SubnetIds": _ref("SubnetIds"), "SecurityGroupIds": _ref("SecurityGroupIds")},
                        _NO_VALUE,
                    ]
                },
            },
        },
        "Queue": {
            "Type": "AWS::SQS::Queue",
            # What waits in it is in no other place.
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "QueueName": f"{name}-failed",
                "MessageRetentionPeriod": _QUEUE_SECONDS,
                "MaximumMessageSize": _QUEUE_BYTES,
                "SqsManagedSseEnabled": True,
            },
        },
        "OnFailure": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": _ref("Function"),
                "Qualifier": "$LATEST",
                "MaximumRetryAttempts": 2,
                "MaximumEventAgeInSeconds": _EVENT_SECONDS,
                "DestinationConfig": {"OnFailure": {"Destination": _arn("Queue")}},
            },
        },
    }


def _statements(config: Config) -> Iterator[Json]:
    """What the function may do."""
    yield _allow(["logs:CreateLogStream", "logs:PutLogEvents"], _arn("LogGroup"))
    yield _allow("sqs:SendMessage", _arn("Queue"))
    auth = config.opensearch.auth
    if auth.ssm:
        names = ("user", "password") if config.opensearch.url else ("user", "password", "host")
        here = f"arn:${{AWS::Partition}}:ssm:{auth.ssm.region}:${{AWS::AccountId}}:parameter{auth.ssm.path}"
        yield _allow("ssm:GetParameters", [{"Fn::Sub": f"{here}/{name}"} for name in names])
    if auth.basic:
        yield _allow("secretsmanager:GetSecretValue", _ref("SecretArn"))
    if auth.sigv4 and auth.sigv4.role_arn:
        yield _allow("sts:AssumeRole", auth.sigv4.role_arn)
    elif auth.sigv4:
        # These two requests are all that it makes.
        yield _allow("es:ESHttpGet", {"Fn::Sub": f"${{DomainArn}}/_index_template/{template_name(config)}"})
        yield _allow("es:ESHttpPost", {"Fn::Sub": "${DomainArn}/_bulk"})
    if _uses_key(config):
        yield {"Fn::If": ["HasKmsKey", _allow("kms:Decrypt", _ref("KmsKeyArn")), _NO_VALUE]}


def _subscription(config: Config) -> Json:
    group = log_group(config)
    here = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group"
    return {
        "MayInvoke": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": _arn("Function"),
                "Action": "lambda:InvokeFunction",
                "Principal": "logs.amazonaws.com",
                "SourceAccount": _ref("AWS::AccountId"),
                "SourceArn": {"Fn::Sub": f"{here}:{group}:*"},
            },
        },
        "Subscription": {
            "Type": "AWS::Logs::SubscriptionFilter",
            "DependsOn": "MayInvoke",
            "Properties": {
                "LogGroupName": group,
                "FilterName": "fluent-sidecar",
                # All of it: a pattern knows no stream, and one for JSON would leave out an audit line that was cut.
                "FilterPattern": "",
                "DestinationArn": _arn("Function"),
            },
        },
    }


def _alarms(config: Config) -> Json:
    function = [{"Name": "FunctionName", "Value": _ref("Function")}]
    queue = [{"Name": "QueueName", "Value": _arn("Queue", "QueueName")}]
    subscription = [
        {"Name": "LogGroupName", "Value": log_group(config)},
        {"Name": "DestinationType", "Value": "Lambda"},
        {"Name": "FilterName", "Value": "fluent-sidecar"},
    ]
    cluster = [{"Name": "Cluster", "Value": config.cluster}]
    replay = "read them again with `sidecar controlplane replay`"
    return {
        "FailedAlarm": _alarm(
            f"Batches of control-plane logs wait in the on-failure queue: {replay}",
            "AWS/SQS", "ApproximateNumberOfMessagesVisible", queue, statistic="Maximum",
        ),
        "LostAlarm": _alarm(
            "Batches of control-plane logs could not be put into the on-failure queue: they are only in CloudWatch",
            "AWS/Lambda", "DestinationDeliveryFailures", function,
        ),
        "DroppedAlarm": _alarm(
            "Batches of control-plane logs waited too long for the function: is its concurrency used up?",
            "AWS/Lambda", "AsyncEventsDropped", function,
        ),
        "DeliveryAlarm": _alarm(
            "CloudWatch Logs could not hand over control-plane logs: may it still invoke the function?",
            "AWS/Logs", "DeliveryErrors", subscription,
        ),
        "RefusedAlarm": _alarm(
            "OpenSearch refused control-plane logs, which are in its dead-letter index",
            NAMESPACE, "DeadLettered", cluster,
        ),
    }  # fmt: skip


def _alarm(text: str, namespace: str, metric: str, dimensions: list[Json], *, statistic: str = "Sum") -> Json:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": text,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": dimensions,
            "Statistic": statistic,
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": {"Fn::If": ["HasAlarmTopic", [_ref("AlarmTopicArn")], _NO_VALUE]},
        },
    }


def _auth(config: Config) -> Json:
    auth = config.opensearch.auth
    if auth.ssm:
        return {"ssm": {"path": auth.ssm.path, "region": auth.ssm.region}}
    if auth.sigv4:
        found = {"region": auth.sigv4.region, "service": auth.sigv4.service}
        return {"sigv4": {**found, **({"roleArn": auth.sigv4.role_arn} if auth.sigv4.role_arn else {})}}
    return {"secret": True} if auth.basic else {}


# --- CloudFormation's own words


def _ref(name: str) -> Json:
    return {"Ref": name}


def _arn(name: str, attribute: str = "Arn") -> Json:
    return {"Fn::GetAtt": [name, attribute]}


def _output(description: str, name: str) -> Json:
    return {"Description": description, "Value": _arn(name)}


def _policy(*statements: Json) -> Json:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(action: Any, resource: Any, **more: Any) -> Json:
    return {"Effect": "Allow", "Action": action, **({} if resource is None else {"Resource": resource}), **more}


_NO_VALUE = _ref("AWS::NoValue")
_VPC_POLICY = {
    "PolicyName": "network-interfaces",
    "PolicyDocument": _policy(
        _allow(
            [
                "ec2:AssignPrivateIpAddresses",
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
                "ec2:UnassignPrivateIpAddresses",
            ],
            # IAM knows no narrower one for these.
            "*",
        )
    ),
}

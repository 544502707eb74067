"""The template: the function, its role, what starts it, and the queue for what fails for good."""

from sidecar.config.function import SECRET_VARIABLE, VARIABLE
from sidecar.config.model import Config
from sidecar.render.controlplane.access import access_conditions, access_parameters, statements
from sidecar.render.controlplane.alarms import FILTER, alarms
from sidecar.render.controlplane.settings import log_group, settings
from sidecar.render.controlplane.words import NO_VALUE, Json, allow, arn, output, parameter, policy, ref

HANDLER = "sidecar.controlplane.handler.handler"
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
_DESCRIPTION = 256
"""The longest that Lambda takes."""


def template(config: Config) -> Json:
    """The CloudFormation template."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Control-plane logs of the cluster {config.cluster} to OpenSearch, by fluent-sidecar",
        "Parameters": {**_CODE, **_NETWORK, **_ALARM_TOPIC, **access_parameters(config)},
        "Rules": {"Network": _NETWORK_RULE},
        "Conditions": {
            "InVpc": {"Fn::And": [{"Fn::Not": [_none(name)]} for name in _NETWORK]},
            "HasAlarmTopic": {"Fn::Not": [{"Fn::Equals": [ref("AlarmTopicArn"), ""]}]},
            **access_conditions(config),
        },
        "Resources": {
            **_function(config),
            **_subscription(config),
            **alarms(config),
        },
        "Outputs": {
            "RoleArn": output("The function's role; with SigV4 it is to be mapped to a role of OpenSearch", "Role"),
            "FunctionArn": output("The function", "Function"),
            "QueueUrl": {"Description": "The queue of what failed for good", "Value": ref("Queue")},
            "LogGroup": {"Description": "What the function itself logs", "Value": ref("LogGroup")},
        },
    }


_CODE = {
    "CodeBucket": parameter("S3 bucket with the zip that `sidecar lambda package` writes, in this region"),
    "CodeKey": parameter("Its key there; another one with each version, so that the function is replaced"),
}


def _none(name: str) -> Json:
    """Whether a parameter is empty."""
    return {"Fn::Equals": [ref(name), ""]}


def _ids(text: str, kind: str) -> Json:
    """Ids of AWS, as one text: of a list that is empty CloudFormation's rules say nothing that is documented."""
    return parameter(
        f"{text}: {kind}-..., with commas between them and no spaces; empty for none",
        Default="",
        AllowedPattern=f"({kind}-[0-9a-z]+(,{kind}-[0-9a-z]+)*)?",
        ConstraintDescription=f"ids {kind}-..., with commas between them and no spaces",
    )


_NETWORK = {
    "SubnetIds": _ids("For an OpenSearch in a VPC, subnets that reach it, and AWS for credentials", "subnet"),
    "SecurityGroupIds": _ids("For an OpenSearch in a VPC, security groups that it lets in", "sg"),
}
_NETWORK_RULE = {
    "Assertions": [
        {
            "Assert": {
                "Fn::Or": [
                    {"Fn::And": [_none(name) for name in _NETWORK]},
                    {"Fn::And": [{"Fn::Not": [_none(name)]} for name in _NETWORK]},
                ]
            },
            "AssertDescription": "SubnetIds and SecurityGroupIds go together: give both, or none",
        }
    ]
}
_ALARM_TOPIC = {"AlarmTopicArn": parameter("SNS topic that hears of alarms; empty for none", Default="")}


def _function(config: Config) -> Json:
    environment: Json = {VARIABLE: settings(config).to_json()}
    if config.opensearch.auth.basic:
        environment[SECRET_VARIABLE] = ref("SecretArn")
    # CloudFormation makes all names, of the stack's: a queue that was retained is in nobody's way.
    return {
        "LogGroup": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"RetentionInDays": _KEPT_DAYS},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": policy(
                    allow("sts:AssumeRole", None, Principal={"Service": "lambda.amazonaws.com"})
                ),
                "Policies": [
                    {"PolicyName": "fluent-sidecar", "PolicyDocument": policy(*statements(config))},
                    {"Fn::If": ["InVpc", _VPC_POLICY, NO_VALUE]},
                ],
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Description": f"Control-plane logs to OpenSearch, of {config.cluster}"[:_DESCRIPTION],
                "LoggingConfig": {"LogGroup": ref("LogGroup")},
                "Handler": HANDLER,
                "Runtime": _RUNTIME,
                "Architectures": [_ARCHITECTURE],
                "Code": {"S3Bucket": ref("CodeBucket"), "S3Key": ref("CodeKey")},
                "MemorySize": _MEMORY,
                "Timeout": _TIMEOUT,
                "Role": arn("Role"),
                "Environment": {"Variables": environment},
                "VpcConfig": {
                    "Fn::If": [
                        "InVpc",
                        {name: {"Fn::Split": [",", ref(name)]} for name in _NETWORK},
                        NO_VALUE,
                    ]
                },
            },
        },
        "Queue": {
            "Type": "AWS::SQS::Queue",
            # What waits in it is in no other place. A stack that fails as it is made leaves none.
            "DeletionPolicy": "RetainExceptOnCreate",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "MessageRetentionPeriod": _QUEUE_SECONDS,
                "MaximumMessageSize": _QUEUE_BYTES,
                "SqsManagedSseEnabled": True,
            },
        },
        "OnFailure": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": ref("Function"),
                "Qualifier": "$LATEST",
                "MaximumRetryAttempts": 2,
                "MaximumEventAgeInSeconds": _EVENT_SECONDS,
                "DestinationConfig": {"OnFailure": {"Destination": arn("Queue")}},
            },
        },
    }


def _subscription(config: Config) -> Json:
    group = log_group(config)
    here = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group"
    return {
        "MayInvoke": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": arn("Function"),
                "Action": "lambda:InvokeFunction",
                "Principal": "logs.amazonaws.com",
                "SourceAccount": ref("AWS::AccountId"),
                "SourceArn": {"Fn::Sub": f"{here}:{group}:*"},
            },
        },
        "Subscription": {
            "Type": "AWS::Logs::SubscriptionFilter",
            "DependsOn": "MayInvoke",
            "Properties": {
                "LogGroupName": group,
                "FilterName": FILTER,
                # All of it: a pattern knows no stream, and one for JSON would leave out an audit line that was cut.
                "FilterPattern": "",
                "DestinationArn": arn("Function"),
            },
        },
    }


_VPC_POLICY = {
    "PolicyName": "network-interfaces",
    "PolicyDocument": policy(
        allow(
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

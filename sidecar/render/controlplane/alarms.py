"""Alarms: what is not where it should be, and what will not come by itself."""

from sidecar.config.model import Config
from sidecar.render.controlplane.settings import log_group
from sidecar.render.controlplane.words import NO_VALUE, Json, arn, ref

NAMESPACE = "FluentSidecar"
"""Of the function's own metrics in CloudWatch."""
FILTER = "fluent-sidecar"
"""Name of the subscription."""


def alarms(config: Config) -> Json:
    """The alarms, by the names of their resources."""
    function = [{"Name": "FunctionName", "Value": ref("Function")}]
    queue = [{"Name": "QueueName", "Value": arn("Queue", "QueueName")}]
    subscription = [
        {"Name": "LogGroupName", "Value": log_group(config)},
        {"Name": "DestinationType", "Value": "Lambda"},
        {"Name": "FilterName", "Value": FILTER},
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
            "AlarmActions": {"Fn::If": ["HasAlarmTopic", [ref("AlarmTopicArn")], NO_VALUE]},
        },
    }

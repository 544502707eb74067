"""The `alerts` section: what OpenSearch watches in the documents, and where it says so."""

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from sidecar.config.opensearch import Role
from sidecar.config.secret import SecretRef
from sidecar.config.section import Many, Section, refuse, section
from sidecar.config.show import quoted
from sidecar.config.units import Duration, Given, format_duration, parse_duration

_LEAST, _MOST = timedelta(minutes=1), timedelta(days=1)


def _topic(value: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:sns:[a-z0-9-]{1,30}:[0-9]{12}:[A-Za-z0-9_.-]{1,256}", value):
        raise ValueError(f"expected a topic such as arn:aws:sns:eu-west-1:123456789012:NAME, found {quoted(value)}")
    return value


def _channel_id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,512}", value):
        raise ValueError(f"expected the id of a channel: letters, digits, '_' and '-'; found {quoted(value)}")
    return value


def _period(value: timedelta) -> timedelta:
    if not _LEAST <= value <= _MOST:
        raise ValueError(
            f"expected a duration of {format_duration(_LEAST)} to {format_duration(_MOST)}, found "
            f"{format_duration(value)}"
        )
    return value


Period = Annotated[Duration, AfterValidator(_period)]
Threshold = Annotated[int, Field(ge=0, le=1_000_000)]


class Slack(Section):
    """A channel of Slack."""

    url: SecretRef
    """Where the address of the incoming webhook is, which is a secret."""


class Chime(Section):
    """A room of Amazon Chime."""

    url: SecretRef
    """Where the address of the webhook is, which is a secret."""


class MicrosoftTeams(Section):
    """A channel of Microsoft Teams."""

    url: SecretRef
    """Where the address of the incoming webhook is, which is a secret."""


class Webhook(Section):
    """An address of your own: it gets a JSON object by POST."""

    url: SecretRef
    """Where the address is, which is a secret."""


class Sns(Section):
    """A topic of Amazon SNS, for an Amazon OpenSearch Service domain."""

    topic_arn: Annotated[str, AfterValidator(_topic)]
    """The topic."""
    role_arn: Annotated[Role | None, Given] = None
    """Role that the domain assumes to publish; it trusts `es.amazonaws.com`."""


class Channel(Section):
    """Where alerts go: to all that are given."""

    slack: Annotated[Slack | None, Given] = None
    """A channel of Slack."""
    chime: Annotated[Chime | None, Given] = None
    """A room of Amazon Chime."""
    microsoft_teams: Annotated[MicrosoftTeams | None, Given] = None
    """A channel of Microsoft Teams."""
    webhook: Annotated[Webhook | None, Given] = None
    """An address of your own."""
    sns: Annotated[Sns | None, Given] = None
    """A topic of Amazon SNS."""
    existing: Many[Annotated[str, AfterValidator(_channel_id)]] = ()
    """Ids of channels that are there already, such as one for e-mail that was made in OpenSearch Dashboards."""


class Warnings(Section):
    """Alert on many Events of the type Warning."""

    enabled: bool = True
    """Whether this is alerted on. With false the monitor is there, and doesn't run."""
    above: Threshold = 50
    """How many there may be within `period`. A healthy cluster has some all the time."""
    period: Period = parse_duration("5m")
    """Time in which they are counted."""


class ImagePull(Section):
    """Alert on a workload whose images can't be pulled."""

    enabled: bool = True
    """Whether this is alerted on. With false the monitor is there, and doesn't run."""
    above: Threshold = 5
    """How often that may be said of one container, or of how many within `period`. A registry fails now and then."""
    period: Period = parse_duration("15m")
    """How far back is looked. Kubernetes says it again every 5 minutes, so that less than that ends an alert early."""


class CrashLoops(Section):
    """Alert on a workload whose containers crash again and again."""

    enabled: bool = True
    """Whether this is alerted on. With false the monitor is there, and doesn't run."""
    above: Threshold = 5
    """How often that may be said of one container, or of how many within `period`; 5 times is about a minute."""
    period: Period = parse_duration("15m")
    """How far back is looked. Kubernetes says it again every 5 minutes, so that less than that ends an alert early."""


class FailedMounts(Section):
    """Alert on a workload whose volumes can't be mounted or attached."""

    enabled: bool = True
    """Whether this is alerted on. With false the monitor is there, and doesn't run."""
    above: Threshold = 5
    """How often that may be said of one volume, or of how many within `period`. A volume that moves to another node
    fails once or twice."""
    period: Period = parse_duration("15m")
    """How far back is looked. Kubernetes says it again every 5 minutes, so that less than that ends an alert early."""


class Unschedulable(Section):
    """Alert on a pod that no node takes."""

    enabled: bool = True
    """Whether this is alerted on. With false the monitor is there, and doesn't run."""
    period: Period = parse_duration("10m")
    """How long a pod may wait. Who adds nodes by demand needs some minutes for it."""


class Errors(Section):
    """Alert on a workload that logs many errors."""

    enabled: bool = True
    """Whether this is alerted on. It needs `logs.level`."""
    above: Threshold = 20
    """How many lines of the levels error and fatal there may be within `period`."""
    share: Annotated[int, Field(ge=0, le=100)] = 10
    """... and how many percent of all lines of the workload they may be. With 0 only `above` counts, and nothing but
    errors is read, which costs less where there are many lines."""
    period: Period = parse_duration("10m")
    """Time in which they are counted."""


class NodeSilence(Section):
    """Alert on a node that sent pod logs before, and sends none now."""

    enabled: bool = True
    """Whether this is alerted on. With false the monitor is there, and doesn't run."""
    period: Period = parse_duration("15m")
    """How long a node may send nothing."""
    within: Period = parse_duration("1h")
    """What counts as before. A node that was removed is alerted on too, until then."""
    above: Threshold = 100
    """How many lines a node must have sent before: one that has little to say is not missed."""

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.within <= self.period:
            refuse([(("within",), f"within must be longer than period, {format_duration(self.period)}")])
        return self


class Silence(Section):
    """Alert on a cluster that sends nothing."""

    enabled: bool = True
    """Whether this is alerted on. With false the monitor is there, and doesn't run."""
    period: Period = parse_duration("15m")
    """How long there may be no document at all of this cluster. Without pod logs a quiet cluster may need longer."""


class Gaps(Section):
    """Alert on Events that may be missing."""

    enabled: bool = True
    """Whether this is alerted on. With false the monitor is there, and doesn't run."""
    above: Threshold = 0
    """How many gaps there may be within `period`."""
    period: Period = parse_duration("1h")
    """Time in which they are counted."""


class DeadLetters(Section):
    """Alert on documents that OpenSearch refused."""

    enabled: bool = True
    """Whether this is alerted on. With false the monitor is there, and doesn't run."""
    above: Threshold = 0
    """How many there may be within `period`."""
    period: Period = parse_duration("1h")
    """Time in which they are counted."""


class Monitors(Section):
    """What is alerted on."""

    warnings: Warnings = section(Warnings)
    """Many Events of the type Warning."""
    image_pull: ImagePull = section(ImagePull)
    """Images that can't be pulled."""
    crash_loops: CrashLoops = section(CrashLoops)
    """Containers that crash again and again."""
    failed_mounts: FailedMounts = section(FailedMounts)
    """Volumes that can't be mounted."""
    unschedulable: Unschedulable = section(Unschedulable)
    """Pods that no node takes."""
    errors: Errors = section(Errors)
    """Workloads that log many errors."""
    node_silence: NodeSilence = section(NodeSilence)
    """Nodes that send nothing."""
    silence: Silence = section(Silence)
    """A cluster that sends nothing."""
    gaps: Gaps = section(Gaps)
    """Events that may be missing."""
    dead_letters: DeadLetters = section(DeadLetters)
    """Documents that OpenSearch refused."""


class Alerts(Section):
    """Alerts of OpenSearch."""

    enabled: bool = True
    """Whether anything is alerted on. With false all monitors are there, and none runs."""
    channel: Annotated[Channel | None, Given] = None
    """Where alerts go. They are shown in OpenSearch Dashboards in any case."""
    monitors: Monitors = section(Monitors)
    """What is alerted on."""

"""Sections that later versions act on; this one reads and checks them, so that a file can have them already."""

from typing import Annotated

from pydantic import Field

from sidecar.config.secret import SecretRef
from sidecar.config.section import Section, section
from sidecar.config.units import Duration, Given, parse_duration


class Slack(Section):
    """A channel of Slack."""

    url: SecretRef
    """Where the address of the incoming webhook is, which is a secret."""


class Channel(Section):
    """Where alerts go."""

    slack: Annotated[Slack | None, Given] = None
    """A channel of Slack."""


class Warnings(Section):
    """Alert on many Events of the type Warning."""

    enabled: bool = True
    """Whether there is this alert."""
    above: Annotated[int, Field(ge=0, le=1_000_000)] = 50
    """How many there may be within `period`. A healthy cluster has some all the time."""
    period: Duration = parse_duration("5m")
    """Time in which they are counted."""


class ImagePull(Section):
    """Alert on images that can't be pulled."""

    enabled: bool = True
    """Whether there is this alert."""
    above: Annotated[int, Field(ge=0, le=1_000_000)] = 3
    """How many such Events there may be within `period`. A registry fails now and then."""
    period: Duration = parse_duration("5m")
    """Time in which they are counted."""


class Silence(Section):
    """Alert on a cluster that sends nothing."""

    enabled: bool = True
    """Whether there is this alert."""
    period: Duration = parse_duration("15m")
    """How long there may be no document at all of this cluster."""


class Monitors(Section):
    """What is alerted on."""

    warnings: Warnings = section(Warnings)
    """Many Events of the type Warning."""
    image_pull: ImagePull = section(ImagePull)
    """Images that can't be pulled."""
    silence: Silence = section(Silence)
    """A cluster that sends nothing."""


class Alerts(Section):
    """Alerts of OpenSearch."""

    channel: Annotated[Channel | None, Given] = None
    """Where alerts go. They are shown in OpenSearch Dashboards in any case."""
    monitors: Monitors = section(Monitors)
    """What is alerted on."""

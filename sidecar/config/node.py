"""What concerns the node and the two processes on it: folders, disk and memory, ports."""

from typing import Self

from pydantic import field_validator, model_validator

from sidecar.config.address import is_ip_address
from sidecar.config.extra import Extra
from sidecar.config.names import AbsolutePath, Port, checked_version
from sidecar.config.section import Found, Section, refuse, section
from sidecar.config.show import quoted
from sidecar.config.units import Size, format_size, parse_size

OLDEST_FLUENT_BIT = (5, 1, 1)
_SMALLEST_DISK = 64 * 2**20
_SMALLEST_MEMORY = 16 * 2**20


class Paths(Section):
    """Where things are on the node, so that the sidecar also runs outside a pod."""

    logs: AbsolutePath = "/var/log/pods"
    """Where the kubelet writes pod logs. Only read."""
    state: AbsolutePath = "/var/lib/fluent-sidecar"
    """Where the journal, Fluent Bit's positions and its chunks are kept. Must survive a restart: a disk of the node."""
    run: AbsolutePath = "/run/fluent-sidecar"
    """Where rendered files and credentials for Fluent Bit go. Best on a memory volume."""

    @model_validator(mode="after")
    def _check_apart(self) -> Self:
        if _inside(self.state, self.run) or _inside(self.run, self.state):
            raise ValueError(f"state ({self.state}) and run ({self.run}) must not lie in one another")
        return self


def _inside(inner: str, outer: str) -> bool:
    return f"{inner}/".startswith(f"{outer.rstrip('/')}/")


class Buffer(Section):
    """What Fluent Bit holds of pod logs that have not reached OpenSearch."""

    disk: Size = parse_size("2GiB")
    """Disk of the node for logs on their way, at least 64MiB: hours of an outage at usual rates. When it is full, the
    oldest go, and are counted. The journal of events has its own, `events.journal`."""
    memory: Size = parse_size("32MiB")
    """How much of that Fluent Bit has in memory at a time, at least 16MiB and at most `disk`. More costs memory in an
    outage and gains nothing."""

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        found: Found = []
        for key, size, least in (("disk", self.disk, _SMALLEST_DISK), ("memory", self.memory, _SMALLEST_MEMORY)):
            if size < least:
                found.append(((key,), f"{key} must be at least {format_size(least)}"))
        if not found and self.memory > self.disk:
            found.append((("memory",), "memory must not be more than buffer.disk, of which it is a part"))
        refuse(found)
        return self


class FluentBit(Section):
    """The Fluent Bit that the configuration is rendered for."""

    version: str = "5.1.1"
    """Its version: a property that it lacks is not rendered."""
    port: Port = 2020
    """Port of its HTTP server (health, metrics, reload), on the loopback address only."""
    extra: Extra = section(Extra)
    """Plugins of one's own, beside the pipelines of this project: they are rendered as they are written here."""

    @field_validator("version")
    @classmethod
    def _check_version(cls, value: str) -> str:
        return checked_version(value, OLDEST_FLUENT_BIT, "Fluent Bit")


class Agent(Section):
    """`sidecar run` itself."""

    address: str = "0.0.0.0"  # noqa: S104 - the kubelet probes the pod's address
    """Address that metrics and health are served at."""
    port: Port = 2021
    """Port that metrics and health are served at: /metrics, /livez, /readyz."""

    @field_validator("address")
    @classmethod
    def _check_address(cls, value: str) -> str:
        if not is_ip_address(value):
            raise ValueError(f"expected an IP address such as 0.0.0.0 or 127.0.0.1, found {quoted(value)}")
        return value

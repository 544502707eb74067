"""The model of pipeline.yaml: its sections, and what must hold between them.

The text below a field is its description in the JSON Schema and in the reference: what it is, its unit, and why its
default is what it is. Keys are camelCase in the file.
"""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, model_validator

from sidecar.config.alerts import Alerts
from sidecar.config.controlplane import ControlPlane
from sidecar.config.dashboards import Dashboards
from sidecar.config.events import Events, EventSelection
from sidecar.config.families import Placed, meetings
from sidecar.config.family import Family
from sidecar.config.fixed import DEAD_LETTER
from sidecar.config.logs import Logs, LogSelection, MultilineRule, RedactRule
from sidecar.config.names import ClusterName, version_tuple
from sidecar.config.node import OLDEST_FLUENT_BIT, Agent, Buffer, FluentBit, Paths
from sidecar.config.opensearch import OLDEST_OPENSEARCH, OpenSearch, Tls
from sidecar.config.route import Route
from sidecar.config.section import Found, Section, models_in, refuse, section
from sidecar.config.show import quoted
from sidecar.config.units import format_size

__all__ = [
    "DEAD_LETTER",
    "OLDEST_FLUENT_BIT",
    "OLDEST_OPENSEARCH",
    "UNUSED",
    "Config",
    "ControlPlane",
    "EventSelection",
    "Events",
    "Family",
    "LogSelection",
    "Logs",
    "MultilineRule",
    "OpenSearch",
    "RedactRule",
    "Route",
    "Tls",
    "section_at",
    "version_tuple",
]


UNUSED = "it has no effect, by what else the file says"
"""What is said of a key that `Config.unused` names."""
_LINES_IN_REQUEST = 4
_OF_OTHER_SOURCE = {"cloudwatch": "auditLog", "node": "logGroup"}
"""Of `controlPlane`: the key that has no effect with a source."""


class Config(Section):
    """pipeline.yaml."""

    cluster: ClusterName
    """Name of the Kubernetes cluster, written on every document."""
    opensearch: OpenSearch
    """Where everything goes."""
    events: Events = section(Events)
    """Kubernetes Events."""
    logs: Logs = section(Logs)
    """Pod logs."""
    control_plane: ControlPlane = section(ControlPlane)
    """Logs of the control plane."""
    dashboards: Dashboards = section(Dashboards)
    """OpenSearch Dashboards."""
    alerts: Alerts = section(Alerts)
    """Alerts of OpenSearch."""
    buffer: Buffer = section(Buffer)
    """What Fluent Bit holds of pod logs that have not reached OpenSearch."""
    paths: Paths = section(Paths)
    """Folders on the node."""
    fluentbit: FluentBit = section(FluentBit)
    """The Fluent Bit beside the sidecar."""
    agent: Agent = section(Agent)
    """The sidecar's own port."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        refuse([*self._port_problems(), *self._index_problems(), *self._size_problems(), *self._function_problems()])
        return self

    def _port_problems(self) -> Found:
        if self.fluentbit.port != self.agent.port:
            return []
        path = ("agent", "port") if "port" in self.agent.model_fields_set else ("fluentbit", "port")
        text = f"fluentbit.port and agent.port are both {self.agent.port}; they share a pod, so they must differ"
        return [(path, text)]

    def _index_problems(self) -> Found:
        families: list[Placed] = [
            (("events",), self.events),
            (("logs",), self.logs),
            (("controlPlane",), self.control_plane),
            *((("logs", "routes", at), route) for at, route in enumerate(self.logs.routes)),
        ]
        return meetings(families, len(self.logs.routes))

    def _size_problems(self) -> Found:
        least = _LINES_IN_REQUEST * self.logs.max_line
        if self.opensearch.max_request >= least:
            return []
        path = ("logs", "maxLine") if "max_line" in self.logs.model_fields_set else ("opensearch", "maxRequest")
        text = (
            f"opensearch.maxRequest must be at least {_LINES_IN_REQUEST} times logs.maxLine, {format_size(least)}: a "
            "line is sent with its fields, and escaped"
        )
        return [(path, text)]

    def _function_problems(self) -> Found:
        if self.control_plane.source == "node" and not self.logs.enabled:
            text = "node needs logs.enabled: the control plane's logs are read with the pods'"
            return [(("controlPlane", "source"), text)]
        # Said, not by default: somebody whose cluster isn't EKS needs no function.
        if "source" not in self.control_plane.model_fields_set or self.control_plane.source != "cloudwatch":
            return []
        found: Found = []
        if self.opensearch.auth.mtls is not None:
            text = "the Lambda function has no client certificate; with opensearch.auth.mtls it must be node"
            found.append((("controlPlane", "source"), text))
        if self.control_plane.log_group_for(self.cluster) is None:
            text = f"EKS has no cluster of the name {quoted(self.cluster)}: say its log group, controlPlane.logGroup"
            found.append((("controlPlane", "source"), text))
        return found

    def unused(self) -> tuple[str, ...]:
        """Keys of the file that have no effect by what else it says, such as `controlPlane.logGroup`."""
        without_effect = _OF_OTHER_SOURCE[self.control_plane.source]
        return tuple(f"controlPlane.{key}" for key in given(self.control_plane) if key == without_effect)


def given(part: Section) -> Iterator[str]:
    """The keys of a section that the file has, in the order of the model; within one of its sections, theirs."""
    for name, info in type(part).model_fields.items():
        if name in part.model_fields_set:
            key, value = info.alias or name, getattr(part, name)
            inner = list(given(value)) if isinstance(value, Section) else []
            yield from (f"{key}.{deeper}" for deeper in inner) if inner else (key,)


def section_at(path: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The model that describes the map at a path of the file, or None where there is none."""
    model: Any = Config
    for part in path:
        if isinstance(part, int):
            continue
        fields = {info.alias or name: info for name, info in model.model_fields.items()} if model else {}
        model = next(models_in(fields[part].annotation), None) if part in fields else None
    return model if isinstance(model, type) else None

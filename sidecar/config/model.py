"""The models of pipeline.yaml.

The text below a field is its description in the JSON Schema and in the reference: what it is, its unit, and why its
default is what it is. Keys are camelCase in the file.
"""

import posixpath
import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, field_validator, model_validator
from pydantic.alias_generators import to_camel

from sidecar.config.secret import SecretRef
from sidecar.config.show import quoted
from sidecar.config.units import Duration, Given, Size, parse_size

OLDEST_OPENSEARCH = (2, 11)
OLDEST_FLUENT_BIT = (5, 1, 1)
_INDEX_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_MAX_INDEX_NAME = 240  # OpenSearch allows 255 bytes; a date is appended
DEAD_LETTER = "fluent-sidecar-dead-letter"
"""Index of the documents that OpenSearch refused; no other index's pattern matches it."""
_CLUSTER_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,255}"
_DAY = timedelta(days=1)
_SMALLEST_JOURNAL = 16 * 2**20


def version_tuple(text: str) -> tuple[int, ...]:
    """`"2.19"` -> `(2, 19)`; the text has been validated."""
    return tuple(int(part) for part in text.split("."))


def _index_name(value: str) -> str:
    if not _INDEX_NAME.match(value) or len(value) > _MAX_INDEX_NAME:
        raise ValueError(
            "expected an index name: lower-case letters and digits, '-', '_' and '.' after the first, at most "
            f"{_MAX_INDEX_NAME} characters; found {quoted(value)}"
        )
    if f"fluent-sidecar-{value}" == DEAD_LETTER or f"{DEAD_LETTER}-".startswith(f"{value}-"):
        raise ValueError(f"{quoted(value)} would meet the index {DEAD_LETTER}; choose another name")
    return value


def _absolute(value: str) -> str:
    # Fluent Bit reads `$` as a variable, a comma as the end of a path, and the others as wildcards.
    if not value.startswith("/") or ".." in value.split("/") or re.search(r"[$*?,\\{}\[\]]", value):
        raise ValueError(
            f"expected an absolute path without '..', '$', ',', '\\', brackets and wildcards, found {quoted(value)}"
        )
    if not value.isprintable() or value != value.strip():
        raise ValueError(f"expected a path without control characters and a space at its end, found {quoted(value)}")
    return f"/{posixpath.normpath(value).strip('/')}"


def _cluster_name(value: str) -> str:
    if not re.fullmatch(_CLUSTER_PATTERN, value):
        raise ValueError(
            "expected a name of letters, digits and '.', '_', ':', '/', '@', '-' after the first, at most 256 "
            f"characters; found {quoted(value)}"
        )
    return value


def _version(value: str, oldest: tuple[int, ...], product: str) -> str:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){1,2}", value):
        raise ValueError(f"expected a version such as {'.'.join(map(str, oldest))}, found {quoted(value)}")
    if version_tuple(value) < oldest:
        raise ValueError(f"{product} {value} is too old; the oldest that works is {'.'.join(map(str, oldest))}")
    return value


IndexName = Annotated[str, AfterValidator(_index_name)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """A map in pipeline.yaml: strict, immutable, and without unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        # One build, of the outermost model, when it is first used: half of the time that a command needs to start.
        defer_build=True,
    )


def _section(model: type[Section]) -> Any:
    """A section that the file may leave out: all its defaults. Its model needs no build of its own for that."""
    return Field(default_factory=model.model_construct)


class BasicAuth(Section):
    """User and password."""

    username: SecretRef
    """Where the user's name is."""
    password: SecretRef
    """Where the password is."""


class Auth(Section):
    """How the sidecar and Fluent Bit prove who they are."""

    basic: Annotated[BasicAuth | None, Given] = None
    """HTTP basic authentication."""


class Tls(Section):
    """Transport security; used where `url` begins with https."""

    verify: bool = True
    """Whether the server's certificate and name are checked. Turn it off for a trial only."""
    ca: Annotated[AbsolutePath | None, Given] = None
    """File with the CA certificates (PEM) that the server's is checked against; the system's where it is missing."""


class OpenSearch(Section):
    """The OpenSearch that everything goes to."""

    url: str
    """Address: scheme, host, and where needed port and path. One: Fluent Bit's output takes no list."""
    version: Annotated[str, Field(examples=["2.19", "3.4"])] = "2.19"
    """Version of the server, in quotes: what the index templates may use."""
    auth: Auth = _section(Auth)
    """Credentials, by reference."""
    tls: Tls = _section(Tls)
    """How the server's certificate is checked."""
    manage: bool = True
    """Whether `sidecar run` itself puts the index templates in place before the first document."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return _checked_url(value)

    @field_validator("version")
    @classmethod
    def _check_version(cls, value: str) -> str:
        return _version(value, OLDEST_OPENSEARCH, "OpenSearch")

    @property
    def endpoint(self) -> SplitResult:
        """`url` in its parts; the host is never empty."""
        return urlsplit(self.url)

    @property
    def port(self) -> int:
        """The port of `url`, or its scheme's."""
        return self.endpoint.port or (443 if self.endpoint.scheme == "https" else 80)


def _checked_url(value: str) -> str:
    parts = None
    try:
        parts = urlsplit(value)
        port, host = parts.port, parts.hostname
    except ValueError:
        port, host = 0, None
    # What could hold a password is not repeated: before an @, in a query.
    if "@" in value:
        raise ValueError(
            "user and password don't belong in the address; write them under opensearch.auth, by reference"
        )
    if re.search(r"[^!-~]|[?#$%\"'\\]", value):
        raise ValueError("expected an address of plain ASCII without query, fragment, '$', '%', quotes and spaces")
    if parts is None or parts.scheme not in {"http", "https"} or not host or port == 0:
        raise ValueError(f"expected an address such as https://opensearch.example:9200, found {quoted(value)}")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", host) and not _is_ip_address(host):
        raise ValueError(f"{quoted(host)} is no host name")
    return value.rstrip("/")


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class Events(Section):
    """Kubernetes Events."""

    index: IndexName = "eks-kubernetes-events"
    """Index, or first part of its name where `rotate` adds a date."""
    rotate: Literal["daily", "monthly", "never"] = "daily"
    """How often a new index begins, by the event's creation time (UTC). Old indices go as a whole, which is cheap."""
    retain: Annotated[Duration | None, Given] = None
    """How long documents are kept after the end of their index's day or month; 30d where nothing is said."""
    journal: Size = parse_size("512MiB")
    """Disk for unconfirmed events on a node. When it is full, watching pauses; the API server keeps them for 1h."""

    @model_validator(mode="after")
    def _check_retention(self) -> Self:
        if self.rotate == "never" and self.retain is not None:
            raise ValueError("retain needs rotate: daily or monthly, because an index is deleted as a whole")
        if self.retain is not None and self.retain < _DAY:
            raise ValueError("retain must be at least 1d, because an index covers a day or a month")
        if self.journal < _SMALLEST_JOURNAL:
            raise ValueError("journal must be at least 16MiB")
        return self

    @property
    def retention(self) -> timedelta | None:
        """How long documents are kept; None is for ever."""
        return None if self.rotate == "never" else self.retain or 30 * _DAY


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


class FluentBit(Section):
    """The Fluent Bit that the configuration is rendered for."""

    version: str = "5.1.1"
    """Its version: a property that it lacks is not rendered."""
    port: Port = 2020
    """Port of its HTTP server (health, metrics, reload), on the loopback address only."""

    @field_validator("version")
    @classmethod
    def _check_version(cls, value: str) -> str:
        return _version(value, OLDEST_FLUENT_BIT, "Fluent Bit")


class Agent(Section):
    """`sidecar run` itself."""

    address: str = "0.0.0.0"  # noqa: S104 - the kubelet probes the pod's address
    """Address that metrics and health are served at."""
    port: Port = 2021
    """Port that metrics and health are served at: /metrics, /livez, /readyz."""

    @field_validator("address")
    @classmethod
    def _check_address(cls, value: str) -> str:
        if not _is_ip_address(value):
            raise ValueError(f"expected an IP address such as 0.0.0.0 or 127.0.0.1, found {quoted(value)}")
        return value


class Config(Section):
    """pipeline.yaml."""

    cluster: Annotated[
        str, AfterValidator(_cluster_name), WithJsonSchema({"type": "string", "pattern": f"^{_CLUSTER_PATTERN}$"})
    ]
    """Name of the Kubernetes cluster, written on every document."""
    opensearch: OpenSearch
    """Where everything goes."""
    events: Events = _section(Events)
    """Kubernetes Events."""
    paths: Paths = _section(Paths)
    """Folders on the node."""
    fluentbit: FluentBit = _section(FluentBit)
    """The Fluent Bit beside the sidecar."""
    agent: Agent = _section(Agent)
    """The sidecar's own port."""

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.fluentbit.port == self.agent.port:
            raise ValueError(
                f"fluentbit.port and agent.port are both {self.agent.port}; they share a pod, so they must differ"
            )
        return self


def section_at(path: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The model that describes the map at a path of the file, or None where there is none."""
    model: Any = Config
    for part in path:
        fields = {info.alias or name: info for name, info in model.model_fields.items()} if model else {}
        model = _model_in(fields[part].annotation) if part in fields else None
    return model if isinstance(model, type) else None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None

"""OpenSearch: the way there, who we are to it, and how it is."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from sidecar.config import Config
from sidecar.doctor.finding import Finding, ok, skip, warn
from sidecar.doctor.health import blocks, disks, shard_limit, status
from sidecar.doctor.run import Area, Check
from sidecar.doctor.wire import handshake, reach
from sidecar.errors import OpenSearchError
from sidecar.opensearch import Client, connect
from sidecar.opensearch.client import RefusedError
from sidecar.opensearch.manage import Server
from sidecar.opensearch.manage.managed import in_paths
from sidecar.opensearch.manage.probe import NO_DIFFERENCE, features, probe
from sidecar.render.indices import IndexFamily, families, index_pattern

TITLE = "OpenSearch"
_SLOW = "it takes connections and doesn't answer: is it overloaded, or is another thing at that port?"
_FORBIDDEN, _NOT_FOUND = 403, 404
RIGHTS = "this user may not ask, and need not; with an administrator's credentials it can be told"


class Link:
    """OpenSearch, as pipeline.yaml says it; the client is made when it is first asked for.

    Attributes:
        config: pipeline.yaml.
        server: What it is, once that was found out.
        mapped: Index families of which a new index would get our mapping, as far as that was found out.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.mapped: set[str] = set()
        self.server: Server | None = None
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """Raises what `connect` raises."""
        self._client = self._client or connect(self.config)
        return self._client

    def area(self) -> Area:
        """All that is looked at without writing."""
        return Area(TITLE, self._checks)

    def _checks(self) -> list[Check]:
        settings = self.config.opensearch
        checks = [Check("connection", self._reach, gate=True)]
        if settings.endpoint.scheme == "https":
            checks.append(Check("TLS", self._handshake, gate=True))
        return [
            *checks,
            Check("credentials", self._credentials, gate=True, slow=_SLOW),
            Check("version", self._version, gate=True, slow=_SLOW),
            Check("health", self._asking("health", self._health), slow=_SLOW),
            Check("shards", self._asking("shards", self._shards), slow=_SLOW),
            Check("disks", self._asking("disks", self._disks), slow=_SLOW),
            Check("blocks", self._asking("blocks", self._blocks), slow=_SLOW),
        ]

    @cached_property
    def _place(self) -> tuple[str, int]:
        """Host and port; where pipeline.yaml leaves them out, those of the parameter in AWS."""
        settings = self.config.opensearch
        parts = settings.endpoint if settings.url else urlsplit(self.client.access.login().url)
        return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)

    def _reach(self) -> Finding:
        return reach(*self._place)

    def _handshake(self) -> Finding:
        settings = self.config.opensearch
        return handshake(*self._place, settings.tls, settings.auth.mtls)

    def _credentials(self) -> Finding:
        try:
            self.client.request("GET", "/")
        except RefusedError as error:
            # Who may not ask for the version is known all the same; what else may be wrong the version tells.
            if error.status not in {_FORBIDDEN, _NOT_FOUND}:
                raise
        return ok("credentials", f"{self.client.url} takes them" if self._named else f"{self.client.url} asks for none")

    def _version(self) -> Iterator[Finding]:
        try:
            server = probe(self.client, self.config.opensearch.version)
        except RefusedError as error:
            if error.status != _FORBIDDEN:
                raise
            said = self.config.opensearch.version
            yield ok("version", f"this user may not ask for it; taken for {said}, as opensearch.version says")
            # What a server has without its version being known: asked one by one.
            server = Server(self.config.opensearch.version, features(self.client, amazon=False))
        else:
            yield ok("version", f"OpenSearch {server.number}{', of Amazon' if server.amazon else ''}")
        for note in server.notes:
            if note.endswith(NO_DIFFERENCE):
                yield ok("version", note)
            else:
                yield warn("version", note, "write the server's version in opensearch.version")
        self.server = server

    @property
    def _named(self) -> bool:
        auth = self.config.opensearch.auth
        return any((auth.basic, auth.mtls, auth.sigv4, auth.ssm))

    def _asking(self, name: str, look: Callable[[], Any]) -> Callable[[], list[Finding]]:
        """A look that not everybody may take."""

        def asked() -> list[Finding]:
            try:
                found = look()
            except OpenSearchError as error:
                if getattr(error, "status", 0) != _FORBIDDEN:
                    raise
                return [skip(name, error.what, RIGHTS)]
            return [found] if isinstance(found, Finding) else list(found)

        return asked

    def _health(self) -> Finding:
        return status(self.client.request("GET", "/_cluster/health"))

    def _shards(self) -> Finding:
        health = self.client.request("GET", "/_cluster/health")
        params = {"include_defaults": "true", "filter_path": "*.cluster.max_shards_per_node"}
        return shard_limit(health, self.client.request("GET", "/_cluster/settings", params=params))

    def _disks(self) -> Finding:
        params = {"format": "json", "h": "node,disk.percent"}
        return disks(self.client.request("GET", "/_cat/allocation", params=params))

    def _blocks(self) -> Iterator[Finding]:
        found = list(families(self.config))
        params = {"ignore_unavailable": "true", "flat_settings": "true", "expand_wildcards": "open"}
        indices: dict[str, Any] = {}
        for group in in_paths(index_pattern(family) for family in found):
            indices |= self.client.request("GET", f"/{group}/_settings/index.blocks.*", params=params)
        cluster = self.client.request("GET", "/_cluster/settings", params={"filter_path": "*.cluster.blocks"})
        now = datetime.now(UTC)
        return blocks(indices, cluster, {present_index(family, now) for family in found})


def present_index(family: IndexFamily, now: datetime) -> str:
    """The index that documents of this moment go to."""
    return {
        "daily": f"{family.index}-{now:%Y.%m.%d}",
        "monthly": f"{family.index}-{now:%Y.%m}",
        "never": family.index,
    }[family.rotate]

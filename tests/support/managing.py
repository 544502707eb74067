"""What `sidecar plan` and `sidecar apply` do, for tests that need their result."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sidecar.config import Config, loads
from sidecar.opensearch import Client
from sidecar.opensearch.manage import Change, Kind, Outcome, Server
from sidecar.opensearch.manage.backup import Backup
from sidecar.opensearch.manage.engine import carry_out, changes, plan, plan_removal
from sidecar.opensearch.manage.kinds import first_kinds, later_kinds
from sidecar.opensearch.manage.probe import probe
from tests.support.fakes.opensearch import FakeOpenSearch

OWN_INDICES = """
cluster: {name}
opensearch: {{url: '{url}'}}
events: {{index: {name}-events}}
logs:
  index: {name}-logs
  routes: [{{name: payments, namespaces: [payments], index: {name}-payments}}]
controlPlane: {{index: {name}-control-plane}}
"""
"""A pipeline.yaml with indices of its own for every family, for `name` and `url`."""
Name = tuple[str, str]
"""Kind and name of an object."""


def put_in_place(client: Client, config: Config) -> list[Outcome]:
    """Put in place what the first document needs."""
    server = probe(client, config.opensearch.version)
    with tempfile.TemporaryDirectory() as folder:
        outcomes = list(carry_out(plan(first_kinds(config, client), server), Backup(Path(folder))))
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    return outcomes


class Managed:
    """A fake server and what is done to it; every call looks at it anew.

    Attributes:
        config: What is wanted.
        backups: Folder of what was overwritten.
    """

    def __init__(self, server: FakeOpenSearch, backups: Path) -> None:
        self.server = server
        self.backups = backups
        self.config = self.load()

    def load(self, more: str = "", opensearch: str = "", cluster: str = "c") -> Config:
        """Want something else: more of pipeline.yaml, and more of its section `opensearch`; or in another cluster."""
        self.config = loads(f"cluster: {cluster}\nopensearch: {{url: '{self.server.url}'{opensearch}}}\n{more}")
        return self.config

    def plan(self) -> dict[Name, Change]:
        """What is to be done."""
        with self._session() as (kinds, server):
            return {(change.kind, change.name): change for change in changes(plan(kinds, server))}

    def apply(self) -> dict[Name, Outcome]:
        """Do it."""
        with self._session() as (kinds, server):
            return _by_name(carry_out(plan(kinds, server), Backup(self.backups)))

    def remove(self, *, leftovers: bool = False) -> dict[Name, Outcome]:
        """Remove what was made."""
        with self._session() as (kinds, server):
            return _by_name(carry_out(plan_removal(kinds, server, leftovers=leftovers), Backup(self.backups)))

    def written(self) -> list[str]:
        """All requests so far that change something."""
        return [f"{one.method} {one.path}" for one in self.server.requests if one.method not in {"GET", "HEAD"}]

    @contextmanager
    def _session(self) -> Iterator[tuple[Sequence[Kind], Server]]:
        client = Client(self.server.url)
        try:
            server = probe(client, self.config.opensearch.version)
            yield [*first_kinds(self.config, client), *later_kinds(self.config, client)], server
        finally:
            client.close()


def _by_name(outcomes: Iterable[Outcome]) -> dict[Name, Outcome]:
    return {(outcome.change.kind, outcome.change.name): outcome for outcome in outcomes}

"""What is in force: a configuration, the agent that runs it, and Fluent Bit's files for it."""

import gc

from sidecar import opensearch
from sidecar.agent.carry import Carried
from sidecar.agent.configfile import Loaded
from sidecar.agent.node import Node
from sidecar.agent.reloads import Reloads
from sidecar.agent.run import Agent
from sidecar.config import Config
from sidecar.kube import ApiServer
from sidecar.opensearch import Client

Parts = tuple[Client, Node]
"""What an agent is made with; to make these may fail, and harms nothing."""


class InForce:
    """Starts and ends agents, one after the other.

    Args:
        api: The API server.
        reloads: Reloads Fluent Bit.
        carried: Shows the metrics.
        fluent_bit: Whether there is a Fluent Bit.
    """

    def __init__(self, api: ApiServer, reloads: Reloads, carried: Carried, *, fluent_bit: bool) -> None:
        self._api = api
        self._reloads = reloads
        self._carried = carried
        self._fluent_bit = fluent_bit
        self._agent: Agent | None = None
        self._node: Node | None = None
        self._loaded: Loaded | None = None
        self._was_ready = False

    @property
    def loaded(self) -> Loaded:
        """The configuration."""
        assert self._loaded is not None
        return self._loaded

    @loaded.setter
    def loaded(self, loaded: Loaded) -> None:
        self._loaded = loaded

    @property
    def node(self) -> Node:
        """Fluent Bit's files."""
        assert self._node is not None
        return self._node

    @property
    def runs(self) -> bool:
        """Whether there is an agent."""
        return self._agent is not None

    def ready(self) -> bool:
        """Whether everything that Fluent Bit needs is in place, or was before a change."""
        agent = self._agent  # another thread exchanges it
        self._was_ready = self._was_ready or (agent is not None and agent.ready())
        return self._was_ready

    def failed(self) -> list[str]:
        """Names of the parts that ended by a bug."""
        agent = self._agent
        return list(agent.failed) if agent else []

    def parts(self, config: Config) -> Parts:
        """What an agent for this is made with.

        Raises:
            SidecarError: A credential can't be read, a certificate can't be used.
        """
        client = opensearch.connect(config)
        return client, Node(config, client.access, self._reloads)

    def begin(self, loaded: Loaded, parts: Parts) -> None:
        """Start an agent, after the one before has ended; the Lease is given up in between.

        Raises:
            SidecarError: It can't be started; then none runs.
        """
        self.end()
        client, node = parts
        agent = Agent(loaded.config, self._api, client, node, self._reloads, fluent_bit=self._fluent_bit)
        self._carried.follow(agent.registry)
        agent.start()
        self._agent, self._node, self._loaded = agent, node, loaded

    def end(self) -> None:
        """End the agent."""
        if self._agent:
            self._agent.end()
            self._agent = None
            gc.collect()  # its parts hold one another

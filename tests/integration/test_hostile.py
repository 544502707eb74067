"""Hostile Events, through Fluent Bit and sent by the sidecar: none is refused, none is missing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.opensearch import connect
from sidecar.opensearch.query import documents
from sidecar.render import fields
from tests.support.fakes.kubernetes import FakeEvents, changes, kubeconfig
from tests.support.fakes.kubernetes import listing as page
from tests.support.fakes.leases import ServesLeases
from tests.support.fakes.server import Exchange
from tests.support.hostile import hostile_events
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.waiting import wait_until

COUNT = 2000


class Server(ServesLeases, FakeEvents):
    """An API server whose Events are ours to choose."""


@pytest.mark.parametrize("way", ["shipped", "sent"])
def test_none_is_refused_and_none_is_missing(
    tmp_path: Path, opensearch_url: str, fluent_bit: Path, start_process: Callable[..., Process], way: str
) -> None:
    events = hostile_events(COUNT)
    # As a real server could not: with lone surrogates and numbers beyond 64 bits.
    body = json.dumps({"metadata": {"resourceVersion": "9"}, "items": events}).encode()

    def listing(exchange: Exchange) -> None:
        exchange.answer(200, body)

    with Server([listing], [changes()]) as server:
        server.heads = [page([], 9)]
        pipeline = Pipeline(
            tmp_path,
            url=opensearch_url,
            kubeconfig=Path(kubeconfig(tmp_path, server.url)),
            start_process=start_process,
            more={"opensearch": {"url": opensearch_url, "version": "3.4"}},
        )
        sidecar = pipeline.start_sidecar(
            *([] if way == "shipped" else ["--without-fluent-bit"]), "--log-format", "text"
        )
        if way == "shipped":
            pipeline.start_fluent_bit(fluent_bit)

        def ids() -> list[str]:
            query = {"term": {fields.CLUSTER: pipeline.config.cluster}}
            return [
                found["id"]
                for found in documents(connect(pipeline.config), f"{pipeline.index}*", query, order=fields.ID)
            ]

        wait_until(
            lambda: (
                pipeline.metric("sidecar_events_confirmed_total")
                + pipeline.metric("sidecar_events_dead_lettered_total")
                >= COUNT
            ),
            120,
            lambda: f"all are confirmed; {sidecar}",
            interval=0.5,
        )
        refused = [line for line in sidecar.output().splitlines() if "OpenSearch refused event" in line]
        assert refused == []
        assert pipeline.metric("sidecar_events_dead_lettered_total") == 0
        connect(pipeline.config).request("POST", f"/{pipeline.index}*/_refresh")
        owed = {f"uid-h{number}.{number + 10}" for number in range(COUNT)}
        found = ids()
        assert (sorted(owed - set(found)), len(found)) == ([], COUNT)
        pipeline.clean()

"""The Lambda function: called for each batch that CloudWatch Logs has, done when all of it is in OpenSearch.

What is not there when the time is over raises: Lambda tries the batch again, and what fails for good goes to the
on-failure queue. Connections and credentials are kept between invocations.
"""

import json
import logging
import math
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from sidecar.config.function import SECRET_VARIABLE, VARIABLE, Settings
from sidecar.controlplane.deliver import Delivery, Result
from sidecar.controlplane.documents import documents_of
from sidecar.controlplane.link import Link
from sidecar.controlplane.payload import batches_of
from sidecar.controlplane.store import Store
from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch.client import Client

NAMESPACE = "FluentSidecar"
"""Of the function's own metrics in CloudWatch."""
_SECONDS = 10.0
"""Time-out of a request: to connect, and again to be answered."""
_ATTEMPT = 2 * _SECONDS + 2
"""So long a request may take: none is sent with less time."""
_FOLDER = Path(__file__).resolve().parents[2]

logging.getLogger("sidecar").setLevel(logging.INFO)


class Context(Protocol):
    """What Lambda tells about an invocation, as far as it is needed."""

    def get_remaining_time_in_millis(self) -> int: ...  # noqa: D102 - Lambda's documentation says it


class InTime(Client):
    """Sends no request that might not be answered in time: Lambda would stop the function, which then says nothing.

    One attempt may take several: to look for the template, to renew credentials, for the halves of what was too much.

    Attributes:
        ends: When the invocation ends, monotonic.
    """

    ends = math.inf

    def request(self, *what: Any, **how: Any) -> Any:
        """As the client's.

        Raises:
            OpenSearchUnavailable: There is no time for it either.
        """
        if self.ends - time.monotonic() < _ATTEMPT:
            raise OpenSearchUnavailable(f"OpenSearch at {self.url}: no time is left for a request")
        return super().request(*what, **how)


class Function:
    """What is kept between invocations.

    Args:
        settings: What pipeline.yaml says.
        secret: ARN of the secret with user and password, if there is one.
        folder: Where the deployment package is.
    """

    def __init__(self, settings: Settings, *, secret: str = "", folder: Path = _FOLDER) -> None:
        self._settings = settings
        self._client = InTime(access=Link(settings, secret=secret, folder=folder, seconds=_SECONDS))
        self._store = Store(self._client, settings.template)

    def __call__(self, event: Any, context: Context) -> Result:
        """Deliver a batch.

        Raises:
            PayloadError: It can't be read.
            UndeliveredError: Some of it is not in OpenSearch yet.
            OpenSearchError: OpenSearch refuses us.
        """
        self._client.ends = ends = time.monotonic() + context.get_remaining_time_in_millis() / 1000
        documents = list(documents_of(batches_of(event), self._settings, now=datetime.now(UTC)))
        delivery = Delivery(
            self._store,
            cluster=self._settings.cluster,
            left=lambda: ends - time.monotonic(),
            attempt=_ATTEMPT,
            sleep=time.sleep,
        )
        try:
            return delivery.deliver(documents)
        finally:
            _tell(self._settings.cluster, len(documents), delivery.result)

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()


_function: Function | None = None


def handler(event: Any, context: Context) -> dict[str, int]:
    """What Lambda calls; what is returned is for a test from the console."""
    global _function  # noqa: PLW0603 - Lambda has no other place for what is kept
    if _function is None:
        settings = Settings.from_json(os.environ.get(VARIABLE, ""))
        _function = Function(settings, secret=os.environ.get(SECRET_VARIABLE, ""))
    result = _function(event, context)
    return {"stored": result.stored, "there": result.there, "deadLettered": result.dead_lettered}


def _tell(cluster: str, documents: int, result: Result) -> None:
    """One line of JSON, from which CloudWatch makes metrics (its embedded metric format)."""
    values = {
        "Documents": documents,
        "Stored": result.stored,
        "AlreadyThere": result.there,
        "DeadLettered": result.dead_lettered,
        "Retried": result.retried,
        "NotDelivered": documents - result.done,
    }
    metrics = [{"Name": name, "Unit": "Count"} for name in values]
    embedded = {
        "Timestamp": int(time.time() * 1000),
        "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Cluster"]], "Metrics": metrics}],
    }
    print(json.dumps({"Cluster": cluster, **values, "_aws": embedded}), flush=True)  # noqa: T201 - Lambda logs it

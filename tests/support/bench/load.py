"""Events at a steady rate."""

import datetime as dt
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from tests.support.events import Writer
from tests.support.kubeapi import Api
from tests.support.shapes import shape

_WORKERS = 8


class Load:
    """Creates events at a steady rate; `written` has the moment of the API server's answer to each, by id.

    Args:
        kubeconfig: Of somebody who may create namespaces and Events.
        namespace: Made if it isn't there.
        numbers: Of the events, which `tests.support.shapes` makes.
        rate: How many a second.
    """

    def __init__(self, kubeconfig: Path, namespace: str, numbers: Iterable[int], *, rate: int) -> None:
        self.written: dict[str, float] = {}
        self.seconds = 0.0
        self._api = Api(kubeconfig, connections=_WORKERS)
        self._api.ensure_namespace(namespace)
        self._namespace = namespace
        self._writer = Writer(self._api, namespace, 30)
        self._numbers = list(numbers)
        self._rate = rate
        self._errors: list[BaseException] = []

    def run(self) -> None:
        """Write all; a write that had to wait is not made up for by a burst."""
        threads = [threading.Thread(target=self._guarded, args=(worker,)) for worker in range(_WORKERS)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds = time.monotonic() - began
        self._api.close()
        if self._errors:
            raise self._errors[0]

    def _guarded(self, worker: int) -> None:
        try:
            self._work(worker)
        except Exception as error:  # noqa: BLE001 - `run` raises it
            self._errors.append(error)

    def _work(self, worker: int) -> None:
        pause = _WORKERS / self._rate
        due = time.monotonic() + pause * worker / _WORKERS
        for number in self._numbers[worker::_WORKERS]:
            time.sleep(max(0.0, due - time.monotonic()))
            wanted = shape(number, self._namespace, dt.datetime.now(dt.UTC))
            metadata = self._writer.create(wanted)["metadata"]
            self.written[f"{metadata['uid']}.{metadata['resourceVersion']}"] = time.monotonic()
            due = max(due + pause, time.monotonic())

"""Events that arrive at a steady rate through a real API server, and the truth about them, with the time."""

import datetime as dt
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.chaos.odd import make_odd
from tests.support.events import Writer
from tests.support.kubeapi import Api
from tests.support.shapes import Shape, shape

_KEPT = 40
"""So many of the latest Events of a worker may still be updated."""
_UPDATES = 0.5
_ODD_EVERY = 15
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an Event: `<uid>.<resourceVersion>`, written after `sent` and before `answered` (Unix seconds)."""

    id: str
    sent: float
    answered: float


@dataclass
class Ledger:
    """Every version that the API server answered: by uid, in the order of their writing."""

    versions: dict[str, list[Version]] = field(default_factory=dict)

    def add(self, answer: dict[str, Any], sent: float, answered: float) -> None:
        """Add an Event as the API server answered it."""
        uid, version = answer["metadata"]["uid"], answer["metadata"]["resourceVersion"]
        self.versions.setdefault(uid, []).append(Version(f"{uid}.{version}", sent, answered))

    @property
    def ids(self) -> set[str]:
        """Of every version."""
        return {version.id for versions in self.versions.values() for version in versions}

    @property
    def written(self) -> int:
        """How many versions."""
        return sum(len(versions) for versions in list(self.versions.values()))


Make = Callable[[int, str, dt.datetime], Shape]
"""The Event of a number, in a namespace, that happened at a time."""


def often_odd(index: int, namespace: str, at: dt.datetime) -> Shape:
    """What a busy cluster's Events look like, and every fifteenth odd."""
    made = shape(index, namespace, at)
    return make_odd(made, index // _ODD_EVERY) if index % _ODD_EVERY == 0 else made


@dataclass
class _Living:
    """An Event that may be updated."""

    shape: Shape
    latest: dict[str, Any]
    updates: int = 0


class Load:
    """Writes from `start` to `stop`: half of it new Events, half updates of the latest ones.

    What the API server does not answer is asked again until it is known; what could not be written in its time
    meanwhile isn't made up for.

    Args:
        kubeconfig: Of somebody who may create namespaces and Events.
        namespace: Made if it isn't there.
        rate: Writes a second.
        workers: Threads; each updates its own Events only, so that their versions have an order.
        make: What the Event of a number is; by default every fifteenth is odd.
    """

    def __init__(
        self, kubeconfig: Path, namespace: str, *, rate: float, workers: int = 8, make: Make | None = None
    ) -> None:
        self.ledger = Ledger()
        self.errors: list[str] = []
        self._api = Api(kubeconfig, connections=workers)
        self._writer = Writer(self._api, namespace, _PATIENCE)
        self._namespace = namespace
        self._make = make or often_odd
        self._workers = workers
        self._pause = workers / rate
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(number,), name=f"load-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        self._api.ensure_namespace(self._namespace)
        for thread in self._threads:
            thread.start()

    def stop(self) -> Ledger:
        """End; returns when everything that was sent is known.

        Raises:
            AssertionError: The API server refused something, or did not answer for too long.
        """
        self.halt()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._api.close()
        assert not self.errors, f"the load broke off: {self.errors[0]}"
        return self.ledger

    def halt(self) -> None:
        """Begin nothing more; returns at once."""
        self._stop.set()

    def _guarded(self, number: int) -> None:
        try:
            self._work(number)
        except Exception as error:  # noqa: BLE001 - whatever it is, `stop` tells it
            self.errors.append(f"{type(error).__name__}: {error}")

    def _work(self, number: int) -> None:
        chance = random.Random(number)
        living: deque[_Living] = deque(maxlen=_KEPT)
        index = number
        due = time.monotonic() + self._pause * number / self._workers
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            if living and chance.random() < _UPDATES:
                self._update(chance.choice(living))
            else:
                living.append(self._create(index))
                index += self._workers
            due = max(due + self._pause, time.monotonic())

    def _create(self, index: int) -> _Living:
        made = self._make(index, self._namespace, dt.datetime.now(dt.UTC))
        sent = time.time()
        answer = self._writer.create(made)
        self._add(answer, sent)
        return _Living(made, answer)

    def _update(self, event: _Living) -> None:
        event.updates += 1
        sent = time.time()
        event.latest = self._writer.update(event.shape, event.latest, event.updates)
        self._add(event.latest, sent)

    def _add(self, answer: dict[str, Any], sent: float) -> None:
        answered = time.time()
        with self._lock:
            self.ledger.add(answer, sent, answered)

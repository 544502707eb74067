"""From the API server's answer to a write until a search finds the document, at a steady rate.

Everything is real; the indices refresh every second. In one run, in turn: the sidecar with Fluent Bit, Fluent Bit's own
input for events, and that once more without the events of 1-3 KB at which its watch stops. DELAY_RATE (writes a second)
and DELAY_SECONDS change the sizes.
"""

import http
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

import urllib3

from tests.support.apiserver import ApiServer
from tests.support.bench.load import Load
from tests.support.bench.pod import in_pod, write_service_account
from tests.support.bench.report import print_head, print_row, quantile, size
from tests.support.bench.rival import start_rival
from tests.support.kubeapi import read_access
from tests.support.parts import Missing, Parts, find_fluent_bit
from tests.support.pipeline import Pipeline
from tests.support.process import Process
from tests.support.search import Answers
from tests.support.waiting import unique_name, wait_until

RATE = size("DELAY_RATE", 200)
SECONDS = size("DELAY_SECONDS", 60)
_POLL = 0.1
_LATE_SECONDS = 30.0
"""How long it is waited for what has not come, once the last was written."""
_CALM_SECONDS = 8.0
_BEHIND = 2000
"""What is found may have a lower number than what was found before: it is looked for so far back."""
_MOST = 5000
_LONG_EVERY, _LONG = 10, 9

Begin = Callable[..., Process]


@dataclass(frozen=True)
class Way:
    """What ships the events; whether those of 1-3 KB are among them."""

    name: str
    sidecar: bool
    long: bool = True


WAYS = [
    Way("sidecar + Fluent Bit", sidecar=True),
    Way("Fluent Bit's `kubernetes_events`", sidecar=False),
    Way("the same, without events of 1-3 KB", sidecar=False, long=False),
]


@dataclass
class Finder:
    """Searches one index for what is new, in the order of arrival; `found` has the moment of each, by id."""

    url: str
    index: str
    found: dict[str, float] = field(default_factory=dict)
    _last: int = -1

    def search(self) -> None:
        """Look once."""
        body = {
            "size": _MOST,
            "query": {"range": {"_seq_no": {"gt": self._last - _BEHIND}}},
            "sort": [{"_seq_no": {"order": "asc", "unmapped_type": "long"}}],
            "_source": ["metadata.uid", "metadata.resourceVersion"],
        }
        asked = f"{self.url}/{self.index}/_search?ignore_unavailable=true&filter_path=hits.hits"
        answer = urllib3.request("POST", asked, json=body, timeout=30)
        if answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            return  # the index is just being made
        assert answer.status == http.HTTPStatus.OK, answer.data[:500]
        now = time.monotonic()
        for hit in answer.json().get("hits", {}).get("hits", []):
            metadata = hit["_source"].get("metadata", {})
            self._last = max(self._last, hit["sort"][0])
            self.found.setdefault(f"{metadata.get('uid')}.{metadata.get('resourceVersion')}", now)

    def run(self, over: threading.Event) -> None:
        """Look again and again."""
        while not over.is_set():
            began = time.monotonic()
            self.search()
            over.wait(max(0.0, began + _POLL - time.monotonic()))


class Bench:
    """The servers."""

    def __init__(self, folder: Path, url: str, server: ApiServer, program: Path) -> None:
        self._folder, self._url, self._server, self._program = folder, url, server, program

    def measure(self, way: Way) -> None:
        """One way, and its row."""
        with ExitStack() as stack:
            folder = self._folder / unique_name("run")
            folder.mkdir()
            (folder / "pods").mkdir()

            def start(command: list[Any], *, name: str = "", env: Any = None) -> Process:
                return stack.enter_context(Process(command, log=folder / f"{name}.log", env=env, name=name))

            namespace = unique_name("delay")
            ship = self._start_sidecar if way.sidecar else self._start_rival
            finder = Finder(self._url, ship(stack, folder, start))
            # Past the moment at which Fluent Bit is let go: what is measured is the calm after it.
            self._warm_up(finder)
            numbers = (number for number in range(RATE * SECONDS * 2) if way.long or number % _LONG_EVERY != _LONG)
            load = Load(self._server.kubeconfig, namespace, islice(numbers, RATE * SECONDS), rate=RATE)
            over = threading.Event()
            searching = threading.Thread(target=finder.run, args=(over,), daemon=True)
            searching.start()
            load.run()
            end = time.monotonic() + _LATE_SECONDS
            while load.written.keys() - finder.found.keys() and time.monotonic() < end and searching.is_alive():
                time.sleep(_POLL)
            over.set()
            searching.join()
            _print(way, load, finder)

    def _warm_up(self, finder: Finder) -> None:
        short = (number for number in count() if number % _LONG_EVERY != _LONG)
        load = Load(self._server.kubeconfig, unique_name("warm"), islice(short, 20), rate=RATE)
        load.run()

        def there() -> bool:
            finder.search()
            return load.written.keys() <= finder.found.keys()

        wait_until(there, 60, "the first events are found", interval=0.2)
        time.sleep(_CALM_SECONDS)

    def _start_sidecar(self, stack: ExitStack, folder: Path, start: Begin) -> str:
        access = read_access(self._server.kubeconfig)
        write_service_account(folder / "account", token=access.token, ca=access.ca)
        pipeline = Pipeline(
            folder,
            url=self._url,
            kubeconfig=self._server.kubeconfig,
            start_process=in_pod(start, folder / "account", access.server),
            more={"events": {"rotate": "never"}},
        )
        stack.enter_context(Answers(self._url, pipeline.index))
        stack.callback(pipeline.clean)
        pipeline.start_sidecar()
        pipeline.start_fluent_bit(self._program)
        return pipeline.index

    def _start_rival(self, stack: ExitStack, folder: Path, start: Begin) -> str:
        index = unique_name("fluent-bit-events")
        settings = {"number_of_replicas": 0, "refresh_interval": "1s"}
        urllib3.request("PUT", f"{self._url}/{index}", json={"settings": settings})
        stack.enter_context(Answers(self._url, index))
        start_rival(
            self._program,
            folder / "rival",
            kubeconfig=self._server.kubeconfig,
            url=self._url,
            index=index,
            start=start,
        )
        return index


def run() -> None:
    parts = Parts()
    try:
        program, version = find_fluent_bit()
        with ExitStack() as stack:
            stack.callback(parts.close)
            parts.opensearch.start()
            parts.api_server.start()
            url, server = parts.opensearch.get(), parts.api_server.get()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-delay-")))
            print(f"{RATE} writes/s for {SECONDS} s, a search every {_POLL:g} s, Fluent Bit {version}\n")
            print_head("seconds until it is found", "p50", "p99", "most", "written", "writes/s", "not found")
            bench = Bench(folder, url, server, program)
            for way in WAYS:
                bench.measure(way)
    except Missing as missing:
        print(f"NOT RUN: {missing.part} ({missing.why})")


def _print(way: Way, load: Load, finder: Finder) -> None:
    # Searched at the very moment of the answer it may seem to be there before: that is no delay.
    delays = [max(0.0, finder.found[key] - at) for key, at in load.written.items() if key in finder.found]
    quantiles = (quantile(delays, share) for share in (0.5, 0.99, 1.0))
    print_row(
        way.name,
        *(f"{value:.2f}" for value in quantiles),
        f"{len(load.written):,}",
        f"{len(load.written) / load.seconds:.0f}",
        f"{len(load.written) - len(delays):,} within {_LATE_SECONDS:.0f} s",
    )

"""A whole trial: a generator, a Fluent Bit and a sink, from the first line to the score."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import urllib3

from tests.support.podlogs.follow import Follower
from tests.support.podlogs.pipelines import Patch, Rendered, bare, write
from tests.support.podlogs.score import Count, Score
from tests.support.podlogs.shipper import Shipper
from tests.support.podlogs.spec import Log, Spec
from tests.support.podlogs.truth import Truth
from tests.support.podlogs.writer import Writer
from tests.support.process import Process
from tests.support.sink import Sink
from tests.support.waiting import free_port, unique_name, wait_until

_FIELDS = ("log", "@timestamp", "stream", "kubernetes", "level", "data.request_id")
_SLEEP = 45
_SETTLED = 2.5
"""Seconds without a new document after which one that is twice would have come."""


class Rig:
    """One pipeline on one node, with folders and ports of its own.

    Args:
        folder: For everything that is written.
        program: fluent-bit.
        rendered: The configuration that is rendered; else the bare minimum.
        opensearch: Its URL; without one a `Sink` takes the documents.
        more: Keys of pipeline.yaml that differ.
        patch: Changes what was rendered.
    """

    def __init__(
        self,
        folder: Path,
        program: Path,
        *,
        rendered: bool = True,
        opensearch: str = "",
        more: dict[str, Any] | None = None,
        patch: Patch | None = None,
    ) -> None:
        self._stack = ExitStack()
        self.folder = folder
        self.pods = folder / "log" / "pods"
        self.pods.mkdir(parents=True)
        self.rendered = rendered
        self._program = program
        self._opensearch = opensearch
        self._generators: list[tuple[Process, Spec]] = []
        self._writers: list[Writer] = []
        self.changed = 0.0
        """When the last document came, as `settle` saw it (monotonic)."""
        self.notes: dict[str, list[float]] = {}
        self.sink = None if opensearch else Sink(folder / "sink", self._start, ids=True, keep=True)
        self.index = unique_name("logs")
        self._port = free_port()
        self._pipeline: Rendered | None = None
        (folder / "fluent-bit").mkdir()
        if rendered:
            content = {**(more or {})}
            content["logs"] = {"index": self.index, **content.get("logs", {})}
            content["events"] = {"index": f"events-{self.index}"}
            self._pipeline = Rendered(folder / "fluent-bit", self.pods, self.address, self._port, content, patch)
            self.file = self._pipeline.file
            if opensearch:
                self._pipeline.apply(opensearch)
        else:
            plain = bare(f"{self.pods}/*/*/*.log", folder / "fluent-bit", self.address, self._port, self.index)
            if patch:
                patch(plain)
            self.file = write(plain, folder / "fluent-bit")
        self._shipper: Shipper | None = None
        self.follower: Follower | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where documents go."""
        url = urllib3.util.parse_url(self.sink.url if self.sink else self._opensearch)
        return url.host or "", url.port or 80

    @property
    def shipper(self) -> Shipper:
        assert self._shipper, "Fluent Bit was not started"
        return self._shipper

    def start(self) -> Shipper:
        """Start Fluent Bit, and before it what follows the files, if that doesn't run yet."""
        if self._pipeline and not self.follower:
            self.follower = Follower(self._pipeline.config)
            self._stack.callback(self.follower.close)
        self._shipper = Shipper(self._program, self.file, self._port, self._start)
        return self._shipper

    def generate(self, spec: Spec) -> Process:
        """Start a generator."""
        spec.root = str(self.pods)
        spec.truth = str(self.folder / f"truth-{len(self._generators)}")
        if self._pipeline:
            self._pipeline.write_pods([*(log for _, each in self._generators for log in each.logs), *spec.logs])
        file = self.folder / f"spec-{len(self._generators)}.json"
        spec.save(file)
        process = self._start([sys.executable, "-m", "tests.support.podlogs.generate", file], name="generator")
        self._generators.append((process, spec))
        return process

    def finish(self, seconds: float) -> Truth:
        """Wait for the end of all generators; returns what they wrote."""
        truth: Truth | None = None
        for process, spec in self._generators:
            assert process.wait(seconds) == 0, process.tail()
            own = Truth.read(Path(spec.truth))
            truth = truth.plus(own) if truth else own
        assert truth
        return truth

    def writer(self, log: Log, *, prepare: Callable[[Path], object] | None = None, **options: Any) -> Writer:
        """A container whose lines are written by this process, when it says so.

        Args:
            log: The container.
            prepare: Called with the path of its file before that is opened.
            options: Of its spec.
        """
        spec = Spec(str(self.pods), "", [log], **options)
        if self._pipeline:
            self._pipeline.write_pods([*(each.log for each in self._writers), log])
        path = self.pods / log.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if prepare:
            prepare(path)
        writer = Writer(log, spec)
        self._writers.append(writer)
        return writer

    def written(self) -> Truth:
        """What the writers of this process have written."""
        return Truth.of(self._writers)

    def wait_for(self, writer: Writer) -> None:
        """Wait until as many documents have arrived as a writer has written records, or nearly."""
        owed = len(writer.kinds)
        wait_until(
            lambda: self.arrived() >= owed - 30, 20,
            lambda: f"{owed} documents arrive, not {self.arrived()}; {self.shipper.process.tail()}", interval=0.2,
        )  # fmt: skip
        time.sleep(1.5)  # positions are written once a second

    def away(self, away: bool) -> None:
        """Let OpenSearch be away, or come back."""
        assert self.sink, "the OpenSearch of other tests can't go away"
        self.sink.order(away=away)

    def note(self, what: str, value: float) -> None:
        """Keep a figure for the report."""
        self.notes.setdefault(what, []).append(value)

    def settle(self, expected: int, *, patience: float = 8, limit: float = 150) -> None:
        """Wait until so many documents are there and no more come, or none have come for long.

        Args:
            expected: Documents.
            patience: Seconds without a new one, and without one that waits, after which nothing more is expected.
            limit: Seconds after which it ends anyway.
        """
        began = self.changed = busy = time.monotonic()
        before = -1
        while time.monotonic() - began < limit:
            now = self.arrived()
            if now != before:
                before, self.changed = now, time.monotonic()
            if now != before or self._holds() or self._waits(time.monotonic() - self.changed):
                busy = time.monotonic()
            quiet = time.monotonic() - max(self.changed, busy)
            if quiet >= (_SETTLED if now >= expected else patience):
                return
            time.sleep(0.25)

    def _holds(self) -> bool:
        """Whether the filter holds lines back: its journal is emptied when it doesn't."""
        journal = Path(self._pipeline.layout.filter_state) / "held.journal" if self._pipeline else None
        return bool(journal and journal.exists() and journal.stat().st_size)

    def _waits(self, quiet: float) -> bool:
        """Whether chunks wait; what is tried again sleeps for up to 30 s."""
        return 2 < quiet < _SLEEP and self._shipper is not None and self._shipper.waits()

    def arrived(self) -> int:
        """Documents so far."""
        if self.sink:
            return self.sink.counts().created
        urllib3.request("POST", f"{self._opensearch}/{self.index}*/_refresh", timeout=60)
        answer = urllib3.request("GET", f"{self._opensearch}/{self.index}*/_count", timeout=60).json()
        return int(answer.get("count", 0))

    def score(self, truth: Truth) -> Score:
        """Look at every document."""
        count = Count(truth, joined=self.rendered)
        for document in self.documents(*(_FIELDS if self.rendered else ("log",))):
            if self.rendered:
                count.add_document(document)
            else:
                count.add(document.get("log", ""))
        return count.score()

    def documents(self, *fields: str) -> Iterator[dict[str, Any]]:
        """Every document; from OpenSearch only some of its fields."""
        if self.sink:
            self.sink.counts()  # it writes what it has in memory
            yield from self.sink.documents()
            return
        query = {"size": 2000, "_source": list(fields), "sort": ["_doc"]}
        path = f"{self.index}*/_search?scroll=2m&ignore_unavailable=true"
        while True:
            answer = urllib3.request("POST", f"{self._opensearch}/{path}", json=query, timeout=60)
            assert answer.status == 200, answer.data
            page = orjson.loads(answer.data)
            if not page["hits"]["hits"]:
                urllib3.request("DELETE", f"{self._opensearch}/_search/scroll/{page['_scroll_id']}", timeout=60)
                return
            for hit in page["hits"]["hits"]:
                yield hit["_source"]
            path, query = "_search/scroll", {"scroll": "2m", "scroll_id": page["_scroll_id"]}

    def close(self) -> None:
        """End everything, and remove the index."""
        self._stack.close()
        if self._opensearch and self._pipeline:
            self._pipeline.clean(self._opensearch)
        elif self._opensearch:
            urllib3.request("DELETE", f"{self._opensearch}/{self.index}*?expand_wildcards=all", timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, command: list[Any], *, name: str, **_: Any) -> Process:
        return self._stack.enter_context(Process(command, log=self.folder / f"{name}.log", name=name))

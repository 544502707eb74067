"""Those that ship a cluster's events to OpenSearch, each with the configuration that its documentation recommends.

Where a recommended setting would lose or double events in these tests and another one of the same program doesn't, the
other one is taken, and its reason stands beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.bench.peers.contestant import Contestant
from tests.support.bench.peers.programs import Program, find_collector, find_event_exporter
from tests.support.bench.peers.stage import Place
from tests.support.bench.pod import in_pod, write_service_account
from tests.support.bench.rival import rival
from tests.support.kubeapi import read_access
from tests.support.pipeline import Pipeline
from tests.support.waiting import free_port, unique_name

Json = dict[str, Any]

SIDECAR = "fluent-sidecar and Fluent Bit"
EXPORTER = "kubernetes-event-exporter"
FLUENT_BIT = "Fluent Bit's kubernetes_events"
COLLECTOR = "OpenTelemetry Collector and Fluent Bit"


@dataclass(frozen=True)
class Entry:
    """One that takes part: how it is started, with which program of its own, and what it promises.

    Attributes:
        start: Starts it in a place.
        find: Finds its own program; None where that is Fluent Bit alone.
        updates: Whether it passes on what changes of an Event, such as its count; else each Event's first sight only.
    """

    start: Callable[[Place], Contestant]
    find: Callable[[], Program] | None = None
    updates: bool = True


def fluent_sidecar(place: Place) -> Contestant:
    """All defaults."""
    access = read_access(place.server.kubeconfig)
    write_service_account(place.folder / "account", token=access.token, ca=access.ca)
    (place.folder / "pods").mkdir()
    pipeline = Pipeline(
        place.folder,
        url=place.url,
        kubeconfig=place.server.kubeconfig,
        start_process=in_pod(place.start, place.folder / "account", access.server),
    )
    processes = [pipeline.start_sidecar(), pipeline.start_fluent_bit(place.fluent_bit)]
    return Contestant(SIDECAR, pipeline.index, processes)


def event_exporter(place: Place) -> Contestant:
    """Its README's settings, but that it takes what is up to an hour old."""
    index = unique_name("event-exporter")
    receiver = {
        "hosts": [place.url],
        "index": index,
        "useEventID": True,  # so that what it sends again after a restart is no second document
        "deDot": True,  # without it the labels `app` and `app.kubernetes.io/name` exclude each other
    }
    content = {
        "logLevel": "warn",
        "logFormat": "json",
        "maxEventAgeSeconds": 3600,  # by default what is 5 s old is dropped: all that happened while it was down
        "kubeQPS": 100,
        "kubeBurst": 500,
        "omitLookup": True,  # a lookup is a request for each new object; none of these objects is there
        "route": {"routes": [{"match": [{"receiver": "opensearch"}]}]},
        "receivers": [{"name": "opensearch", "opensearch": receiver}],
    }
    file = _write(place.folder / "config.yaml", content)
    options = [f"-metrics-address=127.0.0.1:{free_port()}", f"-kubeconfig={place.server.kubeconfig}"]
    return Contestant(EXPORTER, index, [place.start([place.peer, f"-conf={file}", *options], name="event-exporter")])


def fluent_bit_events(place: Place) -> Contestant:
    """Without its `db`, which knows Events by their uid alone and so passes no update on."""
    index = unique_name("fluent-bit-events")
    folder = place.folder / "fluent-bit"
    content = rival(folder, kubeconfig=place.server.kubeconfig, url=place.url, index=index)
    content["service"] |= _service(folder)
    content["pipeline"]["inputs"][0]["storage.type"] = "filesystem"
    content["pipeline"]["outputs"] = [_output(place.url, index, "$metadata['resourceVersion']")]
    file = _write(folder / "fluent-bit.yaml", content)
    return Contestant(FLUENT_BIT, index, [place.start([place.fluent_bit, "-c", file], name="fluent-bit-events")])


def collector(place: Place) -> Contestant:
    """The receiver `k8sobjects`, which watches, and a Fluent Bit that takes OTLP and sends to OpenSearch.

    With the queue on disk and retries without end, as the Collector's page on resiliency has it.
    """
    index = unique_name("collector")
    port = free_port()
    queue, folder = place.folder / "queue", place.folder / "fluent-bit"
    queue.mkdir()
    folder.mkdir()
    endpoint = f"http://127.0.0.1:{port}"
    content = {
        "extensions": {"file_storage": {"directory": str(queue)}},
        "receivers": {
            "k8sobjects": {
                "auth_type": "kubeConfig",
                "objects": [{"name": "events", "mode": "watch", "group": "events.k8s.io"}],
            }
        },
        "processors": {
            "memory_limiter": {"check_interval": "1s", "limit_mib": 512},
            "batch": {"timeout": "1s"},
        },
        "exporters": {
            "otlphttp": {
                "endpoint": endpoint,
                "compression": "none",  # both are on one node
                "sending_queue": {"storage": "file_storage"},
                "retry_on_failure": {"max_elapsed_time": 0},
            }
        },
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "extensions": ["file_storage"],
            "pipelines": {
                "logs": {
                    "receivers": ["k8sobjects"],
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["otlphttp"],
                }
            },
        },
    }
    file = _write(place.folder / "collector.yaml", content)
    fluent_bit = {
        "service": {"flush": 1, "grace": 1, **_service(folder)},
        "pipeline": {
            "inputs": [{"name": "opentelemetry", "listen": "127.0.0.1", "port": port, "storage.type": "filesystem"}],
            "outputs": [_output(place.url, index, "$object['metadata']['resourceVersion']")],
        },
    }
    shipper = place.start([place.fluent_bit, "-c", _write(folder / "fluent-bit.yaml", fluent_bit)], name="otlp")
    own = place.start(
        [place.peer, f"--config={file}"], name="collector", env={"KUBECONFIG": str(place.server.kubeconfig)}
    )
    return Contestant(COLLECTOR, index, [shipper, own])


def _service(folder: Path) -> Json:
    """Chunks on disk; and after an outage it isn't waited for half an hour, as by default."""
    return {"storage.path": str(folder / "chunks"), "scheduler.cap": 30}


def _output(url: str, index: str, id_key: str) -> Json:
    """Retries without end; the id makes them and what is read again harmless, within one cluster."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    return {"name": "opensearch", "match": "*", "host": host, "port": int(port), "index": index,
            "suppress_type_name": True, "buffer_size": False, "id_key": id_key, "replace_dots": True,
            "retry_limit": "no_limits"}  # fmt: skip


def _write(file: Path, content: Json) -> Path:
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


ENTRIES = {
    SIDECAR: Entry(fluent_sidecar),
    EXPORTER: Entry(event_exporter, find_event_exporter, updates=False),
    FLUENT_BIT: Entry(fluent_bit_events),
    COLLECTOR: Entry(collector, find_collector),
}

"""Hostile log lines through the real Fluent Bit to the real OpenSearch: none is refused, none is missing."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.support.hostile_lines import Written, add_long_lines, add_odd_lines, objects, texts
from tests.support.podlogs.pipelines import Rendered
from tests.support.podlogs.shipper import Shipper
from tests.support.process import Process
from tests.support.search import Answers
from tests.support.waiting import free_port, unique_name, wait_until

UID = "0b1e6f9a-5c1d-4d53-9a43-6a6c1d0f000{}"
MOST = 2**20
"""`logs.maxLine`, in bytes."""
REPLACED = re.compile("\ufffd+")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]+")
LABELS = (
    ("app=web", "app.kubernetes.io/name=web", "a=1", "a.b=2"),
    ("=nameless", "valueless=", "no-equals-sign", "two==signs", ".=dot", "..=dots", " =space", "_id=x", "ü=\ud800"),
    tuple(f"label{number}={'v' * 63}" for number in range(400)),
    ("k" * 500 + "=" + "v" * 500, "nul\x00=\x00", "control\x01=\x02"),
)
"""Of each file's pod."""


def _write_pods(pipeline: Rendered) -> None:
    rows = [
        "\t".join((UID.format(number), "shop", "web", "Deployment", "web", "-", "-", *labels))
        for number, labels in enumerate(LABELS)
    ]
    text = "\n".join(("# fluent-sidecar pods 1\t1\tnode-1", *rows)) + "\n"
    Path(pipeline.layout.pods_table).write_bytes(text.encode(errors="surrogatepass"))


def _write_files(logs: Path) -> dict[str, Written]:
    """By the pod's uid."""
    files = [Written(logs / f"shop_web-x2x4z_{UID.format(number)}" / "app" / "0.log") for number in range(len(LABELS))]
    for line in objects(4000):
        files[0].add(line)
    for line in texts(1500):
        files[1].add(line)
    add_odd_lines(files[2])
    add_long_lines(files[3])
    for file in files:
        file.save()
    return {UID.format(number): file for number, file in enumerate(files)}


def _place(hit: dict[str, Any]) -> tuple[str, int]:
    """The pod's uid, and where the record begins in its file."""
    uid, *_, offset = hit["_id"].split("/")
    return uid, int(offset)


def _is_whole(owed: bytes, found: str) -> bool:
    """Whether all that is text has arrived: what is none is replaced, and a line beyond the limit is cut."""
    owed = owed[:MOST]
    flooded = 8 * sum(byte < 32 and byte not in b"\t\n" for byte in owed) > len(owed)
    text = owed.decode(errors="ignore")
    if text.encode() == owed and not flooded:
        return found == text
    text, found = REPLACED.sub("", text), REPLACED.sub("", found)
    return found == (CONTROLS.sub("", text) if flooded else text)


def _is_plain(value: Any) -> bool:
    """Whether there is neither null nor an empty list in it: the flat_object of older servers hangs on some."""
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return all(_is_plain(item) for item in value) and value != [] if isinstance(value, list) else value is not None


def _counters(pipeline: Rendered) -> Counter[str]:
    lines = (Path(pipeline.layout.filter_state) / "counters.tsv").read_text().splitlines()[1:]
    return Counter({name: int(value) for name, _, value in (line.split("\t") for line in lines)})


@pytest.mark.timeout(120)
def test_none_is_refused_and_none_is_missing(
    tmp_path: Path,
    opensearch_url: str,
    fluent_bit: Path,
    start_process: Callable[..., Process],
    record_property: Callable[[str, object], None],
) -> None:
    url, index, port = urllib3.util.parse_url(opensearch_url), unique_name("logs"), free_port()
    more = {"logs": {"index": index}, "events": {"index": f"events-of-{index}"}}
    pipeline = Rendered(tmp_path, tmp_path / "pods", (url.host or "", url.port or 80), port, more)
    _write_pods(pipeline)
    files = _write_files(tmp_path / "pods")
    owed = {(uid, offset): text for uid, file in files.items() for offset, text in file.owed.items()}

    with Answers(opensearch_url, index) as answers:
        pipeline.apply(opensearch_url)
        shipper = Shipper(fluent_bit, pipeline.file, port, start_process)
        shipper.wait_for_start()
        wait_until(
            lambda: answers.count() >= len(owed), 60,
            lambda: f"{len(owed)} documents, not {answers.count()}; {shipper.process.tail()}", interval=0.5,
        )  # fmt: skip
        hits = list(answers.documents())
    old = sum(file.dropped for file in files.values())
    wait_until(lambda: _counters(pipeline)["old"] == old, 5, lambda: f"{old} are too old: {_counters(pipeline)}")

    found = Counter(_place(hit) for hit in hits)
    figures = {
        "sent": len(owed),
        "found": len(found),
        "missing": sorted(owed.keys() - found.keys()),
        "twice": [place for place, count in found.items() if count > 1],
        "of nothing": sorted(found.keys() - owed.keys()),
        "refused": shipper.metric("fluentbit_output_dropped_records_total", 'name="logs"'),
        "failed": shipper.metric("fluentbit_output_errors_total", 'name="logs"'),
        "tried again": shipper.metric("fluentbit_output_retries_total", 'name="logs"'),
    }
    record_property("figures", figures)
    assert len(owed) > 5000
    right = {"sent": len(owed), "found": len(owed), "missing": [], "twice": [], "of nothing": []}
    assert figures == right | dict.fromkeys(("refused", "failed", "tried again"), 0), shipper.process.tail()
    assert "[error] [output" not in shipper.process.output()
    damaged = {
        hit["_id"]: (owed[_place(hit)][:80], hit["_source"]["log"][:80])
        for hit in hits
        if not _is_whole(owed[_place(hit)], hit["_source"]["log"])
    }
    assert damaged == {}
    assert all(hit["_source"]["id"] == hit["_id"] and hit["_source"]["index"] == hit["_index"] for hit in hits)
    # What is JSON has its fields, the rest of it has none; neither makes an index of its own.
    data = [hit["_source"]["data"] for hit in hits if "data" in hit["_source"]]
    assert len(data) > 2500
    assert all(isinstance(each, dict) and _is_plain(each) for each in data)
    days = {hit["_index"].removeprefix(f"{index}-") for hit in hits}
    assert all(re.fullmatch(r"\d{4}\.\d\d\.\d\d|skewed|undated", day) for day in days), days
    assert _counters(pipeline)["failed"] == 0, shipper.process.output()

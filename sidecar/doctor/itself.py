"""The sidecar that runs here, by its own health and metrics."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from sidecar.config import Config
from sidecar.config.units import format_size
from sidecar.doctor.finding import Finding, State, fail, ok, skip
from sidecar.doctor.local import ELSEWHERE, Silent, get, in_pod
from sidecar.doctor.run import Area, Check

_OK = 200
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens here: it is asked
_UNCONFIRMED_SECONDS, _POSITION_SECONDS = 300.0, 180.0
_LOG = "its log says why"
_FULL = 16 * 2**20
"""Bytes; a chunk has 2 MB, and each input may begin one."""


def sidecar_area(config: Config) -> Area:
    """Asks `sidecar run`, if one runs here."""
    port = config.agent.port
    host = _ANY.get(config.agent.address, config.agent.address)
    return Area(
        "Sidecar",
        lambda: [
            Check("disk", lambda: list(_disk(Path(config.paths.state), config.buffer.disk))),
            Check("running", lambda: _running(port, host), gate=True, slow=_LOG),
            Check("metrics", lambda: list(_metrics(port, host)), slow=_LOG),
        ],
    )


def _disk(state: Path, buffer: int) -> Iterator[Finding]:
    try:
        free = shutil.disk_usage(state).free
    except OSError:  # it runs elsewhere, or never has: what is below says so
        return
    yield disk_verdict(free, state, buffer)


def disk_verdict(free: int, state: Path, buffer: int) -> Finding:
    """Whether what waits for OpenSearch has room.

    Args:
        free: Bytes.
        state: `paths.state`.
        buffer: `buffer.disk`, bytes.
    """
    text = f"{free // 2**20} MiB free for {state}"
    if free < _FULL:
        hint = "make room there, then replace the pod: Fluent Bit can keep nothing that waits, nor be reloaded"
        return fail("disk", text, hint)
    if free < buffer:
        # What waits already is a part of the buffer; that there may be enough all the same is no reason to be silent.
        hint = f"an outage may fill the disk before it fills buffer.disk ({format_size(buffer)}): set that lower"
        return Finding("disk", State.WARN, text, hint)
    return ok("disk", text)


def _running(port: int, host: str) -> Finding:
    try:
        status, body = get(port, "/livez", host=host)
    except Silent as error:
        return fail("running", error.what, "look at its log") if in_pod() else skip("running", error.what, ELSEWHERE)
    told = body.decode(errors="replace").strip()
    if status != _OK:
        return fail("running", f"/livez: {status}: {told[:200]}", "a part of it ended by a bug; its log shows which")
    return ok("running", f"at port {port}")


def _metrics(port: int, host: str) -> Iterator[Finding]:
    _, body = get(port, "/metrics", host=host)
    return metrics_verdicts(sums(body.decode(errors="replace")))


def sums(text: str) -> dict[str, float]:
    """The sums of metrics over their labels, by the samples' names; nothing where it is no text of Prometheus."""
    found: dict[str, float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
    except ValueError:
        return {}
    return found


def metrics_verdicts(found: Mapping[str, float]) -> Iterator[Finding]:
    """What the metrics say, by name."""
    if "sidecar_leader" not in found:
        hint = "set agent.port to the sidecar's, or stop what listens there"
        yield fail("metrics", "what answers at its port isn't a sidecar", hint)
        return
    if not found.get("sidecar_templates_in_place"):
        yield fail("templates", "the sidecar has not put or seen the index templates, so nothing is sent yet", _LOG)
    if found.get("sidecar_config_valid", 1.0) < 1:
        text = "pipeline.yaml is not in force: the sidecar runs with the last one that worked"
        yield fail(
            "configuration", text, "mend pipeline.yaml; the pod's events and the sidecar's log say what is wrong"
        )
    leading = found["sidecar_leader"] > 0
    yield ok("leading", "this sidecar watches the events" if leading else "another sidecar watches the events")
    oldest = found.get("sidecar_events_oldest_unconfirmed_seconds", 0.0)
    if oldest > _UNCONFIRMED_SECONDS:
        hint = "what is below OpenSearch says why; nothing is lost while the journal has room (events.journal)"
        yield fail("confirmation", f"the oldest unconfirmed event has been waiting for {oldest:.0f} s", hint)
    else:
        confirmed = found.get("sidecar_events_confirmed_total", 0)
        yield ok("confirmation", f"{confirmed:.0f} events confirmed, the oldest other one waits for {oldest:.0f} s")
    position = found.get("sidecar_events_position_age_seconds", 0.0)
    if leading and position > _POSITION_SECONDS:
        yield fail(
            "watch", f"the watch has shown nothing for {position:.0f} s", "is the API server overloaded? " + _LOG
        )
    if lacking := found.get("sidecar_apply_missing", 0.0):
        objects = "an object" if lacking == 1 else f"{lacking:.0f} objects"
        said = f"its last attempt could not put {objects} in place in OpenSearch"
        yield Finding("in place", State.WARN, said, f"{_LOG}; what is below In place too")
    for name, metric, text, hint in _LOSSES:
        if count := found.get(metric, 0.0):
            yield Finding(name, State.WARN, f"{count:.0f} {text}, since it started", hint)


_LOSSES = (
    (
        "dead letters",
        "sidecar_events_dead_lettered_total",
        "events that OpenSearch refused",
        "the index fluent-sidecar-dead-letter has them, and why",
    ),
    (
        "gaps",
        "sidecar_events_gaps_total",
        "spans in which events may be missing",
        "documents of kind EventGap say from when to when, and why",
    ),
    (
        "lost logs",
        "sidecar_log_all_bytes_lost_total",
        "bytes of log files at most that went before they were read",
        "sidecar_log_bytes_lost_total says of which containers; is Fluent Bit running, and buffer.disk large enough?",
    ),
    (
        "evicted logs",
        "sidecar_log_records_evicted_total",
        "log records that the full disk buffer had to let go",
        "make buffer.disk larger, or the outage shorter; what the files still have is read again",
    ),
)

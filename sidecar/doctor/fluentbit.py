"""Fluent Bit: is it there, which, and does it get rid of what it reads."""

import json
from collections.abc import Iterator
from typing import Any

from sidecar.config import Config
from sidecar.config.model import version_tuple
from sidecar.doctor.finding import Finding, fail, ok, skip, warn
from sidecar.doctor.local import ELSEWHERE, Silent, get, in_pod
from sidecar.doctor.run import Area, Check
from sidecar.errors import SidecarError

Json = dict[str, Any]

_OK = 200
_RUNNING, _RELOAD, _DELIVERIES = "running", "reload", "deliveries"
_START = "look at the log of its container; `sidecar render-config --verify` finds what it doesn't start with"


def fluent_bit_area(config: Config) -> Area:
    """Asks its HTTP server."""
    port = config.fluentbit.port
    return Area(
        "Fluent Bit",
        lambda: [
            Check(_RUNNING, lambda: _running(port, config.fluentbit.version), gate=True, slow=_START),
            Check(_RELOAD, lambda: reload_verdict(_json(port, "/api/v2/reload")), slow=_START),
            Check(_DELIVERIES, lambda: list(deliveries(_json(port, "/api/v1/metrics"))), slow=_START),
        ],
    )


def _running(port: int, wanted: str) -> Finding:
    try:
        found = _json(port, "/")
    except Silent as error:
        return fail(_RUNNING, error.what, _START) if in_pod() else skip(_RUNNING, error.what, ELSEWHERE)
    return version_verdict(found, wanted, port)


def _json(port: int, path: str) -> Json:
    status, body = get(port, path)
    try:
        found = json.loads(body) if status == _OK else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SidecarError(
            f"what answers at port {port} answers {path} with status {status}, and no JSON: it isn't Fluent Bit",
            hint="set fluentbit.port to Fluent Bit's, or stop what listens there",
        )
    return found


def version_verdict(found: Json, wanted: str, port: int) -> Finding:
    """Whether it is Fluent Bit, and of the version that the files are rendered for.

    Args:
        found: The answer to `/`.
        wanted: `fluentbit.version`.
        port: Where it was asked.
    """
    told = found.get("fluent-bit")
    version = told.get("version") if isinstance(told, dict) else None
    if not isinstance(version, str):
        hint = "set fluentbit.port to Fluent Bit's, or stop what listens there"
        return fail(_RUNNING, f"what answers at port {port} isn't Fluent Bit", hint)
    text = f"Fluent Bit {version} at port {port}"
    try:
        older = version_tuple(version) < version_tuple(wanted)
    except ValueError:
        older = False
    if older:
        hint = f"take a newer one, or write {version} in fluentbit.version"
        return warn(_RUNNING, f"{text}, and its configuration is rendered for {wanted}", hint)
    return ok(_RUNNING, text)


def reload_verdict(found: Json) -> Finding:
    """Whether a new configuration could be loaded into it; asks for none."""
    count = found.get("hot_reload_count")
    if not isinstance(count, int):
        return fail(_RELOAD, "it doesn't tell of reloads", "start it with the rendered fluent-bit.yaml")
    return ok(_RELOAD, f"reloaded {count} times since it started")


def deliveries(found: Json) -> Iterator[Finding]:
    """What its outputs count, each since its last reload.

    Args:
        found: The answer to `/api/v1/metrics`.
    """
    outputs = found.get("output")
    if not isinstance(outputs, dict) or not outputs:
        yield fail(_DELIVERIES, "it has no output", "start it with the rendered fluent-bit.yaml")
        return
    for name, output in sorted(outputs.items()):
        done, dropped, retries = (_count(output, key) for key in ("proc_records", "dropped_records", "retries"))
        text = f"{name}: {done} records delivered, {retries} retries, {dropped} dropped"
        if dropped:
            hint = "they are lost to this output; its log says why: grep for `dropped` and `error`"
            yield fail(_DELIVERIES, text, hint)
        elif retries and not done:
            hint = (
                "what is below OpenSearch says why; until the templates are there, Fluent Bit is held back on purpose"
            )
            yield warn(_DELIVERIES, text, hint)
        elif _count(output, "errors"):
            yield warn(_DELIVERIES, text, "nothing is lost; its log says what OpenSearch answers")
        else:
            yield ok(_DELIVERIES, text)


def _count(counters: Any, key: str) -> int:
    value = counters.get(key) if isinstance(counters, dict) else None
    return value if isinstance(value, int) else 0

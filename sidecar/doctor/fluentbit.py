"""Fluent Bit: is it there, which, and does it get rid of what it reads."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidecar.config import Config
from sidecar.config.model import version_tuple
from sidecar.doctor.finding import Finding, fail, ok, skip, warn
from sidecar.doctor.local import ELSEWHERE, Silent, get, in_pod
from sidecar.doctor.run import SECONDS, Area, Check
from sidecar.errors import SidecarError
from sidecar.render.fluentbit import fluent_bit

Json = dict[str, Any]

_OK = 200
_RUNNING, _CONFIGURATION, _DELIVERIES, _BUFFER = "running", "configuration", "deliveries", "buffer"
_EVENTS = "events"
_MANY_CHUNKS = 50
"""An input begins a chunk a second while the one before waits, so these are most of a minute; else there are a few."""
_PATIENCE = 10.0
"""Seconds. A Fluent Bit that has just started answers 404 to questions about its counters."""
_AGAIN = 0.1
_ANOTHER = "set fluentbit.port to Fluent Bit's, or stop what listens there"
_START = "look at the log of its container; `sidecar render-config --verify` finds what it doesn't start with"


def fluent_bit_area(config: Config, *, patience: float = _PATIENCE) -> Area:
    """Asks its HTTP server.

    Args:
        config: Whose `fluentbit.port` is asked, and whose inputs and outputs it should have.
        patience: Seconds for one that has just started, until it tells of its counters.
    """
    port = config.fluentbit.port

    def checks() -> list[Check]:
        counters = _Counters(port, patience)
        return [
            Check(_RUNNING, lambda: _running(port, config.fluentbit.version), gate=True, slow=_START),
            Check(
                _CONFIGURATION,
                lambda: _configuration(config, counters.get(), _json(port, "/api/v2/reload")),
                slow=_START,
                seconds=SECONDS + patience,
            ),
            Check(_DELIVERIES, lambda: list(deliveries(counters.get())), slow=_START),
            Check(_BUFFER, lambda: _buffer(port), slow=_START),
        ]

    return Area("Fluent Bit", checks)


class _Counters:
    """The answer to `/api/v1/metrics` of one that answered as Fluent Bit does; waited for once."""

    def __init__(self, port: int, patience: float) -> None:
        self._port = port
        self._until = time.monotonic() + patience

    def get(self) -> Json:
        while True:
            try:
                return _json(self._port, "/api/v1/metrics")
            except Silent:
                raise
            except SidecarError as error:
                if time.monotonic() >= self._until:
                    hint = "was it built without metrics, or its HTTP server taken by another? take its official image"
                    raise SidecarError(f"it doesn't tell of its counters: {error.what}", hint=hint) from error
            time.sleep(_AGAIN)


def _running(port: int, wanted: str) -> Finding:
    try:
        found = _json(port, "/")
    except Silent as error:
        return fail(_RUNNING, error.what, _START) if in_pod() else skip(_RUNNING, error.what, ELSEWHERE)
    except SidecarError as error:
        return fail(_RUNNING, f"{error.what}: it isn't Fluent Bit", _ANOTHER)
    return version_verdict(found, wanted, port)


def _json(port: int, path: str) -> Json:
    status, body = get(port, path)
    try:
        found = json.loads(body) if status == _OK else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SidecarError(f"{path} at port {port} is answered with status {status}, and no JSON")
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
        return fail(_RUNNING, f"what answers at port {port} isn't Fluent Bit", _ANOTHER)
    text = f"Fluent Bit {version} at port {port}"
    try:
        older = version_tuple(version) < version_tuple(wanted)
    except ValueError:
        older = False
    if older:
        hint = f"take a newer one, or write {version} in fluentbit.version"
        return warn(_RUNNING, f"{text}, and its configuration is rendered for {wanted}", hint)
    return ok(_RUNNING, text)


def _configuration(config: Config, counters: Json, reloads: Json) -> Finding:
    pipeline = fluent_bit(config)["pipeline"]
    wanted = {kind: [one["alias"] for one in pipeline[kind] if "alias" in one] for kind in ("inputs", "outputs")}
    return configuration_verdict(counters, wanted, reloads)


def configuration_verdict(found: Json, wanted: Mapping[str, Sequence[str]], reloads: Json) -> Finding:
    """Whether it runs the rendered configuration. Whether that can be reloaded, its server doesn't tell.

    Args:
        found: The answer to `/api/v1/metrics`.
        wanted: Names of the rendered inputs and outputs.
        reloads: The answer to `/api/v2/reload`.
    """
    missing = [
        f"the {kind[:-1]} {name}"
        for kind, names in wanted.items()
        for name in names
        if name not in (found.get(kind[:-1]) or {})
    ]
    if missing:
        hint = "start it with paths.run/current/fluent-bit.yaml; is it another Fluent Bit that listens there?"
        return fail(_CONFIGURATION, f"it runs another one than pipeline.yaml says: it lacks {', '.join(missing)}", hint)
    count = reloads.get("hot_reload_count")
    told = f", reloaded {count} times since it started" if isinstance(count, int) else ""
    return ok(_CONFIGURATION, f"the rendered one{told}")


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
        if dropped and name == _EVENTS:
            yield warn(_DELIVERIES, text, "nothing is lost: the sidecar sends what did not arrive; see confirmation")
        elif dropped:
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


def _buffer(port: int) -> Finding:
    try:
        return buffer_verdict(_json(port, "/api/v1/storage"))
    except Silent:
        raise
    except SidecarError:  # an empty page in its first seconds
        return skip(_BUFFER, "it doesn't tell yet", "try again in ten seconds")


def buffer_verdict(found: Json) -> Finding:
    """Whether what was read gets out.

    Args:
        found: The answer to `/api/v1/storage`.
    """
    layer = found.get("storage_layer")
    chunks = _count(layer.get("chunks") if isinstance(layer, dict) else None, "total_chunks")
    text = f"{chunks} chunks wait or are being filled"
    if chunks > _MANY_CHUNKS:
        hint = "what is below OpenSearch says why it takes no more; nothing is lost while buffer.disk has room"
        return warn(_BUFFER, text, hint)
    return ok(_BUFFER, text)


def _count(counters: Any, key: str) -> int:
    value = counters.get(key) if isinstance(counters, dict) else None
    return value if isinstance(value, int) else 0

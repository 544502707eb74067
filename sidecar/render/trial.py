"""A configuration that starts like the rendered one and does no harm: for a trial start."""

import copy
from collections.abc import Iterator
from typing import Any

from sidecar.config.plugins import OWN_TAGS
from sidecar.render.lua import ENTRY
from sidecar.render.proof import lowered
from sidecar.render.tailing import LOGS

Json = dict[str, Any]

CLOSED_PORT = 1
NOWHERE = "fluent-sidecar.trial"
"""A tag that no output takes."""
_LISTENING_INPUTS = frozenset(
    [
        "collectd",
        "elasticsearch",
        "forward",
        "http",
        "mqtt",
        "opentelemetry",
        "prometheus_remote_write",
        "splunk",
        "statsd",
        "syslog",
        "tcp",
        "udp",
    ]
)
_LISTENING_OUTPUTS = frozenset({"prometheus_exporter", "vivo_exporter"})


def harmless(content: Json, folder: str, ports: Iterator[int]) -> Json:
    """A copy of a Fluent Bit configuration that reads and writes below `folder` only, and sends nothing.

    Plugins and their options stay, because a trial is to find what is wrong with them: `--dry-run` starts no plugin.
    A plugin of the user's own gets, or gives, no records.

    Args:
        content: As `fluent_bit` makes it.
        folder: Absolute path, with the folders chunks and input; the filter's files are to be in lua.
        ports: Free ones of this machine: one for the HTTP server, and one for each plugin that listens.
    """
    trial = copy.deepcopy(content)
    trial["env"] = [
        {"name": entry["name"], "value": entry.get("value", str(CLOSED_PORT))} for entry in content.get("env", ())
    ]
    trial["service"] |= {"http_port": next(ports), "storage.path": f"{folder}/chunks", "grace": 1}
    pipeline = trial["pipeline"]
    pipeline["inputs"] = [
        _input(lowered(plugin), f"{folder}/input", f"{folder}/{number}", ports)
        for number, plugin in enumerate(pipeline["inputs"])
    ]
    for plugin in pipeline["filters"]:
        if plugin.get("alias") == LOGS and "script" in plugin:
            plugin["script"] = f"{folder}/{ENTRY}"
    pipeline["outputs"] = [_output(lowered(plugin), ports) for plugin in pipeline["outputs"]]
    return trial


def _input(plugin: Json, nothing: str, own: str, ports: Iterator[int]) -> Json:
    """An input that reads from an empty folder; `own` is what names of its files begin with."""
    name = str(plugin["name"]).lower()
    read = nothing if name == "systemd" else f"{nothing}/*.none"
    places = {"path": read, "db": f"{own}.db", "unix_path": f"{own}.socket", "command": "true"}
    plugin |= {key: place for key, place in places.items() if key in plugin}
    if name in _LISTENING_INPUTS:
        # The Fluent Bit that is at work may have its port.
        plugin |= {"listen": "127.0.0.1", "port": next(ports)}
    if not str(plugin["tag"]).startswith(OWN_TAGS):
        plugin["tag"] = NOWHERE
    return plugin


def _output(plugin: Json, ports: Iterator[int]) -> Json:
    if str(plugin["name"]).lower() in _LISTENING_OUTPUTS:
        return plugin | {"host": "127.0.0.1", "port": next(ports)}
    return plugin | {"host": "127.0.0.1", "port": CLOSED_PORT} if "host" in plugin else plugin

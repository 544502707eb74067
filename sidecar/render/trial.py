"""A configuration that starts like the rendered one and does no harm: for a trial start."""

import copy
from typing import Any

from sidecar.render.lua import ENTRY
from sidecar.render.tailing import LOGS

Json = dict[str, Any]

CLOSED_PORT = 1


def harmless(content: Json, folder: str, port: int) -> Json:
    """A copy of a Fluent Bit configuration that reads and writes below `folder` only, and sends nothing.

    Plugins and their options stay, because a trial is to find what is wrong with them: `--dry-run` starts no plugin.

    Args:
        content: As `fluent_bit` makes it.
        folder: Absolute path, with the folders chunks and input; the filter's files are to be in lua.
        port: For its HTTP server.
    """
    trial = copy.deepcopy(content)
    trial["env"] = [
        {"name": entry["name"], "value": entry.get("value", str(CLOSED_PORT))} for entry in content.get("env", ())
    ]
    trial["service"] |= {"http_port": port, "storage.path": f"{folder}/chunks", "grace": 1}
    pipeline = trial["pipeline"]
    for number, plugin in enumerate(pipeline["inputs"]):
        read = f"{folder}/input" if plugin["name"] == "systemd" else f"{folder}/input/*.none"
        for key, place in (("path", read), ("db", f"{folder}/{number}.db")):
            if key in plugin:
                plugin[key] = place
    for plugin in pipeline["filters"]:
        if plugin.get("alias") == LOGS and "script" in plugin:
            plugin["script"] = f"{folder}/{ENTRY}"
    for plugin in pipeline["outputs"]:
        if "host" in plugin:
            plugin |= {"host": "127.0.0.1", "port": CLOSED_PORT}
    return trial

"""A configuration that starts like the rendered one and does no harm: for a trial start."""

import copy
from typing import Any

Json = dict[str, Any]

CLOSED_PORT = 1


def harmless(content: Json, folder: str, port: int) -> Json:
    """A copy of a Fluent Bit configuration that reads and writes below `folder` only, and sends nothing.

    Plugins and their options stay, because a trial is to find what is wrong with them: `--dry-run` starts no plugin.

    Args:
        content: As `fluent_bit` makes it.
        folder: Absolute path; empty.
        port: For its HTTP server.
    """
    trial = copy.deepcopy(content)
    trial["env"] = [
        {"name": entry["name"], "value": entry.get("value", str(CLOSED_PORT))} for entry in content.get("env", ())
    ]
    trial["service"] |= {"http_port": port, "storage.path": f"{folder}/chunks", "grace": 1}
    for number, plugin in enumerate(trial["pipeline"]["inputs"]):
        for key, place in (("path", f"{folder}/input/*.none"), ("db", f"{folder}/{number}.db")):
            if key in plugin:
                plugin[key] = place
    for plugin in trial["pipeline"]["outputs"]:
        if "host" in plugin:
            plugin |= {"host": "127.0.0.1", "port": CLOSED_PORT}
    return trial

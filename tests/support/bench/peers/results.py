"""What was measured, kept as JSON beside the documentation: with the machine, the versions and the day."""

import datetime as dt
import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

from tests.support.binaries import MODULE, kubernetes_version

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json = dict[str, Any]


def keep(
    file: Path, scenario: str, title: str, versions: Mapping[str, str], outcomes: Sequence["DataclassInstance"]
) -> Json:
    """Write a scenario's figures in place of those that were there before; the other scenarios' stay.

    Returns:
        All that the file holds now.
    """
    content: Json = json.loads(file.read_text()) if file.exists() else {"scenarios": {}}
    measured = {
        "title": title,
        "measured": dt.datetime.now(dt.UTC).date().isoformat(),
        "load": round(os.getloadavg()[0], 1),
        "rows": [asdict(outcome) for outcome in outcomes],
    }
    scenarios = content["scenarios"] | {scenario: measured}
    content = {"machine": machine(), "versions": dict(versions), "scenarios": scenarios}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return content


def results_folder() -> Path | None:
    """Where RESULTS says that figures are kept and drawn; None where it says nothing."""
    given = os.environ.get("RESULTS")
    return Path(given) if given else None


def by_contestant(scenarios: Sequence[Json], value: Callable[[Json], float]) -> dict[str, list[float | None]]:
    """One figure of every row, by contestant, in the order of the scenarios; None where one took no part."""
    names = dict.fromkeys(row["name"] for scenario in scenarios for row in scenario["rows"])
    return {
        name: [next((value(row) for row in each["rows"] if row["name"] == name), None) for each in scenarios]
        for name in names
    }


def servers(opensearch: str) -> dict[str, str]:
    """The versions of the servers."""
    version = urllib3.request("GET", opensearch, timeout=30).json()["version"]["number"]
    return {"OpenSearch": version, "Kubernetes API server": kubernetes_version((MODULE / "go.mod").read_text())}


def machine() -> Json:
    """What it was measured on; nothing that names the machine."""
    model = re.search(r"^model name\s*: (.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+)", _read("/proc/meminfo"), re.MULTILINE)
    return {
        "cores": os.cpu_count(),
        "processor": model[1] if model else platform.machine(),
        "memory_gib": round(int(memory[1]) / 2**20) if memory else None,
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""

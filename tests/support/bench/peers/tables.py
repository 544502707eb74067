"""The figures of docs/benchmarks as Markdown tables: a column for each contestant."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
_Cell = Callable[[Json], str]


def event_tables(content: Json) -> str:
    """What was missing and twice in each scenario, and what it cost."""
    scenarios = content["scenarios"]
    return _lost(scenarios.values(), "writes", "promised") + _figures(
        scenarios,
        [
            ("burst", "writes/s that the API server took, in the burst", _whole("rate")),
            ("burst", "seconds from the burst's last write to the last found", _tenths("late")),
            ("steady", "the same at 200/s", _tenths("late")),
            ("burst", "CPU seconds for 10,000 writes, in the burst", _cpu_for_writes),
            ("steady", "CPU seconds for 10,000 writes, at 200/s", _cpu_for_writes),
            ("steady", "MiB at most, at 200/s", _whole("memory")),
            ("burst", "MiB at most, in the burst", _whole("memory")),
            ("outage", "MiB at most, OpenSearch away", _whole("memory")),
        ],
    )


def log_tables(content: Json) -> str:
    """The same of pod logs."""
    scenarios = content["scenarios"]
    return _lost(scenarios.values(), "lines", "sent") + _figures(
        scenarios,
        [
            ("backlog", "lines found a second, of a backlog", _whole("speed")),
            ("backlog", "CPU seconds for a GB, of a backlog", _whole("cpu")),
            ("rotation", "CPU seconds for a GB, at half a MB/s", _whole("cpu")),
            ("backlog", "MiB at most, of a backlog", _whole("memory")),
            ("rotation", "MiB at most, at half a MB/s", _whole("memory")),
            ("outage", "MiB at most, OpenSearch away", _whole("memory")),
        ],
    )


def measured(content: Json) -> str:
    """On what and when, in a sentence."""
    machine, versions = content["machine"], content["versions"]
    days = sorted({scenario["measured"] for scenario in content["scenarios"].values()})
    parts = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"Measured on {' and '.join(days)} on {machine['cores']} cores ({machine['processor']}, "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}), with {parts}.\n"
    )


def _lost(scenarios: Iterable[Json], unit: str, of: str) -> str:
    def cell(row: Json) -> str:
        owed = "" if row[of] == row["sent"] else f" (of {row[of]:,})"
        ended = f", ended {row['ends']} times" if row["ends"] else ""
        return f"{row['missing']:,}, {row['twice']:,}{owed}{ended}"

    rows = [(scenario["title"], scenario, cell) for scenario in scenarios]
    return _table("missing, twice", rows, {unit: lambda scenario: f"{scenario['rows'][0]['sent']:,}"})


def _figures(scenarios: Mapping[str, Json], lines: Iterable[tuple[str, str, _Cell]]) -> str:
    return "\n" + _table("", [(title, scenarios[key], cell) for key, title, cell in lines if key in scenarios], {})


def _table(head: str, rows: Sequence[tuple[str, Json, _Cell]], more: Mapping[str, _Cell]) -> str:
    names = list(dict.fromkeys(row["name"] for _, scenario, _ in rows for row in scenario["rows"]))
    lines = [[head, *more, *names], ["---"] * (1 + len(more) + len(names))]
    for title, scenario, cell in rows:
        found = {row["name"]: cell(row) for row in scenario["rows"]}
        lines.append([title, *(told(scenario) for told in more.values()), *(found.get(name, "-") for name in names)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _whole(key: str) -> _Cell:
    return lambda row: f"{row[key]:,.0f}"


def _tenths(key: str) -> _Cell:
    return lambda row: f"{row[key]:.1f}"


def _cpu_for_writes(row: Json) -> str:
    return f"{row['cpu'] / row['sent'] * 10_000:.1f}"

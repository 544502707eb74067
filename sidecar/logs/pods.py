"""A Pod as the API server shows it -> its lines in the table that Fluent Bit's filter reads."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sidecar.kube.workload import POD, belonging

NONE = "-"
ALL = "*"
_EXCLUDE = "fluentbit.io/exclude"
_MULTILINE = "fluent-sidecar/multiline"
_STATIC_HASH = "kubernetes.io/config.hash"
_RULES = re.compile(r"[A-Za-z0-9_.-]+(,[A-Za-z0-9_.-]+)*\Z")
_CONTAINER = re.compile(r"[A-Za-z0-9_.-]+\Z")
_BREAKS = str.maketrans(dict.fromkeys("\t\n\r\0", " "))


@dataclass(frozen=True, order=True)
class Row:
    """A line of the table.

    Attributes:
        key: What stands for the pod in the path of its log files: its uid, or of a static pod its configuration's hash.
        namespace: Its namespace.
        pod: Its name.
        kind: Of the workload that it belongs to.
        workload: Name of that.
        exclude: `*`, or names of containers joined by commas, whose lines are dropped; `-` for none.
        multiline: Names of rules joined by commas, or `none`; `-` for the usual ones.
        labels: `name=value`.
    """

    key: str
    namespace: str
    pod: str
    kind: str
    workload: str
    exclude: str
    multiline: str
    labels: tuple[str, ...]

    @property
    def line(self) -> str:
        """The line, without its break."""
        fields = (self.key, self.namespace, self.pod, self.kind, self.workload, self.exclude, self.multiline)
        return "\t".join(text.translate(_BREAKS) for text in (*fields, *self.labels))


def rows(pod: Any) -> list[Row]:
    """The rows of a Pod: none where it has no name or uid, two for a static one."""
    metadata = _map(_map(pod).get("metadata"))
    namespace, name, uid = (_text(metadata.get(key)) for key in ("namespace", "name", "uid"))
    if not (namespace and name and uid):
        return []
    labels, annotations = _map(metadata.get("labels")), _map(metadata.get("annotations"))
    kind, workload = belonging(POD, metadata, name).workload
    row = Row(
        key=uid,
        namespace=namespace,
        pod=name,
        kind=kind,
        workload=workload,
        exclude=_exclude(annotations),
        multiline=_multiline(annotations),
        labels=tuple(sorted(f"{key}={value}" for key, value in labels.items() if isinstance(value, str))),
    )
    static = _text(annotations.get(_STATIC_HASH))
    return [row] if static in {"", uid} else [row, Row(**{**vars(row), "key": static})]


def invalid_annotation(pod: Any) -> str:
    """What is wrong with the pod's choice of multi-line rules, which is then ignored; empty where nothing is."""
    value = _map(_map(_map(pod).get("metadata")).get("annotations")).get(_MULTILINE)
    if value is None or _is_rules(_squeezed(value)):
        return ""
    return f"annotation {_MULTILINE} must be names of rules with commas between them, or none"


def table(found: Iterable[Row], *, node: str, generation: int) -> str:
    """The whole file; the same rows in any order give the same text."""
    lines = [f"# fluent-sidecar pods 1\t{generation}\t{node.translate(_BREAKS)}", *(row.line for row in sorted(found))]
    return "\n".join(lines) + "\n"


def _exclude(annotations: dict[str, Any]) -> str:
    chosen = {key for key, value in annotations.items() if _text(value).strip().lower() == "true"}
    if _EXCLUDE in chosen:
        return ALL
    prefix = f"{_EXCLUDE}-"
    names = sorted(key.removeprefix(prefix) for key in chosen if key.startswith(prefix))
    return ",".join(name for name in names if _CONTAINER.match(name)) or NONE


def _multiline(annotations: dict[str, Any]) -> str:
    value = _squeezed(annotations.get(_MULTILINE))
    return value if _is_rules(value) else NONE


_is_rules = _RULES.match


def _squeezed(value: Any) -> str:
    return "".join(_text(value).split())


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

"""The reference of documents' fields, made from what the templates are made from."""

from collections.abc import Iterable, Iterator

from sidecar.render.fields import (
    CONTROL_PLANE_FIELDS,
    DEAD_LETTER_FIELDS,
    EVENT_FIELDS,
    LOG_FIELDS,
    Field,
    Kind,
)

_DOCUMENTS = (
    ("Events", "Indices: `eks-kubernetes-events-*`, or as `events.index` says.", EVENT_FIELDS),
    (
        "Pod logs, and logs of systemd",
        "Indices: `eks-pod-logs-*`, or as `logs.index` says, and those of `logs.routes`.",
        LOG_FIELDS,
    ),
    (
        "Logs of the control plane",
        "Indices: `eks-control-plane-logs-*`, or as `controlPlane.index` says.",
        CONTROL_PLANE_FIELDS,
    ),
    ("Refused documents", "Index: `fluent-sidecar-dead-letter`.", DEAD_LETTER_FIELDS),
)
_SEARCHED = {
    Kind.DATE: "date",
    Kind.LONG: "number",
    Kind.BOOLEAN: "true or false",
    Kind.KEYWORD: "exact",
    Kind.NAME: "exact, also as `.keyword`",
    Kind.TEXT: "words",
    Kind.ANY: "any path below it, exact",
    Kind.STORED: "not searched",
}
_AS_KUBERNETES_HAS_IT = "as in the Kubernetes API"


def fields_reference() -> str:
    """Markdown: for each kind of document a heading, its indices, and a table of its fields."""
    return "\n".join(line for title, indices, fields in _DOCUMENTS for line in _section(title, indices, fields))


def _section(title: str, indices: str, fields: Iterable[Field]) -> Iterator[str]:
    yield from (f"## {title}", "", indices, "")
    yield "| field | searched as | meaning | OpenTelemetry | ECS |"
    yield "| --- | --- | --- | --- | --- |"
    for field in fields:
        meaning = field.text or _AS_KUBERNETES_HAS_IT
        cells = (f"`{field.name}`", _SEARCHED[field.kind], meaning, _names(field.otel), _names(field.ecs))
        yield f"| {' | '.join(cells)} |"
    yield ""


def _names(text: str) -> str:
    """Names in a cell; `...` says that there are more like it."""
    return ", ".join(name if name == "..." else f"`{name}`" for name in text.split(", ")) if text else ""

"""The `logs` section: pod logs, from the line on disk to the index."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from sidecar.config.claims import clashes
from sidecar.config.family import Family, Rotation
from sidecar.config.named import repeated, unknown
from sidecar.config.names import IndexName, KubernetesGlob, Labels, RuleName
from sidecar.config.route import Route
from sidecar.config.section import Found, Many, Misfits, Section, refuse, section
from sidecar.config.show import quoted
from sidecar.config.units import Duration, Given, Size, format_duration, format_size, parse_duration, parse_size

MULTILINE_RULES = ("java", "python", "go", "ruby", "dotnet")
"""The rules for stack traces that are built in."""

_TIMEOUTS = (timedelta(seconds=1), timedelta(seconds=60))
_LINES = (4 * 2**10, 4 * 2**20)
_SMALLEST_LIMIT = 2**20
_UNITS = ("service", "socket", "mount", "timer", "target", "scope", "slice", "path", "device", "swap", "automount")
_MAX_REPLACE = 100


def _unit(value: str) -> str:
    name, _, kind = value.rpartition(".")
    if not name or kind not in _UNITS or not value.isascii() or len(value) > 255 or set(value) & set(" /\"'$*?[]\n\t"):  # noqa: PLR2004 - systemd's own limit
        raise ValueError(f"expected the name of a systemd unit, such as kubelet.service; found {quoted(value)}")
    return value


def _replacement(value: str) -> str:
    if not value.isprintable() or len(value) > _MAX_REPLACE:
        raise ValueError(f"expected at most {_MAX_REPLACE} printable characters")
    return value


def _pattern(value: str) -> str:
    from sidecar.config.pattern import check_pattern  # noqa: PLC0415 - costs milliseconds, and most files have none

    return check_pattern(value)


Unit = Annotated[str, AfterValidator(_unit)]


class LogSelection(Section):
    """Lists of names, with `*` for any part of one, and labels."""

    namespaces: Many[KubernetesGlob] = ()
    """Namespaces."""
    pods: Many[KubernetesGlob] = ()
    """Names of pods."""
    containers: Many[KubernetesGlob] = ()
    """Names of containers."""
    labels: Labels = Field(default_factory=dict)
    """Labels of the pod, by name, with their exact value."""


class MultilineRule(Section):
    """A rule of one's own for records of several lines. At least one of `start` and `continue` is needed."""

    name: RuleName
    """Name by which `logs.multiline` and the annotation of a pod refer to it."""
    start: Annotated[str | None, Given, AfterValidator(_pattern)] = None
    """Pattern of a line that begins a record. Without `continue`, all lines up to the next such line belong to it."""
    continue_: Annotated[str | None, Given, AfterValidator(_pattern), Field(alias="continue")] = None
    """Pattern of a line that belongs to the record before it. Without `start`, any other line begins a record."""

    @model_validator(mode="after")
    def _check_patterns(self) -> Self:
        if self.start is None and self.continue_ is None:
            raise ValueError("a rule needs start, continue, or both")
        return self


class RedactRule(Section):
    """A pattern of one's own for what must not leave the node."""

    name: RuleName
    """Name by which what was redacted is counted."""
    pattern: Annotated[str, AfterValidator(_pattern)]
    """Pattern of the text to replace, in the subset of regular expressions that the documentation describes."""
    replace: Annotated[str, AfterValidator(_replacement)] = "***"
    """Text that stands in its place; `\\1` to `\\9` are what the groups of the pattern matched."""

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        from sidecar.config.pattern import check_replacement  # noqa: PLC0415 - see above

        try:
            check_replacement(self.replace, self.pattern)
        except ValueError as error:
            raise Misfits([(("replace",), str(error))]) from None
        return self


PRESET_TAG, RULE_TAG = "<preset>", "<rule>"
"""Parts that pydantic puts into the path of an item of `redact`, by its kind."""

Redaction = Annotated[
    Annotated[str, Tag(PRESET_TAG)] | Annotated[RedactRule, Tag(RULE_TAG)],
    Discriminator(lambda value: PRESET_TAG if isinstance(value, str) else RULE_TAG),
]


class Logs(Family):
    """Pod logs."""

    default_retention: ClassVar[timedelta] = timedelta(days=14)

    enabled: bool = True
    """Whether pod logs are shipped at all."""
    index: IndexName = "eks-pod-logs"
    """Index, or first part of its name where `rotate` adds a date."""
    rotate: Rotation = "daily"
    """How often a new index begins, by the line's own time (UTC). Old indices go as a whole, which is cheap."""
    retain: Annotated[Duration | None, Given] = None
    """How long documents are kept after the end of their index's day or month, and how old a line may be to be shipped;
    where nothing is said 14d, or 28d with `rotate: monthly`."""
    include: LogSelection = section(LogSelection)
    """Logs that go out: those that each list has, where it isn't empty, and whose pod has all labels. All where nothing
    is said."""
    exclude: LogSelection = section(LogSelection)
    """Logs that don't go out, even if `include` has them: those that any of the lists has, or whose pod has any of the
    labels. A pod can leave itself out with the annotation `fluentbit.io/exclude: "true"`."""
    metadata: Literal["api", "path"] = "api"
    """Where what is known of a pod comes from: labels and workload from the API server, or only namespace, pod and
    container from the path of the file, which needs no access to the API; what asks for labels then finds none."""
    multiline: Many[str] = MULTILINE_RULES
    """Rules that put the lines of a stack trace together: java, python, go, ruby, dotnet, and those of
    `multilineRules`. A pod can choose its own with the annotation `fluent-sidecar/multiline`."""
    multiline_rules: Many[MultilineRule] = ()
    """Rules of one's own. One that `multiline` does not name holds only for pods whose annotation names it."""
    multiline_timeout: Duration = parse_duration("5s")
    """A longer time between two lines (1s to 60s), by their own clock, ends a record."""
    json_: Annotated[bool, Field(alias="json")] = True
    """Whether the fields of a line that is a JSON object are also kept under `data`. The line itself stays as it is."""
    level: bool = True
    """Whether the severity is looked for in the line: trace, debug, info, warn, error or fatal."""
    redact: Many[Redaction] = ()
    """What is replaced before a line leaves the node: names of presets, of the groups `secrets` and `personal-data`, or
    patterns of one's own."""
    routes: Many[Route] = ()
    """Logs that go to an index of their own; the first that matches holds."""
    max_line: Size = parse_size("1MiB")
    """A longer record (4KiB to 4MiB) is cut there, and counted."""
    limit: Annotated[Size | None, Given] = None
    """What one container may send in a minute, by its lines' own times, at least 1MiB; the rest is left out, and
    counted. No limit where nothing is said."""
    systemd: Many[Unit] = ()
    """Units of systemd whose journal is shipped too, such as `kubelet.service` and `containerd.service`."""

    @field_validator("multiline_timeout")
    @classmethod
    def _check_timeout(cls, value: timedelta) -> timedelta:
        least, most = _TIMEOUTS
        if not least <= value <= most:
            raise ValueError(f"multilineTimeout must be {format_duration(least)} to {format_duration(most)}")
        return value

    @field_validator("max_line")
    @classmethod
    def _check_max_line(cls, value: int) -> int:
        least, most = _LINES
        if not least <= value <= most:
            raise ValueError(f"maxLine must be {format_size(least)} to {format_size(most)}")
        return value

    @field_validator("limit")
    @classmethod
    def _check_limit(cls, value: int | None) -> int | None:
        if value is not None and value < _SMALLEST_LIMIT:
            raise ValueError(f"limit must be at least {format_size(_SMALLEST_LIMIT)} a minute")
        return value

    @field_validator("routes")
    @classmethod
    def _complete_routes(cls, routes: tuple[Route, ...], info: ValidationInfo) -> tuple[Route, ...]:
        if "rotate" not in info.data or "retain" not in info.data:
            return routes
        return tuple(route.under(info.data["rotate"], info.data["retain"]) for route in routes)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        refuse([*self._multiline_problems(), *self._redact_problems(), *self._route_problems()])
        return self

    def _multiline_problems(self) -> Found:
        own = [rule.name for rule in self.multiline_rules]
        known = (*MULTILINE_RULES, *own)
        return [
            *repeated("multilineRules", own, taken=MULTILINE_RULES),
            *repeated("multiline", self.multiline, inner=[""] * len(self.multiline)),
            *(
                problem
                for at, name in enumerate(self.multiline)
                for problem in unknown(("multiline", at), name, known, "multi-line rule")
            ),
        ]

    def _redact_problems(self) -> Found:
        if not self.redact:
            return []
        from sidecar.config.redaction import PRESET_GROUPS, PRESETS  # noqa: PLC0415 - see above

        presets = (*PRESET_GROUPS, *PRESETS)
        found: Found = []
        for at, item in enumerate(self.redact):
            if isinstance(item, str):
                found += unknown(("redact", at), item, presets, "preset")
            elif item.name in presets:
                found.append((("redact", at, "name"), f"{quoted(item.name)} is a preset; choose another name"))
        names = [item if isinstance(item, str) else item.name for item in self.redact]
        inner = ["" if isinstance(item, str) else "name" for item in self.redact]
        # Of two problems of one name the first says more.
        return list(dict([*repeated("redact", names, inner=inner), *found]).items())

    def _route_problems(self) -> Found:
        retention = [
            (("routes", at, "retain"), f"{problem}; this is from logs.rotate or logs.retain")
            for at, route in enumerate(self.routes)
            if (problem := route.retention_problem())
        ]
        return [*repeated("routes", [route.name for route in self.routes]), *retention, *clashes(self.routes)]

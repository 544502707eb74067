"""What a line of a program of the control plane says: severity, time, place in the source, text, and named values.

Of klog, as Kubernetes' own programs write:

    I1127 02:13:37.090351       1 controller.go:127] "Starting controller" name="replicaset"
    W1127 02:13:37.090351       1 probe.go:272] Flexvolume plugin directory does not exist. Recreating.

of logfmt, as the authenticator does, and of a JSON object. What is none of them is text.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sidecar.opensearch import codec

_LEVELS: Mapping[str, str] = {
    "trace": "trace",
    "debug": "debug",
    "info": "info",
    "notice": "info",
    "warn": "warn",
    "warning": "warn",
    "err": "error",
    "error": "error",
    "crit": "fatal",
    "critical": "fatal",
    "fatal": "fatal",
    "panic": "fatal",
    "dpanic": "fatal",
}
_LETTERS: Mapping[str, str] = {"I": "info", "W": "warn", "E": "error", "F": "fatal"}
_KLOG = re.compile(
    r"([IWEF])([0-9]{2})([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{6}) +[0-9]+ ([^ \]]{1,200}:[0-9]+)\] ?"
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
# Possessive, and from the beginning of a word alone: however odd a line is, little of it is looked at twice.
_PAIR = re.compile(
    r"(?<![^\s,])([A-Za-z_@][A-Za-z0-9_./@-]*+)="
    r"("
    r'"(?:[^"\\]|\\.)*+"'  # quoted by Go
    r"|<\n(?:\t[^\n]{0,4000}+\n){0,100}+ >"  # of several lines
    r"|\[[^\]]{0,1000}+\]|\{[^}]{0,1000}+\}"
    r'|[^\s"]*+'
    r")",
    re.DOTALL,
)
_LOGFMT = re.compile(r"(?:time|ts|level|msg)=")
_PARSED = 32 * 1024
"""So many characters of a line are looked at for values."""


@dataclass(slots=True)
class Line:
    """What was found in a line.

    Attributes:
        level: Severity; empty where there is none.
        time: When it was written, to the microsecond; None where the line doesn't say it so exactly.
        source: File and line of the program.
        message: The text, without the rest.
        values: Named values.
    """

    level: str = ""
    time: datetime | None = None
    source: str = ""
    message: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def parse(text: str, near: datetime) -> Line | None:
    """What a line says; None where it is mere text.

    Args:
        text: The line.
        near: About when it was written: klog writes no year.
    """
    begin = text[:1]
    if begin in _LETTERS and (found := _KLOG.match(text)):
        return _klog(found, text[found.end() :], near)
    if begin == "{":
        return _json(text)
    return _logfmt(text) if _LOGFMT.match(text) else None


def _klog(found: re.Match[str], rest: str, near: datetime) -> Line:
    month, day, hour, minute, second, micros = (int(found[number]) for number in range(2, 8))
    line = Line(_LETTERS[found[1]], source=found[8], message=rest)
    line.time = _nearest(near, month, day, hour, minute, second, micros)
    if head := _QUOTED.match(rest, 0, _PARSED):
        line.message = unquoted(head[0])
        line.values = _pairs(rest, head.end())
    return line


def _nearest(near: datetime, *parts: int) -> datetime | None:
    """The time of a year that is nearest: a line of New Year's Eve may be delivered in the next."""
    found = []
    for year in (near.year - 1, near.year, near.year + 1):
        try:
            found.append(datetime(year, *parts, tzinfo=UTC))  # type: ignore[arg-type,misc]  # month to microsecond
        except ValueError:  # the 29th of February, or no time at all
            continue
    return min(found, key=lambda time: abs(time - near), default=None)


def _logfmt(text: str) -> Line:
    values = _pairs(text, 0)
    level, message = values.pop("level", ""), values.pop("msg", "")
    time = _exact(values.pop("time", ""))
    return Line(_LEVELS.get(level.lower(), ""), time, message=message, values=values)


def _pairs(text: str, start: int) -> dict[str, Any]:
    return {name: unquoted(value) for name, value in _PAIR.findall(text, start, _PARSED)}


def _json(text: str) -> Line | None:
    try:
        values = codec.loads_text(text)
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    level = next((values[name] for name in ("level", "severity") if isinstance(values.get(name), str)), "")
    message = next((values.pop(name) for name in ("msg", "message") if isinstance(values.get(name), str)), "")
    time = next((values[name] for name in ("ts", "time", "timestamp") if isinstance(values.get(name), str)), "")
    return Line(_LEVELS.get(level.lower(), ""), _exact(time), message=message, values=values)


def _exact(text: Any) -> datetime | None:
    """A time with a zone and parts of a second; CloudWatch's own time is better than one without."""
    if not isinstance(text, str) or "." not in text:
        return None
    return instant(text)


def instant(text: Any) -> datetime | None:
    """An RFC 3339 time in UTC."""
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
        return time.astimezone(UTC) if time is not None and time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def unquoted(text: str) -> str:
    r"""Text that Go has quoted, as it was: `"a \"b\""` is `a "b"`. What isn't quoted stays as it is.

    klog writes several lines as they are, between `<` and `>`, with a tab before each.
    """
    if text.startswith("<\n"):
        return text[2:-2].rstrip("\n").replace("\n\t", "\n").removeprefix("\t")
    if not text.startswith('"') or text == '"':
        return text
    if "\\" not in text:
        return text[1:-1]
    try:
        found = json.loads(text, strict=False)
    except ValueError:  # Go escapes more than JSON does, such as \x00
        return text[1:-1]
    return found if isinstance(found, str) else text[1:-1]

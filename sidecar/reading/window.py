"""From when to when: what people write, as two moments. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sidecar.config.units import parse_duration
from sidecar.errors import InputError
from sidecar.render import fields

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_DURATIONS = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhdw]))+")
_PART = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:ms|[smhdw])")
_ALLOWED = (
    "write an age (30m, 2h, 3d, 1h30m), a time of today (14:05), a date (2026-11-26) or a time (2026-11-26T14:05Z)"
)
_OLDEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """A stretch of time; without `since` it has no beginning, without `until` it goes on.

    Attributes:
        since: The first moment of it.
        until: The first moment after it.
    """

    since: datetime | None = None
    until: datetime | None = None

    def query(self, field: str = fields.TIMESTAMP) -> list[dict[str, Any]]:
        """Filters of the search API for documents of this time; none where it is all time."""
        bounds = {
            **({"gte": iso(self.since)} if self.since else {}),
            **({"lt": iso(self.until)} if self.until else {}),
        }
        return [{"range": {field: bounds}}] if bounds else []

    def before(self) -> "Window":
        """All that was before it; nothing where it has no beginning."""
        return Window(None, self.since or _OLDEST)


def window(since: str | None, until: str | None, *, now: datetime, default: timedelta | None = None) -> Window:
    """The window that a user names.

    Args:
        since: See `moment`; `default` ago where nothing is said, or no beginning without one.
        until: See `moment`; no end where nothing is said.
        now: With the time zone that the user thinks in.
        default: How far back it reaches.

    Raises:
        InputError: One of them is no time, or the end comes before the beginning.
    """
    end = moment(until, now=now, option="--until") if until else None
    begin = moment(since, now=now, option="--since") if since else (end or now) - default if default else None
    if begin and end and begin >= end:
        raise InputError(f"--since {since} is not before --until {until}", hint="an age counts back from now")
    return Window(begin, end)


def moment(text: str, *, now: datetime, option: str) -> datetime:
    """A moment as people write it: an age, a time of today, a date, or RFC 3339; where no zone is said, that of `now`.

    Args:
        text: What was written.
        now: With the time zone that the user thinks in.
        option: What it was written for, for the message.

    Raises:
        InputError: It is nothing of that.
    """
    wanted = text.strip()
    if _DURATIONS.fullmatch(wanted):
        return _ago(wanted, now, option)
    if match := _CLOCK.fullmatch(wanted):
        hour, minute, second = (int(part or 0) for part in match.groups())
        return now.replace(hour=hour, minute=minute, second=second, microsecond=0)
    try:
        found = datetime.fromisoformat(wanted)
        # The zone's own offset at that time, which daylight saving may change, is the system's to know.
        return found if found.tzinfo else _in_zone_of(now, found)
    except (ValueError, OverflowError, OSError):
        raise InputError(f"{option} {text!r} is no time", hint=_ALLOWED) from None


def _ago(text: str, now: datetime, option: str) -> datetime:
    try:
        age = sum((_duration(part) for part in _PART.findall(text)), timedelta())
        return now - age
    except (ValueError, OverflowError):
        raise InputError(f"{option} {text!r} is too long ago, or no time at all", hint=_ALLOWED) from None


def _duration(text: str) -> timedelta:
    return 7 * parse_duration(f"{text[:-1]}d") if text.endswith("w") else parse_duration(text)


def _in_zone_of(now: datetime, naive: datetime) -> datetime:
    """A local zone is a fixed offset in `now`, so the system is asked for the one of another day."""
    return naive.astimezone() if now.utcoffset() == now.astimezone().utcoffset() else naive.replace(tzinfo=now.tzinfo)


def iso(found: datetime) -> str:
    """As OpenSearch reads it: RFC 3339 in UTC, to the millisecond."""
    return f"{found.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{found.microsecond // 1000:03d}Z"

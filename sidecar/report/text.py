"""Numbers, times and what users write -> text for people. Pure."""

import re
from datetime import UTC, datetime, timedelta

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_THOUSAND = 1000
_SPANS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff{_BIDI}]")
"""Controls, marks that turn the direction of what follows, and halves of characters; not tabs and line ends."""
_MARKS = 4
"""So many combining marks may sit on one letter; some languages need two."""
_MANY_MARKS = re.compile(r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4,}")
NONE = "\N{EN DASH}"
"""Where there is no number."""


def visible(value: str, limit: int = 0) -> str:
    r"""What a page can show of any text: what can't be seen is written out, such as `\u202e`, and hides nothing.

    Args:
        value: From a cluster.
        limit: How many characters of it; what is left out is told. 0 for all.
    """
    shown = value.replace("\r\n", "\n")
    if limit and len(shown) > limit:
        shown = f"{shown[:limit]}… ({number(len(value))} characters)"
    shown = _UNSEEN.sub(lambda found: _escaped(found[0]), shown)
    return _MANY_MARKS.sub(lambda found: found[0][:_MARKS], shown)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - the last of one byte


def number(value: float) -> str:
    """`1234567` as `1,234,567`."""
    return f"{value:,.0f}"


def short_number(value: float) -> str:
    """For an axis: `1200000` as `1.2M`."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def size(value: float) -> str:
    """Bytes, in powers of a thousand: `1.2 GB`."""
    unit = 0
    while value >= _THOUSAND - 0.5 and unit < len(_UNITS) - 1:
        value /= _THOUSAND
        unit += 1
    return f"{value:.3g} {_UNITS[unit]}"


def percent(part: float, whole: float) -> str:
    """A share: `12 %`, `0.31 %`, `< 0.01 %`; no number where there is no whole."""
    if not whole:
        return NONE
    share = 100 * part / whole
    if part and share < 0.01:  # noqa: PLR2004 - what two digits show
        return "< 0.01 %"
    return f"{share:.2f} %" if part and share < 1 else f"{share:.1f} %".replace(".0 %", " %")


def span(value: timedelta) -> str:
    """How long: `2 d 4 h`, `1 h 5 min`, `40 s`, `0.2 s`; the two largest units."""
    seconds = value.total_seconds()
    if abs(seconds) < 10:  # noqa: PLR2004 - from here on tenths say nothing
        return f"{seconds:.1f} s".replace(".0 s", " s")
    left, told = round(abs(seconds)), list[str]()
    for unit, length in _SPANS:
        if left >= length and len(told) < 2:  # noqa: PLR2004 - see above
            told.append(f"{left // length} {unit}")
            left %= length
        elif told:
            break
    return ("-" if seconds < 0 else "") + " ".join(told)


def ago(moment: datetime, now: datetime) -> str:
    """`5 min ago`; `in 2 d` for what is ahead of the clock."""
    passed = now - moment
    return f"in {span(-passed)}" if passed < timedelta(0) else f"{span(passed)} ago"


def moment(value: datetime) -> str:
    """`2026-11-27 08:55:03`, in UTC, as the page says once."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def iso(value: datetime) -> str:
    """For machines: `2026-11-27T08:55:03Z`."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

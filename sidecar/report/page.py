"""A report -> one HTML file that needs nothing else. Pure: the same report gives the same bytes.

Every value goes through `text.visible`, then through Jinja2's autoescape; what is not escaped is the style sheet and
the charts, which are serialised from a tree. The page forbids itself, by its Content-Security-Policy, every request and
every script, also one that would get past all that.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sidecar.report import text
from sidecar.report.charts import NARROW, WIDE, Series, Timeline, draw
from sidecar.report.model import Report

MOST = 50
"""Rows of a table, or problems, that are shown; what is beyond is told as a number."""
_LONGEST = 300
"""Characters of one value, where the template does not say another number; names of Kubernetes have 253 at most."""
_PLACE = Path(__file__).parent


@dataclass(frozen=True)
class _Chart:
    """A chart as the template wants it."""

    timeline: Timeline
    caption: str
    wide: Markup
    narrow: Markup
    rows: Sequence[tuple[datetime, tuple[float, ...]]]


def page(report: Report) -> str:
    """The HTML file."""
    css = (_PLACE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    newest = [each.newest for each in report.health.fresh if each.newest]
    rendered: str = _template().render(
        report=report,
        css=Markup(css),  # noqa: S704 - our own
        css_hash=f"sha256-{digest}",
        newest=max(newest, default=None),
        most=MOST,
        events_chart=_events(report),
        lines_chart=_lines(report),
        errors_chart=_error_rate(report),
    )
    return rendered.lstrip() + "\n"


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_PLACE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cut"] = _cut
    environment.globals |= {
        "ago": text.ago, "clock": text.moment, "iso": text.iso, "number": text.number, "percent": text.percent,
        "share": _share, "size": text.size, "span": text.span, "times": _times,
    }  # fmt: skip
    return environment.get_template("page.html")


def _shown(value: Any) -> Any:
    """What becomes of each value before it is escaped."""
    return text.visible(value, _LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value


def _cut(value: str, limit: int) -> Markup:
    """A text of another length than others may have; escaped."""
    return Markup.escape(text.visible(value, limit))


def _share(part: float, most: float) -> str:
    return f"{100 * part / most:.1f}" if most else "0"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{text.number(count)} times"


def _events(report: Report) -> _Chart | None:
    events, axis = report.events, report.axis
    if not events.total and not events.gaps:
        return None
    counted = f"{text.number(events.normals_total)} normal and {text.number(events.warnings_total)} warning events"
    none = (0,) * axis.count
    timeline = Timeline(
        "events",
        "Normal and warning events over time",
        f"{counted}; {_peak(report, events.warning or none, 'warnings')}",
        axis,
        [
            Series("normal", "normal", events.normal or none),
            Series("warning", "warning", events.warning or none),
        ],
        [(gap.start, gap.end) for gap in events.gaps],
    )
    return _chart(timeline, f"Events in each {text.span(axis.step)}")


def _lines(report: Report) -> _Chart | None:
    logs, axis = report.logs, report.axis
    if not logs.lines_total:
        return None
    timeline = Timeline(
        "lines",
        "Log lines over time",
        f"{text.number(logs.lines_total)} lines; {_peak(report, logs.lines, 'lines')}",
        axis,
        [Series("lines", "lines", logs.lines)],
    )
    return _chart(timeline, f"Log lines in each {text.span(axis.step)}")


def _error_rate(report: Report) -> _Chart | None:
    logs, axis = report.logs, report.axis
    if not logs.lines_total:
        return None
    rates = [100 * errors / lines if lines else 0.0 for errors, lines in zip(logs.errors, logs.lines, strict=True)]
    timeline = Timeline(
        "error-rate",
        "Share of log lines that are errors, over time",
        f"{text.percent(logs.errors_total, logs.lines_total)} of all lines; the most in one bar is {max(rates):.3g} %",
        axis,
        [Series("errors", "errors", rates)],
        whole=False,
        tell=lambda value: f"{value:.3g} %",
        unit=lambda value: f"{value:.3g} %",
    )
    return _chart(timeline, f"Errors among the lines of each {text.span(axis.step)}")


def _peak(report: Report, values: Sequence[float], what: str) -> str:
    most = max(values)
    if not most:
        return f"no {what}"
    start = report.axis.starts[list(values).index(most)]
    return f"most {what} ({text.number(most)}) from {text.moment(start)} UTC"


def _chart(timeline: Timeline, caption: str) -> _Chart:
    rows = zip(timeline.axis.starts, zip(*(series.values for series in timeline.series), strict=True), strict=True)
    return _Chart(
        timeline,
        caption,
        Markup(draw(timeline, WIDE)),  # noqa: S704 - serialised from a tree
        Markup(draw(timeline, NARROW)),  # noqa: S704 - as above
        [(start, values) for start, values in rows if any(values)],
    )

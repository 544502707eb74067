"""Classic visualizations: the `visState` of each type without its title, in the form that its editor saves."""

from collections.abc import Sequence
from typing import Any

from sidecar.render.dashboards.aggregations import by_time, numbered
from sidecar.render.dashboards.patterns import Pattern

Json = dict[str, Any]

_NO_THRESHOLD = {"show": False, "value": 10, "width": 1, "style": "full", "color": "#E7664C"}
_ANY = 1_000_000_000


def bars_over_time(metric: Json, split: Json | None = None) -> Json:
    """Stacked bars, one for each interval."""
    label = metric["params"]["customLabel"]
    return {
        "type": "histogram",
        "aggs": numbered([metric], [by_time(), *([split] if split else [])]),
        "params": _axes("histogram", [_series(label, 1, "histogram", "stacked")], label),
    }


def lines_over_time(metrics: Sequence[Json], label: str) -> Json:
    """A line for each metric."""
    series = [_series(metric["params"]["customLabel"], at, "line", "normal") for at, metric in enumerate(metrics, 1)]
    return {"type": "line", "aggs": numbered(metrics, [by_time()]), "params": _axes("line", series, label)}


def bars(metric: Json, bucket: Json) -> Json:
    """Horizontal bars, one for each value."""
    label = metric["params"]["customLabel"]
    series = [_series(label, 1, "histogram", "normal")]
    return {
        "type": "horizontal_bar",
        "aggs": numbered([metric], [bucket]),
        "params": _axes("histogram", series, label, category="left", value="bottom"),
    }


def donut(metric: Json, bucket: Json) -> Json:
    """A ring in parts."""
    params = {
        "type": "pie",
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "isDonut": True,
        "labels": {"show": True, "values": True, "last_level": True, "truncate": 100},
    }
    return {"type": "pie", "aggs": numbered([metric], [bucket]), "params": params}


def number(metric: Json, *, alarming: bool = False) -> Json:
    """One large number; an alarming one is green at 0 and red above."""
    params = {
        "addTooltip": True,
        "addLegend": False,
        "type": "metric",
        "metric": {
            "percentageMode": False,
            "useRanges": False,
            "colorSchema": "Green to Red",
            "metricColorMode": "Labels" if alarming else "None",
            "colorsRange": [{"from": 0, "to": 1}, {"from": 1, "to": _ANY}] if alarming else [{"from": 0, "to": _ANY}],
            "labels": {"show": True},
            "invertColors": False,
            "style": {"bgFill": "#000", "bgColor": False, "labelColor": False, "subText": "", "fontSize": 60},
        },
    }
    return {"type": "metric", "aggs": numbered([metric], []), "params": params}


def table(metrics: Sequence[Json], buckets: Sequence[Json]) -> Json:
    """A row for each combination of values."""
    params = {
        "perPage": 10,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "sort": {"columnIndex": None, "direction": None},
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
    }
    return {"type": "table", "aggs": numbered(metrics, buckets), "params": params}


def words(markdown: str) -> Json:
    """A text."""
    params = {"fontSize": 12, "openLinksInNewTab": False, "markdown": markdown}
    return {"type": "markdown", "aggs": [], "params": params}


def controls(fields: Sequence[tuple[str, Pattern, str]]) -> Json:
    """Lists to choose values from, each with its label, index pattern and field. They filter the whole dashboard."""
    found = [
        {
            "id": f"control-{at}",
            "fieldName": pattern.field(field),
            "parent": "",
            "label": label,
            "type": "list",
            "options": {"type": "terms", "multiselect": True, "dynamicOptions": True, "size": 100, "order": "desc"},
            "indexPattern": pattern,
        }
        for at, (label, pattern, field) in enumerate(fields)
    ]
    params = {"controls": found, "updateFiltersOnChange": True, "useTimeFilter": False, "pinFilters": False}
    return {"type": "input_control_vis", "aggs": [], "params": params}


def _series(label: str, metric: int, kind: str, mode: str) -> Json:
    return {
        "show": True,
        "type": kind,
        "mode": mode,
        "data": {"label": label, "id": str(metric)},
        "valueAxis": "ValueAxis-1",
        "drawLinesBetweenPoints": True,
        "lineWidth": 2,
        "interpolate": "linear",
        "showCircles": True,
    }


def _axes(kind: str, series: list[Json], label: str, *, category: str = "bottom", value: str = "left") -> Json:
    """What charts with two axes have in common."""
    return {
        "type": kind,
        "grid": {"categoryLines": False},
        "categoryAxes": [
            {
                "id": "CategoryAxis-1",
                "type": "category",
                "position": category,
                "show": True,
                "style": {},
                "scale": {"type": "linear"},
                "labels": {"show": True, "rotate": 0, "filter": category == "bottom", "truncate": 200},
                "title": {},
            }
        ],
        "valueAxes": [
            {
                "id": "ValueAxis-1",
                "name": "LeftAxis-1",
                "type": "value",
                "position": value,
                "show": True,
                "style": {},
                "scale": {"type": "linear", "mode": "normal"},
                "labels": {"show": True, "rotate": 0, "filter": value == "bottom", "truncate": 100},
                "title": {"text": label},
            }
        ],
        "seriesParams": series,
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "times": [],
        "addTimeMarker": False,
        "labels": {"show": False},
        "thresholdLine": _NO_THRESHOLD,
    }

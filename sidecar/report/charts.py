"""Counts over time -> SVG, by pygal; pure. What the module adds is what a page without a script needs.

pygal's chart comes as a tree. Its script, style and what scripts would fill are taken out; every bar gets a title,
which browsers show and screen readers read; gaps are drawn behind the bars; and the words of the axis go to where a
bucket begins. Classes instead of colours: the page's style sheet knows light from dark.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, tostring

from sidecar.report import text
from sidecar.report.buckets import Axis

if TYPE_CHECKING:
    from collections.abc import Callable

_SPACE = 8
_FEW = 6


@dataclass(frozen=True)
class Series:
    """Bars of one meaning.

    Attributes:
        name: In the legend and in titles.
        style: Class of the style sheet.
        values: One for each bucket.
    """

    name: str
    style: str
    values: Sequence[float]


@dataclass(frozen=True)
class Size:
    """Of a drawing, in its own units; the page scales it to the space that there is.

    Attributes:
        name: Class of the style sheet, which shows the one that fits.
        width: Of all.
        height: Of all.
        words: How many the time axis has space for.
    """

    name: str
    width: int
    height: int
    words: int


WIDE, NARROW = Size("wide", 960, 240, 10), Size("narrow", 340, 220, 4)
"""For paper and screens, and for telephones: letters keep their size."""


@dataclass(frozen=True)
class Timeline:
    """A chart of bars over time, stacked.

    Attributes:
        key: Unique on the page.
        title: What it shows, for those who don't see it.
        summary: What there is to see, in a sentence.
        axis: The buckets.
        series: From the bottom to the top.
        gaps: Start and end of what may be missing.
        whole: Whether values are numbers of things.
        tell: How a value is told.
        unit: How a value is told at the axis.
    """

    key: str
    title: str
    summary: str
    axis: Axis
    series: Sequence[Series]
    gaps: Sequence[tuple[datetime, datetime]] = ()
    whole: bool = True
    tell: "Callable[[float], str]" = text.number
    unit: "Callable[[float], str]" = text.short_number


def draw(chart: Timeline, size: Size) -> str:
    """The chart as an `svg` element of an HTML page."""
    top = max(1.0, *map(sum, zip(*(series.values for series in chart.series), strict=True)))
    pygal = _pygal()
    plain = pygal.style.Style(font_family="inherit", label_font_size=12, major_label_font_size=12)
    bars = pygal.StackedBar(
        width=size.width,
        height=size.height,
        style=plain,
        js=(),
        no_prefix=True,
        show_legend=False,
        margin=_SPACE,
        spacing=_SPACE,
        min_scale=3,
        max_scale=5,
        rounded_bars=1,
        truncate_label=-1,
        value_formatter=chart.unit,
        x_labels=chart.axis.words(size.words),
        # Of little there are no halves.
        y_labels=range(int(top) + 1) if chart.whole and top < _FEW else None,
        range=(0, top),
    )
    for series in chart.series:
        bars.add(series.name, list(series.values))
    return tostring(_finished(bars.render_tree(), chart, size), encoding="unicode", short_empty_elements=True)


@cache
def _pygal() -> Any:
    """The library, without the hook for its maps that it leaves in the imports: Python 3.11 warns of it."""
    import pygal.style  # noqa: PLC0415 - what only counts need not load it

    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]
    return pygal


def _finished(root: Any, chart: Timeline, size: Size) -> Element:
    key = f"{chart.key}-{size.name}"
    plot = root.find("g/g[@class='plot']")
    frame = plot.find("rect")
    drawn = Element(
        "svg",
        {
            "viewBox": root.get("viewBox"),
            "class": f"chart {size.name}",
            "role": "img",
            "aria-labelledby": f"{key}-title",
            "aria-describedby": f"{key}-desc",
        },
    )
    SubElement(drawn, "title", {"id": f"{key}-title"}).text = chart.title
    SubElement(drawn, "desc", {"id": f"{key}-desc"}).text = chart.summary
    canvas = SubElement(drawn, "g", {"transform": plot.get("transform"), "aria-hidden": "true"})
    width = float(frame.get("width"))
    values = list(_axis_of_values(plot))
    canvas.extend(values)
    canvas.extend(_axis_of_time(plot, width / chart.axis.count))
    # Bars stand on the line of zero, which is the first.
    canvas.extend(_gaps(chart, width, float(str(values[0].get("d")).split()[1]), key))
    for series, group in zip(chart.series, plot.findall("g[@class]/g[@class='bars']"), strict=True):
        canvas.append(_bars(series, group, chart))
    return drawn


def _axis_of_values(plot: Any) -> Iterator[Element]:
    for guide in plot.findall("g[@class='axis y always_show']/g"):
        line, label = guide.find("path"), guide.find("text")
        yield Element("path", {"d": line.get("d"), "class": "guide"})
        word = Element("text", {"x": label.get("x"), "y": label.get("y"), "class": "value"})
        word.text = label.text
        yield word


def _axis_of_time(plot: Any, step: float) -> Iterator[Element]:
    """Pygal has its words at the middle of a bar; a moment is where the bar begins."""
    for guide in plot.findall("g[@class='axis x']/g"):
        label = guide.find("text")
        if label.text:
            x = float(label.get("x")) - step / 2
            word = Element("text", {"x": f"{x:.1f}", "y": label.get("y"), "class": "time"})
            word.text = label.text
            yield word


def _gaps(chart: Timeline, width: float, height: float, key: str) -> Iterator[Element]:
    if not chart.gaps:
        return
    pattern = Element("pattern", {"id": f"{key}-hatch", "class": "hatch", "width": "6", "height": "6"})
    pattern.set("patternUnits", "userSpaceOnUse")
    pattern.set("patternTransform", "rotate(45)")
    SubElement(pattern, "rect", {"width": "2", "height": "6"})
    yield pattern
    for start, end in chart.gaps:
        left, right = (chart.axis.position(moment) * width for moment in (start, end))
        band = Element(
            "rect", {"x": f"{left:.1f}", "y": "0", "width": f"{max(right - left, 3):.1f}", "height": f"{height:.1f}"}
        )
        band.set("fill", f"url(#{key}-hatch)")
        SubElement(band, "title").text = f"Gap: {text.moment(start)} to {text.moment(end)}"
        yield band


def _bars(series: Series, group: Any, chart: Timeline) -> Element:
    drawn = Element("g", {"class": f"bars {series.style}"})
    moments = [*chart.axis.starts, chart.axis.start + chart.axis.count * chart.axis.step]
    for value, (start, end), bar in zip(series.values, pairwise(moments), group.findall("g"), strict=True):
        if value:
            found = bar.find("rect")
            place = {name: f"{float(found.get(name)):.1f}" for name in ("x", "y", "width")}
            # What is there is seen, however little it is.
            place["height"] = f"{max(float(found.get('height')), 1.0):.1f}"
            rect = SubElement(drawn, "rect", place)
            SubElement(
                rect, "title"
            ).text = f"{text.moment(start)} to {end:%H:%M:%S}: {chart.tell(value)} {series.name}"
    return drawn

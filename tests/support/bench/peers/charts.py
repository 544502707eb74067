"""The figures as bars, in SVG: without a background, in colours that are read on white and on black."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import pygal
from pygal.style import Style

# Its finder of plug-ins, of which there are none here, is of the old kind: Python warns at every import that passes it.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "PluginImportFixer"]

_GREY = "#7b828c"
"""4 to 1 against white, and 4.5 to 1 against GitHub's dark background: whoever embeds it need not say which it is."""
_COLOURS = ("#2f86d6", "#d9822b", "#35a06f", "#a56cc9")
_WIDTH, _BAR, _REST = 860, 17, 190
_COLUMNS = 2
_LEAST_TENTHS = 0.1
_ROOM = 1.15
"""How far the axis goes beyond the longest bar, so that its value has room."""
_CSS = (
    "file://style.css",
    "file://graph.css",
    "inline:.text-overlay text {text-anchor: start !important; transform: translate(8px, 0)}",
)
"""The library's own, and values beside the ends of bars, not across."""
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground=_GREY,
    foreground_strong=_GREY,
    foreground_subtle=_GREY,
    colors=_COLOURS,
    font_family="system-ui, sans-serif",
    label_font_size=13,
    major_label_font_size=13,
    value_font_size=12,
    legend_font_size=13,
    title_font_size=15,
    value_colors=(_GREY,) * len(_COLOURS),
    opacity="1",
    guide_stroke_color=_GREY,
    major_guide_stroke_color=_GREY,
)


def draw_bars(
    file: Path,
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    formatted: Callable[[float], str],
) -> None:
    """Write a chart of horizontal bars: a group for each label, from above, with a bar of each series.

    Args:
        file: The SVG.
        title: Above it; names the unit.
        labels: Of the groups.
        series: By name, as many values as there are labels; None where there is none.
        formatted: A value as text, at the end of its bar.
    """
    longest = max((value for values in series.values() for value in values if value is not None), default=0.0)
    chart = pygal.HorizontalBar(
        style=_STYLE,
        css=_CSS,
        range=(0, longest * _ROOM or 1),
        title=title,
        width=_WIDTH,
        height=_REST + _BAR * len(labels) * (len(series) + 1),
        js=[],
        print_values=True,
        print_values_position="top",
        show_x_guides=False,
        show_y_guides=False,
        show_x_labels=False,
        legend_at_bottom=True,
        legend_at_bottom_columns=_COLUMNS,
        legend_box_size=12,
        truncate_legend=-1,
        truncate_label=-1,
        value_formatter=lambda value: "" if value is None else formatted(value),
        explicit_size=True,
        no_prefix=True,
        pretty_print=True,
        include_x_axis=True,
        margin=12,
        margin_bottom=34,
    )
    chart.add_xml_filter(_without_scripts)
    # It draws from below.
    chart.x_labels = list(reversed(labels))
    for name, values in series.items():
        chart.add(name, list(reversed(values)))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(chart.render())


def percent(value: float) -> str:
    """A share as text; what is not 0 doesn't look like it."""
    return "0" if value == 0 else f"{value:.1f} %" if value >= _LEAST_TENTHS else f"{value:.2g} %"


def _without_scripts(picture: Element) -> Element:
    """What makes it interactive isn't there: neither is its configuration needed, nor does it run in an `<img>`."""
    for parent in list(picture.iter()):
        for child in list(parent):
            if str(child.tag).rpartition("}")[2] == "script":
                parent.remove(child)
    return picture

"""A window of a pipeline -> a report of it."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sidecar import __version__
from sidecar.config import Config
from sidecar.reading.selection import Selection
from sidecar.reading.window import Window
from sidecar.render.indices import families, index_pattern
from sidecar.report import answers
from sidecar.report.answers import Answers
from sidecar.report.ask import ask, patterns
from sidecar.report.buckets import Axis
from sidecar.report.health import health
from sidecar.report.model import About, Events, Health, Logs, Problems, Report

T = TypeVar("T")


def make(
    config: Config, *, start: datetime, end: datetime, now: datetime, namespace: str = "", title: str = ""
) -> Report:
    """A report of what OpenSearch knows.

    Args:
        config: pipeline.yaml.
        start: Of the window.
        end: The first moment after it.
        now: What the clock says.
        namespace: The only one; empty for all.
        title: Of the page; one that names the cluster where it is empty.

    Raises:
        SidecarError: A credential can't be read, or OpenSearch can't be reached.
    """
    axis = Axis.of(start, end)
    found = ask(config, Selection(config.cluster, namespace), Window(start, end), axis)
    about = About(
        title=title or f"Report on {config.cluster}",
        cluster=config.cluster,
        namespace=namespace,
        start=start,
        end=end,
        made=now,
        url=found.url,
        looked=tuple(patterns(config)),
        version=__version__,
        logs=config.logs.enabled,
    )
    return understand(found, about, axis, config)


def understand(found: Answers, about: About, axis: Axis, config: Config) -> Report:
    """Answers -> the report. Pure."""
    failed = dict(found.failed)
    understood = _Understanding(failed)
    events = understood("events", lambda: answers.events(found.events, found.gaps, axis), Events())
    problems = understood("problems", lambda: answers.problems(found.problems), Problems())
    logs = understood("logs", lambda: answers.logs(found.logs, found.control_plane, axis), Logs())
    held = [(family.description, index_pattern(family)) for family in families(config)]
    pipeline = understood("health", lambda: health(found, held, events.gaps, about), Health())
    return Report(
        about=about,
        axis=axis,
        events=events,
        problems=problems,
        logs=logs,
        health=pipeline,
        failed=failed,
        incomplete=found.incomplete,
    )


class _Understanding:
    """An answer in a form that nobody foresaw, such as a proxy's, costs its own part of the report."""

    def __init__(self, failed: dict[str, str]) -> None:
        self._failed = failed

    def __call__(self, name: str, read: Callable[[], T], nothing: T) -> T:
        try:
            return read()
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            self._failed[name] = f"what the server answers can't be understood ({type(error).__name__})"
            return nothing

"""Runs the checks: areas beside each other, the checks of an area one after the other, none of them for long."""

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sidecar.doctor.finding import Finding, State, fail, failed, skip
from sidecar.errors import SidecarError

log = logging.getLogger(__name__)

SECONDS = 5.0
"""How long one check may take."""

Look = Callable[[], Finding | Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """A look at one link.

    Attributes:
        name: Of the link, in the report.
        look: Looks at it. An error of the project that it raises is what it found.
        gate: Whether the rest of the area can't be looked at where this fails, or can't be looked at itself.
        slow: What to do if it takes too long.
        seconds: How long it may take; None for as long as any.
    """

    name: str
    look: Look
    gate: bool = False
    slow: str = "is the network between here and there all right?"
    seconds: float | None = None


@dataclass(frozen=True)
class Area:
    """Checks that have to do with each other, in order.

    Attributes:
        title: Of the area, in the report.
        checks: See `Check`; called when it is their turn.
        after: Title of an area that must be complete before, and whose gates must be open: else this one is not looked
            at, in one line.
    """

    title: str
    checks: Callable[[], Sequence[Check]] = field(repr=False)
    after: str = ""


@dataclass(frozen=True)
class _Examined:
    """The findings of an area, and the gate that was closed; empty if none was."""

    findings: list[Finding]
    closed: str


Answers = Mapping[str, "Future[_Examined]"]


def examine(areas: Sequence[Area], *, seconds: float = SECONDS) -> Iterator[tuple[str, list[Finding]]]:
    """The findings of each area, in the order of the areas, each as soon as it is complete.

    Args:
        areas: What to look at.
        seconds: How long a check may take that says nothing else. After that it is left behind, and counts as failed.
    """
    answers: Answers = {area.title: Future() for area in areas}
    for area in areas:
        _begin(partial(_answer, area, answers, seconds))
    for area in areas:
        yield area.title, answers[area.title].result().findings


def _answer(area: Area, answers: Answers, seconds: float) -> None:
    closed = answers[area.after].result().closed if area.after else ""
    if closed:
        found = _Examined([skip(area.title.lower(), _want_of(closed))], closed)
    else:
        try:
            found = _examine(area.checks(), seconds)
        except SidecarError as error:
            found = _Examined([failed(area.title.lower(), error)], area.title)
    answers[area.title].set_result(found)


def _examine(checks: Sequence[Check], seconds: float) -> _Examined:
    found: list[Finding] = []
    closed = ""
    for check in checks:
        if closed:
            found.append(skip(check.name, _want_of(closed)))
            continue
        now = _look(check, seconds if check.seconds is None else check.seconds)
        found += now
        if check.gate and any(finding.state in {State.FAIL, State.SKIP} for finding in now):
            closed = check.name
    return _Examined(found, closed)


def _want_of(what: str) -> str:
    return f"not looked at, for want of: {what}"


def _look(check: Check, seconds: float) -> list[Finding]:
    answer: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()
    _begin(lambda: answer.put(_safely(check)))
    try:
        return answer.get(timeout=seconds)
    except queue.Empty:
        return [fail(check.name, f"no answer within {seconds:g} s", check.slow)]


def _safely(check: Check) -> list[Finding]:
    try:
        found = check.look()
        return [found] if isinstance(found, Finding) else list(found)
    except SidecarError as error:
        return [failed(check.name, error)]
    except Exception as error:  # a bug in one check must not take the others along
        log.debug("the check %s failed", check.name, exc_info=error)
        return [fail(check.name, f"the check itself failed: {type(error).__name__}", "this is a bug; please report it")]


def _begin(what: Callable[[], Any]) -> None:
    """In a thread that nobody waits for: one that hangs ends with the program."""
    threading.Thread(target=what, name="doctor", daemon=True).start()

"""Log lines: one JSON object each in a pod, plain on a terminal, nothing from the libraries."""

import io
import json
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from sidecar.agent.log import Format, set_up
from sidecar.errors import ConfigError, Problem


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # `basicConfig(force=True)` closes what is there: pytest's own are kept out of its way.
    root.handlers[:] = []
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("urllib3", "kubernetes"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def stream(monkeypatch: pytest.MonkeyPatch, style: Format = "auto", target: io.StringIO | None = None) -> io.StringIO:
    target = target or io.StringIO()
    monkeypatch.setattr(sys, "stderr", target)
    set_up(style)
    return target


def test_a_line_is_one_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    out = stream(monkeypatch)
    logging.getLogger("sidecar.test").warning("%s é\n%d", "two lines", 2)

    [text] = out.getvalue().splitlines()
    line = json.loads(text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {"level": "warning", "logger": "sidecar.test", "message": "two lines é\n2"}


def test_the_time_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    out = stream(monkeypatch)
    record = logging.LogRecord("n", logging.INFO, "f", 1, "m", (), None)
    record.created, record.msecs = 1_763_769_600.007, 7.0
    logging.getLogger().handle(record)

    assert json.loads(out.getvalue())["time"] == "2025-11-22T00:00:00.007Z"


def test_the_traceback_of_a_bug_stays_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out = stream(monkeypatch)
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        logging.getLogger("n").exception("a bug")

    [text] = out.getvalue().splitlines()
    assert json.loads(text)["message"] == "a bug"
    assert json.loads(text)["traceback"].endswith("ZeroDivisionError: integer division or modulo by zero")


def test_an_error_of_ours_with_many_lines_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out = stream(monkeypatch)
    logging.getLogger("n").warning("%s", ConfigError("p", [Problem(1, 1, "a", "x"), Problem(2, 1, "b", "y")]))

    [text] = out.getvalue().splitlines()
    assert json.loads(text)["message"] == "p:1:1: a: x\np:2:1: b: y"


def test_text_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = stream(monkeypatch, target=Terminal())
    logging.getLogger("n").info("hello")

    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    hello\n", out.getvalue())


def test_the_style_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    out = stream(monkeypatch, "json", Terminal())
    logging.getLogger("n").info("hello")
    assert json.loads(out.getvalue())["message"] == "hello"

    out = stream(monkeypatch, "text")
    logging.getLogger("n").info("hello")
    assert out.getvalue().endswith("INFO    hello\n")


def test_setting_up_twice_does_not_double_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    out = stream(monkeypatch)
    set_up()
    logging.getLogger("n").info("once")

    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "kubernetes.client.rest"])
def test_the_libraries_bodies_and_retries_are_not_logged(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    out = stream(monkeypatch)
    logging.getLogger(name).error("Authorization: Basic aHVudGVyMg==")

    assert out.getvalue() == ""


def test_no_chatter(monkeypatch: pytest.MonkeyPatch) -> None:
    out = stream(monkeypatch)
    logging.getLogger("sidecar").debug("a request's body")

    assert out.getvalue() == ""

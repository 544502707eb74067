"""The severity of lines as applications write them."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lua import LuaJit
from tests.unit.plugin.plugin import PLUGIN, python

LINES = {
    "I1122 10:00:00.123456       1 server.go:42] started": "info",
    "W1122 10:00:00.123456       1 reflector.go:42] slow": "warn",
    "E1122 10:00:00.123456       1 reflector.go:42] failed": "error",
    "F1122 10:00:00.123456       1 main.go:42] ended": "fatal",
    'time="2026-11-22T10:00:00Z" level=warning msg="x"': "warn",
    "ts=2026-11-22 caller=main.go:1 level=error err=x": "error",
    "level=info msg=ERROR": "info",
    "2026-11-22 10:00:00,123 INFO  [main] com.acme.Main - an ERROR was mended": "info",
    "2026-11-22 10:00:00,123 WARN [main] com.acme.Main": "warn",
    "2026-11-22 10:00:00.123 ERROR 7 --- [main] c.a.Main : x": "error",
    "2026-11-22 10:00:00,123 - root - CRITICAL - x": "fatal",
    "WARNING:root:x": "warn",
    "DEBUG:urllib3.connectionpool:x": "debug",
    "2026/11/22 10:00:00 [error] 7#7: *1 open() failed": "error",
    "2026/11/22 10:00:00 [notice] 1#1: start": "info",
    "2026/11/22 10:00:00 [crit] 1#1: x": "fatal",
    "[2026-11-22T10:00:00,123][INFO ][o.o.n.Node] x": "info",
    "[2026-11-22T10:00:00.000Z] [debug] x": "debug",
    "F, [2026-11-22T10:00:00.123456 #7] FATAL -- : x": "fatal",
    "W, [2026-11-22T10:00:00.123456 #7]  WARN -- : x": "warn",
    "SEVERE: Servlet.service() failed": "error",
    "info: Microsoft.Hosting.Lifetime[14]": "info",
    "fail: Microsoft.AspNetCore[13]": "error",
    "crit: Microsoft.AspNetCore[13]": "fatal",
    "dbug: Microsoft.AspNetCore[13]": "debug",
    "npm: Error: x": None,
    "1:M 22 Nov 2026 10:00:00.000 * Ready to accept connections": None,
    '10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /errors HTTP/1.1" 200 7': None,
    "TERROR in INFORMATION": None,
    "panicking": None,
    "the information was an error": None,
    "E1122": None,
    "": None,
    "[]": None,
    "\tat com.acme.ErrorHandler.run(ErrorHandler.java:7)": None,
    "x" * 130 + " ERROR": None,
}


@cache
def level() -> Any:
    return LuaJit().load(PLUGIN / "level.lua")


@pytest.mark.parametrize(("line", "wanted"), LINES.items())
def test_lines(line: str, wanted: str | None) -> None:
    assert python(level().of(line.encode())) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"INFO", "info"),
        (b"Warning", "warn"),
        (b"dpanic", "fatal"),
        (b"Information", "info"),
        (b"30", "info"),
        (30, "info"),
        (60, "fatal"),
        (35, None),
        (True, None),
        (False, None),
        (None, None),
        (b"", None),
        (b"loud", None),
    ],
)
def test_values_of_frameworks(value: Any, wanted: str | None) -> None:
    assert python(level().named(value)) == wanted


@settings(max_examples=150, deadline=None)
@given(text=st.binary(max_size=200))
def test_any_bytes_have_a_level_or_none(text: bytes) -> None:
    assert python(level().of(text)) in {None, "trace", "debug", "info", "warn", "error", "fatal"}

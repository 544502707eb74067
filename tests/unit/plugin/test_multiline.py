"""Stack traces as runtimes print them: each is one record, and what stands around it is none of it."""

import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugin.plugin import Filter, cri, install

JAVA = """\
2026-11-22 10:00:00,123 ERROR [main] c.a.Shop - failed java.lang.IllegalStateException: order
\tat com.acme.Orders.pay(Orders.java:7) ~[shop.jar:1.4]
\tSuppressed: java.io.IOException: close
\t\tat com.acme.Client.close(Client.java:9)
\t\t... 3 more
Caused by: java.io.IOException: reset
\tat com.acme.Client.send(Client.java:12)
\tat java.base/java.lang.Thread.run(Thread.java:840)
\t... 7 more
Caused by: java.net.SocketException: reset
\t... 9 common frames omitted"""
JAVA_PLAIN = """\
Exception in thread "main" java.lang.NullPointerException
\tat com.acme.Main.main(Main.java:3)"""
PYTHON = """\
Traceback (most recent call last):
  File "/app/a.py", line 1, in f
    g()
    ~^^
  File "/app/a.py", line 9, in g
    raise KeyError("x")
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/a.py", line 3, in f
    raise ValueError from None
ValueError: no

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/a.py", line 5, in f
    h()
RuntimeError: three"""
GO = """\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x45]

goroutine 1 [running]:
main.(*Orders).pay(0x0, {0xc000012, 0x5})
\t/app/main.go:7 +0x1d
github.com/acme/shop/v2.Run[...](...)
\t/app/run.go:3
main.main()
\t/app/main.go:3 +0x1a

goroutine 7 [chan receive, 5 minutes]:
net/http.(*conn).serve(0xc0000b2000, {0x6d0ac8, 0xc00007e0c0})
\t/usr/lib/go/src/net/http/server.go:1930 +0x1
created by net/http.(*Server).Serve in goroutine 1
\t/usr/lib/go/src/net/http/server.go:3089 +0x4
exit status 2"""
RUBY = """\
/app/a.rb:1:in `pay': order (RuntimeError)
\tfrom /app/a.rb:7:in `block in run'
\tfrom /app/a.rb:9:in `<main>'"""
RUBY_34 = RUBY.replace("`", "'")
DOTNET = """\
Unhandled exception. System.InvalidOperationException: order
 ---> System.IO.IOException: reset
   at Acme.Client.Send() in /app/Client.cs:line 7
   --- End of inner exception stack trace ---
   at Acme.Orders.Pay() in /app/Orders.cs:line 9
--- End of stack trace from previous location ---
   at Acme.Program.Main() in /app/Program.cs:line 3"""
NODE = """\
TypeError: Cannot read properties of undefined (reading 'x')
    at pay (/app/a.js:7:9)
    at async run (node:internal/main:1:1) {
  code: 'E'"""
NODE_PLAIN = """\
Error: order
    at pay (/app/a.js:7:9)"""
NODE_CODE = """\
Error [ERR_STREAM]: order
    at pay (/app/a.js:7:9)"""
TRACES = {
    "java": JAVA,
    "java plain": JAVA_PLAIN,
    "python": PYTHON,
    "go": GO.rpartition("\n")[0],
    "ruby": RUBY,
    "ruby 3.4": RUBY_34,
    "dotnet": DOTNET,
    "node": NODE,
    "node plain": NODE_PLAIN,
    "node code": NODE_CODE,
}


def records(folder: Path, texts: list[str], **more: Any) -> list[str]:
    folder = Path(tempfile.mkdtemp(dir=folder))
    reader = Filter(install(folder, **more))
    found = reader.lines(folder / "0.log", [cri(text) for text in texts])
    return [each["log"] for each in [*found, *reader.tick(40)]]


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_a_trace_is_one_record(tmp_path: Path, trace: str) -> None:
    lines = trace.split("\n")

    assert records(tmp_path, ["before", *lines, "after", *lines, *lines]) == ["before", trace, "after", trace, trace]


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_no_rule_no_join(tmp_path: Path, trace: str) -> None:
    assert records(tmp_path, trace.split("\n"), multiline=[]) == trace.split("\n")


def test_traces_of_both_streams_are_kept_apart(tmp_path: Path) -> None:
    reader = Filter(install(tmp_path))
    out, err = JAVA.split("\n"), PYTHON.split("\n")
    raws = []
    for number in range(max(len(out), len(err))):
        raws += [cri(out[number], stream="stdout")] if number < len(out) else []
        raws += [cri(err[number], stream="stderr")] if number < len(err) else []

    found = [*reader.lines(tmp_path / "0.log", raws), *reader.tick(40)]

    assert {(each["stream"], each["log"]) for each in found} == {("stdout", JAVA), ("stderr", PYTHON)}
    assert len(found) == 2


@pytest.mark.parametrize(
    "texts",
    [
        ["NoErrors here", "  indented"],
        ["an Exceptional case", "  indented"],
        ["  indented Exception: x", "  indented"],
        ["a Traceback (most recent call last):", "  indented"],
        ["don't panic: x", "\tindented"],
        ["a:1:in x", "\tfrom b"],
        ["{", "  1", "}"],
    ],
)
def test_what_begins_no_trace(tmp_path: Path, texts: list[str]) -> None:
    assert records(tmp_path, texts) == texts


def test_a_trace_ends_at_its_end(tmp_path: Path) -> None:
    assert records(tmp_path, ["Traceback (most recent call last):", "  x", "E: 1", "", "plain"]) == [
        "Traceback (most recent call last):\n  x\nE: 1\n",
        "plain",
    ]
    go = GO.split("\n")
    assert records(tmp_path, [*go[:-1], go[-1], "plain"])[-2:] == ["exit status 2", "plain"]


BLOCK = {"name": "block", "start": [r"^BEGIN"], "continue": [r"^%s", r"^END"]}
START = {"name": "start", "start": [r"^%d%d:%d%d"]}
CONTINUE = {"name": "continue", "continue": [r"^|"]}


@pytest.mark.parametrize(
    ("rule", "texts", "wanted"),
    [
        (BLOCK, ["a", "BEGIN", " x", "END", " y", "b"], ["a", "BEGIN\n x\nEND\n y", "b"]),
        (START, ["lost", "10:00 a", "b", "", "10:01 c", "d"], ["lost", "10:00 a\nb\n", "10:01 c\nd"]),
        (CONTINUE, ["a", "| b", "| c", "d", "e", "| f"], ["a\n| b\n| c", "d", "e\n| f"]),
    ],
)
def test_own_rules(tmp_path: Path, rule: dict[str, Any], texts: list[str], wanted: list[str]) -> None:
    assert records(tmp_path, texts, multiline=[rule["name"]], multiline_rules=[rule]) == wanted


def test_a_record_has_a_size(tmp_path: Path) -> None:
    lines = ["java.lang.Error: x", *["\tat a.B.c(B.java:1)" + "x" * 500] * 20]

    found = records(tmp_path, lines, max_line=4096)

    assert "\n".join(found) == "\n".join(lines)
    assert max(map(len, found)) <= 4096

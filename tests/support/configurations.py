"""Any pipeline.yaml that is right, as hypothesis draws it: every section, with values at and between their limits."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

ODD = " '\"#:%&!|>@`+=~^()é€\U0001f600-_.09azAZ"
"""Signs that mean something to YAML, to Lua's patterns or to strftime, and that a path may have."""
_SECRET = st.sampled_from([{"env": "NAME"}, {"file": "/run/secrets/x y"}])
_NAMES = st.text("abz09.-", min_size=1, max_size=8)
_GLOBS = st.text("abz09.-*", min_size=1, max_size=8)
_BOOLEANS = st.booleans()
_LABELS = st.dictionaries(
    st.sampled_from(["app", "tier", "app.kubernetes.io/name", "a_b", "A.b-c"]),
    st.sampled_from(["", "a", "web-1", "A.b_c", "true"]),
    max_size=2,
)
_PATTERNS = st.sampled_from(
    [r"^\d", r"^\s+at ", r'"\$\d+%\\', "é€", r"(?i)^begin\b", r"^(?:a|b%|\[)", r"[^\x00-\x20]{3}", r"x\.y+$", r"^\^"]
)


def _sizes(least: int, most: int) -> st.SearchStrategy[str]:
    kib = st.integers(-(-least // 1024), most // 1024).map(lambda count: f"{count}KiB")
    return kib | st.sampled_from([f"{least}B", f"{most}B"])


def _durations(least_seconds: int, most_seconds: int) -> st.SearchStrategy[str]:
    whole = st.integers(least_seconds, most_seconds).map(lambda count: f"{count}s")
    return whole | st.sampled_from([f"{least_seconds}s", f"{most_seconds}.0s"])


_DAYS = {"daily": 1, "monthly": 28}


@st.composite
def _family(draw: st.DrawFn, begin: str) -> Json:
    """Index, rotation and retention; `begin` keeps it apart from others."""
    found: Json = {}
    if draw(_BOOLEANS) or len(begin) > 1:
        found["index"] = begin + draw(st.text("abz09._-", max_size=10))
    rotate = draw(st.sampled_from(["daily", "monthly", "never", None]))
    if rotate:
        found["rotate"] = rotate
    if rotate != "never" and draw(_BOOLEANS):
        found["retain"] = draw(_durations(_DAYS[rotate or "daily"] * 86400, 36500 * 86400))
    return found


def _some(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """A map with any of the keys."""
    return st.fixed_dictionaries({}, optional=values)


_SELECTED = {"namespaces": st.lists(_GLOBS, max_size=2), "pods": st.lists(_GLOBS, max_size=2)}
_LOG_SELECTION = _some(**_SELECTED, containers=st.lists(_GLOBS, max_size=2), labels=_LABELS)
_TEXTS = st.lists(st.text(f"*{ODD}", min_size=1, max_size=8).filter(lambda text: text == text.strip()), max_size=2)
_EVENT_SELECTION = _some(namespaces=st.lists(_GLOBS, max_size=2), types=_TEXTS, reasons=_TEXTS, kinds=_TEXTS)
_REPLACE = st.text(ODD, max_size=12)


@st.composite
def _logs(draw: st.DrawFn) -> Json:
    found: Json = {**draw(_family("l")), **draw(_some(
        enabled=st.sampled_from([True, True, True, False]),
        include=_LOG_SELECTION,
        exclude=_LOG_SELECTION,
        metadata=st.sampled_from(["api", "path"]),
        multilineTimeout=_durations(1, 60),
        json=_BOOLEANS,
        level=_BOOLEANS,
        limit=_sizes(2**20, 2**40),
        systemd=st.lists(
            st.text("ab-_.:@%\\0", min_size=1, max_size=8).map(lambda name: f"{name}.service"),
            max_size=2,
        ),
    ))}  # fmt: skip
    own = [
        {"name": f"rule-{at}", **rule}
        for at, rule in enumerate(
            draw(st.lists(_some(**{"start": _PATTERNS, "continue": _PATTERNS}).filter(bool), max_size=2))
        )
    ]
    if own:
        found["multilineRules"] = own
    if draw(_BOOLEANS):
        names = ["java", "python", "go", "ruby", "dotnet", *(rule["name"] for rule in own)]
        found["multiline"] = draw(st.lists(st.sampled_from(names), unique=True))
    presets = draw(
        st.lists(st.sampled_from(["secrets", "personal-data", "jwt", "email", "ipv4"]), unique=True, max_size=2)
    )
    rules = [
        {"name": f"mine-{at}", "pattern": pattern, **({} if replace is None else {"replace": replace})}
        for at, (pattern, replace) in enumerate(draw(st.lists(st.tuples(_PATTERNS, st.none() | _REPLACE), max_size=2)))
    ]
    found["redact"] = draw(st.permutations([*presets, *rules]))
    routes = draw(st.integers(0, 3))
    found["routes"] = [_apart(at, draw(_family(f"r{at}")), draw(_BOOLEANS), draw(_LABELS)) for at in range(routes)]
    return found


def _apart(at: int, family: Json, named: bool, labels: Json) -> Json:
    """A route that claims what no other one does."""
    claim: Json = (
        {"namespaces": [f"n{at}", f"n{at}-*.x"], "labels": labels} if named else {"labels": {f"only{at}": "x"}}
    )
    # Nothing is left to `logs`, with which it might not go together.
    kept = {} if family.get("rotate") == "never" else {"retain": "28d"}
    return {"name": f"route-{at}", **claim, "rotate": "daily", **kept, **family}


@st.composite
def _opensearch(draw: st.DrawFn, pem: tuple[str, str]) -> Json:
    hosts = ["http://h", "https://h:1/p/q", "https://[::1]:9200", "http://a-b.c_d:65535", "https://h"]
    found: Json = {"url": draw(st.sampled_from(hosts)), **draw(_some(
        version=st.sampled_from(["2.11", "2.12", "2.15", "2.19", "3.4", "3.10"]),
        tls=_some(verify=_BOOLEANS, ca=st.just(pem[0])),
        manage=_BOOLEANS,
        compress=_BOOLEANS,
    ))}  # fmt: skip
    kinds: dict[str, st.SearchStrategy[Json]] = {
        "basic": st.fixed_dictionaries({"username": _SECRET, "password": _SECRET}),
        "ssm": st.just({"path": "/a/b.c_d", "region": "eu-west-1"}),
        "sigv4": _some(roleArn=st.just("arn:aws:iam::123456789012:role/a+b=c")).map(
            lambda more: {"region": "us-gov-east-1", **more}
        ),
    }
    if found["url"].startswith("https"):
        kinds["mtls"] = st.just({"cert": pem[0], "key": pem[1]})
    kind = draw(st.none() | st.sampled_from(sorted(kinds)))
    return found | ({"auth": {kind: draw(kinds[kind])}} if kind else {})


@st.composite
def _extra(draw: st.DrawFn) -> Json:
    """Plugins that every Fluent Bit has, in either case; of two inputs at most."""
    upper = draw(_BOOLEANS)

    def cased(plugin: Json) -> Json:
        return {key.upper() if upper else key: value for key, value in plugin.items()}

    tags = [f"mine.{at}" for at in range(draw(st.integers(0, 2)))]
    inputs = [{"name": draw(st.sampled_from(["mem", "dummy", "cpu"])), "tag": tag, "interval_sec": 60} for tag in tags]
    note = draw(st.text(ODD.replace(" ", ""), min_size=1, max_size=8))
    filters = [{"name": "record_modifier", "match": "mine.*", "record": f"note {note}"}] if tags else []
    outputs = [{"name": "null", "match": draw(st.sampled_from(["mine.*", "m*"]))}] if tags else []
    return {"inputs": [*map(cased, inputs)], "filters": [*map(cased, filters)], "outputs": [*map(cased, outputs)]}


def _folders(begin: str) -> st.SearchStrategy[str]:
    return (
        st.text(ODD + "/", max_size=10)
        .map(lambda text: f"/{begin}{text}".rstrip())
        .filter(lambda path: ".." not in path.split("/"))
    )


@st.composite
def configurations(draw: st.DrawFn, certificate: Path | None = None, key: Path | None = None) -> Json:
    """A pipeline.yaml, as data.

    Args:
        draw: Given by hypothesis.
        certificate: What stands for a CA and for a client certificate; names of no file without it.
        key: The certificate's.
    """
    pem = (str(certificate or "/etc/ca.pem"), str(key or "/etc/key.pem"))
    most = draw(st.integers(4, 4096))
    found: Json = {
        "cluster": draw(st.text("abAZ09._:/@-", max_size=12).map(lambda text: f"c{text}")),
        "opensearch": draw(_opensearch(pem)) | {"maxRequest": f"{max(4 * most, 4096)}KiB"},
        "events": {**draw(_family("e")), **draw(_some(
            journal=_sizes(16 * 2**20, 2**40),
            include=_EVENT_SELECTION,
            exclude=_EVENT_SELECTION,
            enrich=_BOOLEANS,
            apiTTL=_durations(60, 86400),
        ))},
        "logs": draw(_logs()) | {"maxLine": f"{most}KiB"},
        "controlPlane": {**draw(_family("p")), **draw(_some(
            types=st.lists(st.sampled_from(["api", "audit", "controllerManager"]), max_size=2),
            logGroup=st.just("/aws/eks/a.b_c#d/cluster"),
            auditLog=st.just("/var/log/kubernetes/audit.log"),
        ))},
        "paths": draw(_some(logs=_folders("l"), state=_folders("s"), run=_folders("r"))),
        "fluentbit": draw(_some(
            version=st.sampled_from(["5.1.1", "5.1.2"]), port=st.integers(1, 2020), extra=_extra()
        )),
        "agent": draw(_some(address=st.sampled_from(["0.0.0.0", "::", "127.0.0.1"]), port=st.integers(2021, 65535))),
    }  # fmt: skip
    if found["logs"].get("enabled", True) and draw(_BOOLEANS):
        found["controlPlane"]["source"] = "node"
    memory = draw(st.integers(16, 512))
    found["buffer"] = {"memory": f"{memory}MiB", "disk": f"{draw(st.integers(max(memory, 64), 10**6))}MiB"}
    found |= draw(_some(
        dashboards=_some(
            url=st.just("https://h/_dashboards"),
            tenant=st.just("a_b-1"),
            auth=st.just({"basic": {"username": {"env": "NAME"}, "password": {"file": "/run/secrets/x y"}}}),
            tls=_some(verify=_BOOLEANS, ca=st.just("/a/b.crt")),
        ),
        alerts=_some(channel=st.fixed_dictionaries({"slack": st.fixed_dictionaries({"url": _SECRET})})),
    ))  # fmt: skip
    return found

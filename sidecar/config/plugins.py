"""Checks of the user's own plugins: they leave this project's pipelines alone, lose nothing silently, hold no secret.

Fluent Bit reads the names of properties whatever their case.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidecar.config.extra import Plugin
from sidecar.config.globs import matches_any, overlap
from sidecar.config.section import Found
from sidecar.config.show import quoted
from sidecar.config.source import Path

OWN_TAGS = ("events", "logs", "fluent-sidecar")
"""What the tags and aliases of this project's own pipelines begin with."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")
_TAG = re.compile(r"[!-#%-z|~]{1,200}\Z")
_NOT_HERE = {
    "match_regex": "is not supported here, because what it takes can't be told; use match",
    "routes": "is not supported here; use tag and match",
}
_SECRET = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|(^|[._-])(pwd|sas)($|[._-])"
    r"|(api|access|account|auth|client|encryption|license|master|private|shared|signing|storage)[._-]?key"
)
_NO_SECRET = re.compile(
    r"([._-](file|path|dir|ttl|ttl_seconds|url|uri|endpoint|command|key|key_name|header|metadata|type|method|format)"
    r"|service_credentials|_seconds)\Z"
)
_SECRET_KEY = re.compile(
    r"(api|access|account|auth|client|encryption|license|master|private|shared|signing|storage)[._-]?key\Z"
)
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_HEADER = re.compile(
    r"\s*(authorization|proxy-authorization|cookie|[a-z0-9-]*(api-?key|token|secret))\b", re.IGNORECASE
)
_CREDENTIALS_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]*@")


def problems(inputs: Sequence[Plugin], filters: Sequence[Plugin], outputs: Sequence[Plugin]) -> Found:
    """What is wrong with the plugins; paths begin at `fluentbit.extra`."""
    found: Found = []
    aliases: dict[str, str] = {}
    for key, plugins in (("inputs", inputs), ("filters", filters), ("outputs", outputs)):
        for at, plugin in enumerate(plugins):
            path = (key, at)
            found += _of_any(path, plugin)
            found += _alias(path, plugin, aliases)
            found += _tag(path, plugin, outputs) if key == "inputs" else _match(path, plugin)
            if key == "filters":
                found += _new_tags(path, plugin, outputs)
    return found


def _of_any(path: Path, plugin: Plugin) -> Found:
    found: Found = list(_values(path, plugin))
    seen: dict[str, str] = {}
    for key in plugin:
        before = seen.setdefault(key.lower(), key)
        if before != key:
            found.append(((*path, key), f"is the same property as {quoted(before)}: case makes no difference"))
        if key.lower() in _NOT_HERE:
            found.append(((*path, key), _NOT_HERE[key.lower()]))
    return found + _text(path, plugin, "name", _NAME, "the name of a plugin")


def _text(path: Path, plugin: Plugin, wanted: str, pattern: re.Pattern[str], what: str) -> Found:
    """What is wrong with a property that must be there, as text without variables."""
    key, value = _property(plugin, wanted)
    if key is None:
        return [((*path, wanted), "is required")]
    if not isinstance(value, str) or not pattern.match(value):
        return [((*path, key), f"expected {what}, without variables and spaces")]
    return []


def _property(plugin: Plugin, name: str) -> tuple[str | None, Any]:
    """The property's key as it is in the file, and its value."""
    return next(((key, value) for key, value in plugin.items() if key.lower() == name), (None, None))


def _alias(path: Path, plugin: Plugin, aliases: dict[str, str]) -> Found:
    key, value = _property(plugin, "alias")
    if key is None:
        return []
    if not isinstance(value, str) or not _NAME.match(value):
        return [((*path, key), "expected a name of letters, digits, '_' and '-'")]
    if value.startswith(OWN_TAGS):
        return [((*path, key), f"{quoted(value)} could be one of this project's own; begin it with something else")]
    if value in aliases:
        return [((*path, key), f"{quoted(value)} is the alias of {aliases[value]} already")]
    aliases[value] = f"{path[0]}[{path[1]}]"
    return []


def _tag(path: Path, plugin: Plugin, outputs: Sequence[Plugin]) -> Found:
    key, tag = _property(plugin, "tag")
    return _text(path, plugin, "tag", _TAG, "a tag") or _tag_problem((*path, key or "tag"), tag, outputs)


def _tag_problem(path: Path, tag: str, outputs: Sequence[Plugin]) -> Found:
    if any(overlap(tag, f"{own}*") for own in OWN_TAGS):
        return [(path, f"{quoted(tag)} could be a tag of this project's own; begin it with something else")]
    taken = (match for output in outputs if isinstance(match := _property(output, "match")[1], str))
    if not matches_any(taken, tag):
        return [(path, f"no output in fluentbit.extra matches {quoted(tag)}: Fluent Bit would delete its records")]
    return []


def _match(path: Path, plugin: Plugin) -> Found:
    if found := _text(path, plugin, "match", _TAG, "a tag, with '*' for any part"):
        return found
    key, match = _property(plugin, "match")
    own = next((own for own in OWN_TAGS if overlap(match, f"{own}*")), None)
    if own is None:
        return []
    text = f"{quoted(match)} could take this project's own records, whose tags begin with {own}; be more exact"
    return [((*path, key or "match"), text)]


def _new_tags(path: Path, plugin: Plugin, outputs: Sequence[Plugin]) -> Found:
    """Tags that a filter gives to records: they go through the whole pipeline again."""
    name = _property(plugin, "name")[1]
    key, rules = _property(plugin, "rule")
    if not isinstance(name, str) or name.lower() != "rewrite_tag" or key is None:
        return []
    found: Found = []
    for at, rule in enumerate(rules if isinstance(rules, list) else [rules]):
        place = (*path, key, at) if isinstance(rules, list) else (*path, key)
        words = rule.split() if isinstance(rule, str) else []
        if len(words) != 4 or not _TAG.match(words[2]) or "*" in words[2]:  # noqa: PLR2004 - key, pattern, tag, keep
            found.append((place, "expected four words: a key, a pattern, a tag without variables, and true or false"))
        else:
            found += _tag_problem(place, words[2], outputs)
    return found


def _values(path: Path, value: Any, key: str = "") -> Iterator[tuple[Path, str]]:
    """What is wrong with the values: those that are missing, and those that should be variables."""
    if value is None:
        yield path, "has no value; give it one, or remove the key"
    elif isinstance(value, Mapping):
        for name, item in value.items():
            # Within a map of, say, headers, the outer key can be the one that tells.
            yield from _values((*path, name), item, name if not _is_secret(key) else key)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _values((*path, at), item, key)
    elif not isinstance(value, bool) and _holds_secret(key, value):
        # The value is not repeated.
        yield path, "a secret is never written in the file; write ${NAME}, a variable of Fluent Bit's environment"


def _is_secret(key: str) -> bool:
    key = key.lower()
    return bool(_SECRET_KEY.search(key)) or (bool(_SECRET.search(key)) and not _NO_SECRET.search(key))


def _holds_secret(key: str, value: Any) -> bool:
    text = str(value)
    if _is_secret(key):
        return not _VARIABLE.fullmatch(text)
    if _VARIABLE.search(text):
        return False
    if _CREDENTIALS_IN_URL.search(text):
        return True
    return key.lower() in {"header", "headers", "add_header"} and bool(_HEADER.match(text))

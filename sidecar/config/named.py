"""Lists of named things: each name once, and none that nobody knows."""

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

from sidecar.config.section import Found
from sidecar.config.show import quoted


def repeated(key: str, names: Sequence[str], *, inner: Sequence[str] = (), taken: Collection[str] = ()) -> Found:
    """Names of a list's items that are there already.

    Args:
        key: Key of the list, below the section that looks.
        names: The names, in the order of the list.
        inner: For each item the key of its name, empty where it is the name; `name` for all where nothing is said.
        taken: Names that are built in.
    """
    found: Found = []
    seen: dict[str, int] = {}
    for at, name in enumerate(names):
        path = (key, at, "name") if not inner else (key, at, inner[at]) if inner[at] else (key, at)
        if name in taken:
            found.append((path, f"{quoted(name)} is built in; choose another name"))
        elif name in seen:
            found.append((path, f"{quoted(name)} is there already, at {key}[{seen[name]}]"))
        seen.setdefault(name, at)
    return found


def unknown(path: tuple[str | int, ...], name: str, known: Iterable[str], what: str) -> Found:
    """A name that is none of those known, with the nearest."""
    names = list(known)
    if name in names:
        return []
    close = get_close_matches(name, names, n=1)
    hint = f'; did you mean "{close[0]}"?' if close else f"; there are {', '.join(names)}"
    return [(path, f"there is no {what} {quoted(name)}{hint}")]

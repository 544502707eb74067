"""Names with `*` for any part: whether one matches a text, and whether two could match the same."""

from collections.abc import Iterable


def matches(glob: str, text: str) -> bool:
    """Whether the glob matches the whole text; in time that grows with their lengths only."""
    first, *rest = glob.split("*")
    if not rest:
        return glob == text
    *middle, last = rest
    end = len(text) - len(last)
    if end < len(first) or not text.startswith(first) or not text.endswith(last):
        return False
    at = len(first)
    for part in middle:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def matches_any(globs: Iterable[str], text: str) -> bool:
    """Whether one of the globs matches the whole text."""
    return any(matches(glob, text) for glob in globs)


def overlap(one: str, other: str) -> bool:
    """Whether some text is matched by both globs."""
    if "*" not in one:
        return matches(other, one)
    if "*" not in other:
        return matches(one, other)
    # What is before the first star, and what is behind the last, decides: the rest can be written one after the other,
    # because a star of each takes whatever the other asks for.
    return _one_begins(one[: one.index("*")], other[: other.index("*")]) and _one_begins(
        one[: one.rindex("*") : -1], other[: other.rindex("*") : -1]
    )


def _one_begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def prefix(glob: str) -> str:
    """What every text that the glob matches begins with."""
    return glob.partition("*")[0]

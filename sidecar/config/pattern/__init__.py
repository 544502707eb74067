"""Regular expressions in pipeline.yaml: the subset that Lua's patterns can express, in linear time.

`check_pattern` and `check_replacement` are for the models; `sequences` is what sidecar.render.patterns translates.
"""

from sidecar.config.pattern.cost import check_cost
from sidecar.config.pattern.expand import expand
from sidecar.config.pattern.parser import Parser
from sidecar.config.pattern.replacement import groups, parse_replacement
from sidecar.config.pattern.tree import Element, Group

__all__ = ["check_pattern", "check_replacement", "parse", "parse_replacement", "sequences"]


def parse(text: str) -> Group:
    """A pattern as a tree.

    Raises:
        ValueError: `column N: what can't be done; what to write instead`. It repeats parts of the pattern.
    """
    return Parser(text).parse()


def sequences(text: str) -> tuple[tuple[Element, ...], ...]:
    """A pattern as what to look for one after another, without alternatives; checked.

    Raises:
        ValueError: As `parse`; and if the pattern can match no characters, or takes more than linear time.
    """
    found = expand(parse(text))
    for sequence in found:
        check_cost(sequence)
    return found


def check_pattern(text: str) -> str:
    """The pattern, if it can be translated.

    Raises:
        ValueError: As `sequences`.
    """
    sequences(text)
    return text


def check_replacement(replace: str, pattern: str) -> str:
    r"""The replacement, if `\1` to `\9` in it name groups of the pattern.

    Raises:
        ValueError: If they don't, a backslash means nothing, or the pattern is wrong.
    """
    known = groups(parse(pattern))
    for part in parse_replacement(replace):
        if isinstance(part, int) and part not in known:
            raise ValueError(
                f"\\{part} names no group of the pattern, which has {len(known)}; write \\\\ for a backslash"
            )
    return replace

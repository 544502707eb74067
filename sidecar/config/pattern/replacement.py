r"""What a match is replaced with: text, and `\1` to `\9` for what the pattern's groups captured."""

import re

from sidecar.config.pattern.tree import Group, Node

_PART = re.compile(r"\\([1-9])|\\\\|[^\\]+|\\")


def parse_replacement(text: str) -> tuple[str | int, ...]:
    r"""`\1***` -> (1, "***"); a backslash is written twice.

    Raises:
        ValueError: If a backslash stands before anything else.
    """
    parts: list[str | int] = []
    for match in _PART.finditer(text):
        if match[0] == "\\":
            raise ValueError(
                f"column {match.start() + 1}: a backslash means nothing here; write \\1 to \\9 for a group, or \\\\"
            )
        parts.append(int(match[1]) if match[1] else "\\" if match[0] == "\\\\" else match[0])
    return tuple(parts)


def groups(tree: Group) -> frozenset[int]:
    """The numbers of all groups that capture."""

    def inner(node: Node) -> frozenset[int]:
        if not isinstance(node, Group):
            return frozenset()
        found = frozenset().union(*(inner(child) for branch in node.branches for child in branch))
        return found | {node.number} if node.number else found

    return inner(tree)

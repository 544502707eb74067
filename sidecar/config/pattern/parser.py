"""Reading a regular expression of the subset; what is outside is refused with its column and a way out."""

import re
from dataclasses import replace
from typing import Literal

from sidecar.config.pattern import byteset
from sidecar.config.pattern.charclass import escaped, read_class
from sidecar.config.pattern.tree import Anchor, Boundary, Group, Item, Node, refuse

MOST_CHARACTERS = 2000
MOST_REPEATS = 255
_MOST_NESTED = 16

_QUANTIFIER = re.compile(r"[*+?]|\{([0-9]{1,6})(,([0-9]{0,6}))?\}")
_COUNT = re.compile(r"\{[0-9,]")

_FORMS = {
    "(?=": ("a lookahead can't be translated", "match what follows too, and keep it by a group and \\1"),
    "(?<=": ("a lookbehind can't be translated", "match what stands before too, and keep it by a group and \\1"),
    "(?P": ("a named group can't be translated", "write (...)"),
    "(?<": ("a named group can't be translated", "write (...)"),
    "(?>": ("an atomic group can't be translated", "write (?:...)"),
    "(?#": ("a comment can't be translated", "leave it out"),
    "(?(": ("a condition can't be translated", "write the two cases as alternatives, a|b"),
    "(?|": ("a branch reset can't be translated", "write (?:...)"),
    "(?s": ("the flag s is unknown here", "write [\\s\\S] for any character, newlines too"),
    "(?m": (
        "the flag m is unknown here",
        "^ and $ are the start and the end of the whole text; write \\n for a newline",
    ),
    "(?x": ("the flag x is unknown here", "leave out what is not part of the pattern"),
    "(?": ("this kind of group is unknown here", "write (...), (?:...) or, at the very start, (?i)"),
}


class Parser:
    """One reading of one pattern."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._groups = 0
        self._nested = 0
        self._fold = False

    def parse(self) -> Group:
        """The whole pattern.

        Raises:
            ValueError: If it is outside the subset.
        """
        self._check_characters()
        if self._text.startswith("(?i)"):
            self._fold = True
            self._at = len("(?i)")
        branches = self._branches()
        if self._at < len(self._text):
            refuse(self._at + 1, "this `)` closes no group", "write \\) for the character")
        return Group(branches, 0, 1)

    def _check_characters(self) -> None:
        if not self._text:
            raise ValueError("a pattern can't be empty; write what it shall match")
        if len(self._text) > MOST_CHARACTERS:
            raise ValueError(f"a pattern has at most {MOST_CHARACTERS} characters; write several")
        for column, char in enumerate(self._text, start=1):
            if char == "\0":
                refuse(column, "a pattern can't hold a NUL", "write \\x00")
            if "\ud800" <= char <= "\udfff":
                refuse(column, "half of a surrogate pair is no character", "write the character itself")

    def _rest(self, prefix: str) -> bool:
        return self._text.startswith(prefix, self._at)

    def _branches(self) -> tuple[tuple[Node, ...], ...]:
        branches = [self._branch()]
        while self._rest("|"):
            self._at += 1
            branches.append(self._branch())
        return tuple(branches)

    def _branch(self) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            nodes.extend(self._repeated(self._atom()))
        return tuple(nodes)

    def _atom(self) -> tuple[Node, ...]:
        column, char = self._at + 1, self._text[self._at]
        if char in "*+?" or _COUNT.match(self._text, self._at):
            refuse(column, f"`{char}` has nothing to repeat", f"write \\{char} for the character")
        if char == "(":
            return (self._parenthesis(),)
        if char == "[":
            end, chars = read_class(self._text, self._at)
            return (self._item(chars, end),)
        if char == "\\":
            return (self._escape(),)
        if char == ".":
            return (self._item(byteset.inverse(byteset.NEWLINE), column),)
        if char in "^$":
            self._at += 1
            return (Anchor("^" if char == "^" else "$", column),)
        encoded = char.encode()
        self._at += 1
        return tuple(self._literal(byte, char, column) for byte in encoded)

    def _literal(self, byte: int, char: str, column: int) -> Item:
        chars = 1 << byte
        return Item(byteset.folded(chars) if self._fold else chars, char, column)

    def _item(self, chars: int, end: int) -> Item:
        start, self._at = self._at, end
        text = self._text[start:end]
        # A class is folded before it is negated, so [^a] under (?i) leaves out both cases (read_class did the rest).
        return Item(self._folded_class(chars, text), text, start + 1)

    def _folded_class(self, chars: int, text: str) -> int:
        if not self._fold:
            return chars
        if text.startswith("[^"):
            return byteset.inverse(byteset.folded(byteset.inverse(chars)))
        return byteset.folded(chars)

    def _escape(self) -> Node:
        column = self._at + 1
        if self._rest("\\b"):
            self._at += 2
            return Boundary("word", byteset.WORD, "\\b", column)
        end, chars = escaped(self._text, self._at)
        return self._item(chars, end)

    def _parenthesis(self) -> Node:
        column = self._at + 1
        if self._rest("(?<!"):
            return self._lookaround("(?<!", "not-before")
        if self._rest("(?!"):
            return self._lookaround("(?!", "not-after")
        if self._rest("(?i"):
            refuse(column, "(?i) can only stand at the very start", "begin the pattern with it, it then holds for all")
        number = 0
        if self._rest("(?:"):
            self._at += len("(?:")
        elif self._rest("(?"):
            refuse(column, *next(reason for form, reason in _FORMS.items() if self._rest(form)))
        else:
            self._at += 1
            self._groups += 1
            number = self._groups
        return self._group(number, column)

    def _group(self, number: int, column: int) -> Group:
        self._nested += 1
        if self._nested > _MOST_NESTED:
            refuse(column, f"groups nest at most {_MOST_NESTED} deep", "leave out what is not needed")
        branches = self._branches()
        self._nested -= 1
        self._close(column)
        return Group(branches, number, column)

    def _close(self, column: int) -> None:
        if not self._rest(")"):
            refuse(column, "this group is never closed", "write \\( for the character")
        self._at += 1

    def _lookaround(self, opening: str, kind: Literal["not-before", "not-after"]) -> Boundary:
        column = self._at + 1
        start = self._at
        self._at += len(opening)
        found = self._atom() if self._at < len(self._text) and self._text[self._at] not in "|)" else ()
        if len(found) != 1 or not isinstance(found[0], Item) or not self._rest(")"):
            refuse(column, f"`{opening}` can hold one character or class only", f"write, say, {opening}[\\w-])")
        self._close(column)
        return Boundary(kind, found[0].chars, self._text[start : self._at], column)

    def _repeated(self, found: tuple[Node, ...]) -> tuple[Node, ...]:
        match = _QUANTIFIER.match(self._text, self._at)
        if not match:
            if _COUNT.match(self._text, self._at):
                refuse(self._at + 1, "this is no count", "write {n}, {n,} or {n,m}, or \\{ for the character")
            return found
        column = self._at + 1
        item = self._repeatable(found, match[0], column)
        self._at = match.end()
        least, most = _bounds(match, column)
        lazy = self._suffix(match[0], most)
        if _QUANTIFIER.match(self._text, self._at) or _COUNT.match(self._text, self._at):
            refuse(self._at + 1, "a repetition can't be repeated", "write one count")
        text = self._text[item.column - 1 : self._at]
        return (replace(item, text=text, least=least, most=most, lazy=lazy),)

    @staticmethod
    def _repeatable(found: tuple[Node, ...], quantifier: str, column: int) -> Item:
        if len(found) > 1:
            refuse(column, f"`{quantifier}` after a character outside ASCII can't be translated", "repeat it by hand")
        node = found[0]
        if isinstance(node, Group):
            instead = "write a class, as in [ab]*, the group several times, or the cases as alternatives, (?:|ab|abab)"
            refuse(column, f"`{quantifier}` after a group can't be translated", instead)
        if not isinstance(node, Item):
            refuse(column, f"`{quantifier}` after what matches no character can't be translated", "leave it out")
        return node

    def _suffix(self, quantifier: str, most: int | None) -> bool:
        column = self._at + 1
        if self._rest("+"):
            refuse(column, "a possessive repetition can't be translated", "leave out the second `+`")
        if not self._rest("?"):
            return False
        if most is not None:
            refuse(column, f"`{quantifier}?` can't be translated", f"write {quantifier}, *?, +? or {{n,}}?")
        self._at += 1
        return True


def _bounds(match: re.Match[str], column: int) -> tuple[int, int | None]:
    simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
    if match[0] in simple:
        return simple[match[0]]
    least = int(match[1])
    most = least if match[2] is None else int(match[3]) if match[3] else None
    if max(least, most or 0) > MOST_REPEATS:
        refuse(column, f"a count is at most {MOST_REPEATS}", f"write {{{min(least, MOST_REPEATS)},}}, without a limit")
    if most is not None and (most < least or not most):
        refuse(column, f"{match[0]} matches nothing", "write the smaller number first, and at least 1 as the second")
    return least, most

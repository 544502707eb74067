r"""Whether a pattern's time is linear in the length of the text, whatever the text is.

Lua's matcher goes back like any other that has no automaton. On one core, `\w+@` took 28 s for 64 KiB of letters
(it starts anew at every letter), and would take two hours for 1 MiB; all pods of the node wait meanwhile. So a pattern
is accepted only if each byte is looked at a bounded number of times. Three things make that untrue:

- a repetition that may give characters back to what follows, while another repetition comes later: `.*a.*b`;
- a repetition within whose run the pattern can begin again: `\w+@`, `a.*b`;
- many optional characters, which double the ways: `a{0,20}b`.

What follows the last thing that can fail is free: it is never tried twice.
"""

from dataclasses import dataclass
from typing import Literal

from sidecar.config.pattern import byteset
from sidecar.config.pattern.tree import Anchor, Element, Frontier, Item, Mark, refuse

MOST_STEPS = 256
"""How many characters of a pattern may be tried at one place of the text; 256 take two seconds for 1 MiB."""

MOST_QUANTIFIERS = 190
"""LuaJIT's matcher calls itself for each quantifier, 200 deep at most; a few are left to the captures."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What the matcher does: one byte, maybe one, any number of them, or a look at the place (`edge`)."""

    kind: Literal["one", "maybe", "many", "edge"]
    chars: int
    item: Item | None = None


def check_cost(sequence: tuple[Element, ...]) -> None:
    """Refuses a sequence that matches nothing at all, or whose time isn't linear.

    Raises:
        ValueError: With the part to blame, and what to write instead.
    """
    steps = _steps(sequence)
    if not any(step.kind == "one" for step in steps):
        refuse(1, "the pattern, or one of its alternatives, can match no characters at all", "write + instead of *")
    anchored = any(isinstance(part, Anchor) and part.kind == "^" for part in sequence)
    costly = [place for place, step in enumerate(steps) if step.kind == "many" and _can_fail(steps, place)]
    for place in costly:
        if place != costly[-1] and not _is_closed(steps, place):
            _refuse_reach(steps, place)
        if not anchored and _starts_within(steps, place):
            _refuse_restart(steps, place)
    _check_steps(steps)


def _steps(sequence: tuple[Element, ...]) -> list[_Step]:
    steps: list[_Step] = []
    for part in sequence:
        if isinstance(part, Frontier):
            steps.append(_Step("edge", part.chars))
        elif isinstance(part, Anchor) and part.kind == "$":
            steps.append(_Step("edge", 0))
        elif isinstance(part, Item):
            steps += [_Step("one", part.chars, part)] * part.least
            if part.most is None:
                steps.append(_Step("many", part.chars, part))
            else:
                steps += [_Step("maybe", part.chars, part)] * (part.most - part.least)
        elif isinstance(part, Mark):
            continue
    return steps


def _can_fail(steps: list[_Step], place: int) -> bool:
    return any(step.kind in {"one", "edge"} for step in steps[place + 1 :])


def _is_closed(steps: list[_Step], place: int) -> bool:
    """Whether the rest can go on from only a few places of the run: it needs a byte that the run doesn't have."""
    chars = steps[place].chars
    for step in steps[place + 1 :]:
        if step.kind == "many" and step.chars & chars:
            return False
        if step.kind in {"one", "edge"} and not step.chars & chars:
            return True
    return True


def _starts_within(steps: list[_Step], place: int) -> bool:
    """Whether the pattern may begin in the midst of the run, and come to this repetition again."""
    chars = steps[place].chars
    if steps[0].kind == "edge" and not chars & ~steps[0].chars:
        return False
    return all(step.chars & chars for step in steps[:place] if step.kind == "one")


def _doubles(steps: list[_Step], place: int) -> bool:
    """Whether both ways of an optional character may lead on."""
    if not _can_fail(steps, place):
        return False
    for step in steps[place + 1 :]:
        if step.chars & steps[place].chars:
            return True
        if step.kind in {"one", "edge"}:
            return False
    return False


def _check_steps(steps: list[_Step]) -> None:
    ways = tried = 1
    for place, step in enumerate(steps):
        tried += ways
        ways *= 2 if step.kind == "maybe" and _doubles(steps, place) else 1
        if tried > MOST_STEPS:
            item = next(found for found in (step.item, *(other.item for other in steps)) if found)
            instead = "write {n,}, + or * for a large or open count, or fewer characters"
            refuse(
                item.column, f"from `{item.text}` on, there are over {MOST_STEPS} ways to try at each place", instead
            )
    quantifiers = [step for step in steps if step.kind in {"maybe", "many"}]
    if len(quantifiers) > MOST_QUANTIFIERS and quantifiers[-1].item:
        item = quantifiers[-1].item
        refuse(item.column, f"more than {MOST_QUANTIFIERS} optional characters can't be translated", "write * or +")


def _refuse_reach(steps: list[_Step], place: int) -> None:
    item = steps[place].item
    assert item
    what = f"`{item.text}` can give back what it took while a later repetition runs, which takes minutes on a long line"
    refuse(item.column, what, "use a class without the character that ends it, as in [^;]*;, or leave out the rest")


def _refuse_restart(steps: list[_Step], place: int) -> None:
    item = steps[place].item
    assert item
    before = [step for step in steps[:place] if step.kind == "one" and step.item is not item]
    what = f"the pattern can begin again within `{item.text}`, so that a long line takes minutes"
    refuse(item.column, what, _way_out(before, item))


def _way_out(before: list[_Step], item: Item) -> str:
    codes = [code for step in before if (code := byteset.single(step.chars)) is not None and code < 128]  # noqa: PLR2004 - ASCII
    signs = [code for code in codes if not byteset.WORD & 1 << code]
    if signs or codes:
        sign = chr((signs or codes)[-1])
        shown = sign if sign.isprintable() else f"\\x{ord(sign):02x}"
        return f"take `{shown}`, which stands before it, out of its characters, or leave out what follows it"
    if item.chars & byteset.NUL:
        return "leave it out, or begin with ^: a match may begin anywhere"
    members = item.text.rstrip("*+?") if "{" not in item.text else item.text[: item.text.rindex("{")]
    return f"begin the pattern with (?<!{members}), or leave out what follows it"

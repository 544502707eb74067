"""What users wrote -> text that people can look at, and nothing obeys. Pure."""

import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_OTHERS = rf"\u2028\u2029\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff{_BIDI}"
_UNSEEN = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_OTHERS}]")
"""Controls, marks that turn the direction of what follows, and halves of characters; not tabs and line ends."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]{0,60}m")
_RETURN = re.compile(rf"(?<!\r)\r+((?:{_COLOUR.pattern})*)\Z")
"""Before the end of a line, where it does nothing."""
_NO_COLOUR = "\x1b[0m"


def written_out(text: str) -> str:
    r"""A text in which what can't be seen is written out, such as `\x1b` or `\u202e`; tabs and line ends stay."""
    return _UNSEEN.sub(lambda found: _escaped(found[0]), text)


def one_line(text: str) -> str:
    """A text as a cell: without line breaks. See `written_out`."""
    return written_out(" ".join(text.split()))


def for_terminal(line: str) -> str:
    """A line that a terminal shows in its colours, which end with it; of all else see `written_out`.

    It is for lines that a program wrote to be looked at: its colours are told by what is called SGR, which moves
    nothing, hides no other line, and makes no terminal answer.
    """
    line = _RETURN.sub(r"\1", line)
    parts, colours = _COLOUR.split(line), _COLOUR.findall(line)
    shown = "".join(part for pair in zip(map(written_out, parts), [*colours, ""], strict=True) for part in pair)
    return f"{shown}{_NO_COLOUR}" if colours and not shown.endswith(_NO_COLOUR) else shown


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - the last of one byte

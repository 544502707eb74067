"""Numbers that are written as texts. Pure."""

_DIGITS = 40
"""More than any resourceVersion has; Python refuses to read thousands of them."""


def whole_number(text: object) -> int:
    """The number that a text is; 0 where it is none."""
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) <= _DIGITS else 0

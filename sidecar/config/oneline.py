"""A secret as text. No model: a Lambda function, which has no pydantic, reads secrets too."""

from sidecar.errors import SecretError

MAX_BYTES = 64 * 1024
"""Of a secret."""
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def one_line(raw: bytes, where: str) -> str:
    """A secret as text.

    Raises:
        SecretError: It is empty, too long, or not one line of text; `where` says which.
    """
    if not raw:
        raise SecretError(f"{where} is empty")
    if len(raw) > MAX_BYTES:
        raise SecretError(f"{where} is larger than {MAX_BYTES // 1024} KiB")
    try:
        value = raw.decode()
    except UnicodeDecodeError:
        raise SecretError(f"{where} is not UTF-8 text") from None
    if any(character in value for character in "\n\r\0"):
        raise SecretError(f"{where} holds more than one line of text")
    if value.startswith(_BYTE_ORDER_MARK):
        raise SecretError(f"{where} begins with a byte order mark", hint="an editor put it there: save it without one")
    return value

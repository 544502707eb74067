"""The passwords that tests use: each holds a text by which the whole suite looks for secrets where none may be."""

MARKER = "Gr3pAb1eS3cr3t"
"""In every secret of the tests, and nowhere else."""


def secret(name: str) -> str:
    """A password, or a part of one, that is found again wherever it shows up."""
    return f"{MARKER}-{name}"


ADMIN_PASSWORD = secret("admin")
"""Of the administrator of `tests.support.secureserver`, which holds its hash."""

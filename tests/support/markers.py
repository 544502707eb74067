"""The passwords that tests use: each holds a text by which the whole suite looks for secrets where none may be."""

MARKER = "Gr3pAb1eS3cr3t"
"""In every secret of the tests that goes anywhere, and nowhere else."""

MARKERS = (MARKER, "hunter2")
"""All by which a secret is known; the second stands for one in the wrong place of pipeline.yaml."""


def secret(name: str) -> str:
    """A password, or a part of one, that is found again wherever it shows up."""
    return f"{MARKER}-{name}"


ADMIN_PASSWORD = secret("admin")
"""Of the administrator of `tests.support.secureserver`, which holds its hash."""

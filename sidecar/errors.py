"""Every error that the project raises on purpose.

    SidecarError                    what went wrong, and what to do about it; exit code 1
    ├── ConfigError                 pipeline.yaml is not right: all its problems at once; exit code 2
    ├── SecretError                 a referenced secret can't be read; exit code 2
    ├── InputError                  what was asked for on the command line can't be understood; exit code 2
    ├── RenderError                 the rendered files can't be written or are not up to date
    ├── OpenSearchError             the link to OpenSearch: unreachable, refused, or an odd answer
    │   └── OpenSearchUnavailable   ... and trying again later may help
    ├── KubernetesError             the link to the API server: unreachable, refused, or an odd answer
    │   ├── KubernetesUnavailable   ... and trying again later may help
    │   ├── ResourceExpired         410: the resourceVersion asked for is no longer kept; list again
    │   ├── ResourceMissing         404: there is no such object
    │   └── ResourceConflict        409: somebody else has changed or made the object meanwhile
    ├── AwsError                    the link to AWS: unreachable, refused, or no credentials
    ├── PayloadError                what CloudWatch Logs handed over can't be read
    ├── UndeliveredError            OpenSearch did not take all control-plane logs of a delivery in time
    ├── JournalError                the journal's folder can't be written or read
    └── DemoError                   a part of the demonstration can't be had or started

Errors of a library never leave the package that imports it: they are chained to one of these.
No message, and no `repr`, holds a secret.
"""

from dataclasses import dataclass


class SidecarError(Exception):
    """Something the user can act on.

    Args:
        what: Which link or file, and what happened, in one line.
        hint: What to do about it, in one line; empty where nothing but waiting helps.
    """

    exit_code = 1

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} ({self.hint})" if self.hint else self.what


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a file.

    `line` and `column` count from 1; both are 0 for what concerns the file as a whole.
    """

    line: int
    column: int
    path: str
    text: str

    def located(self, file: str) -> str:
        """The problem as compilers write it: `file:line:column: path: text`."""
        place = f"{file}:{self.line}:{self.column}" if self.line else file
        return f"{place}: {self.path}: {self.text}" if self.path else f"{place}: {self.text}"


_MOST_PROBLEMS = 100


class ConfigError(SidecarError):
    """pipeline.yaml can't be used; `problems` has every reason, in the order of the file."""

    exit_code = 2

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = sorted(problems)
        shown = [problem.located(file) for problem in self.problems[:_MOST_PROBLEMS]]
        more = len(self.problems) - len(shown)
        super().__init__("\n".join([*shown, *([f"{file}: {more} more problems"] if more else [])]))


class SecretError(SidecarError):
    """A secret that pipeline.yaml refers to can't be read."""

    exit_code = 2


class InputError(SidecarError):
    """What was asked for can't be understood: a time, the name of an object, a format."""

    exit_code = 2


class RenderError(SidecarError):
    """The rendered files can't be written, or are not what pipeline.yaml says."""


class OpenSearchError(SidecarError):
    """OpenSearch refused, or answered what it should not."""


class OpenSearchUnavailable(OpenSearchError):  # noqa: N818 - it is a state, and reads better so
    """OpenSearch can't be reached or is overloaded: try again later."""


class KubernetesError(SidecarError):
    """The API server refused, or answered what it should not.

    Attributes:
        status: The HTTP status; 0 where there was no answer.
        retry_after: For how many seconds the server wants to be left alone; None where it doesn't say.
    """

    status: int = 0
    retry_after: float | None = None


class KubernetesUnavailable(KubernetesError):  # noqa: N818 - it is a state, and reads better so
    """The API server can't be reached or is overloaded: try again later."""


class ResourceExpired(KubernetesError):  # noqa: N818 - the API's own word
    """410 Gone: the resourceVersion or the continue token is no longer kept.

    Attributes:
        token: A `continue` token by which a list may go on, though it is no longer of one moment; empty elsewhere.
    """

    def __init__(self, what: str, *, hint: str = "", token: str = "") -> None:
        super().__init__(what, hint=hint)
        self.token = token


class ResourceMissing(KubernetesError):  # noqa: N818 - it is a state, and reads better so
    """404: there is no such object."""


class ResourceConflict(KubernetesError):  # noqa: N818 - it is a state, and reads better so
    """409: somebody else has changed or made the object meanwhile."""


class AwsError(SidecarError):
    """AWS can't be asked, or refused."""


class PayloadError(SidecarError):
    """What CloudWatch Logs handed over, or a file of it, can't be read; `exit_code` 2."""

    exit_code = 2


class UndeliveredError(SidecarError):
    """Some control-plane logs of a delivery are not in OpenSearch yet: what handed them over must do so again."""


class JournalError(SidecarError):
    """The journal's folder can't be written or read."""


class DemoError(SidecarError):
    """A part of the demonstration can't be had or started."""

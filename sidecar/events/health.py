"""Whether collecting gets anywhere: how long it has failed, and how long to wait before the next attempt."""

import time

from sidecar.kube.backoff import Backoff

_LIVES_SECONDS = 5.0
"""A watch that has been open for as long is one."""


class Health:
    """What the collector's thread tells, and others ask.

    Attributes:
        backoff: The delays between attempts.
    """

    def __init__(self) -> None:
        self.backoff = Backoff()
        self._link = ""
        self._since: float | None = None
        self._opened: float | None = None

    def opened(self) -> None:
        """A watch was opened."""
        self._opened = time.monotonic()

    def closed(self) -> None:
        """It has ended, however."""
        self._opened = None

    def succeeded(self) -> None:
        """Something came, or a watch lived for a while."""
        self.backoff.succeeded()
        self._since = None

    def failed(self, link: str) -> float:
        """A link failed; the seconds to wait now."""
        self._link = link
        self._since = self._since or time.monotonic()
        return self.backoff.failed()

    @property
    def failing(self) -> tuple[str, float]:
        """Which link (`kubernetes`, `journal`) answers nothing of use, and for how many seconds; 0: all is well."""
        now, since, opened = time.monotonic(), self._since, self._opened
        well = since is None or (opened is not None and now - opened >= _LIVES_SECONDS)
        return self._link, 0.0 if well or since is None else now - since

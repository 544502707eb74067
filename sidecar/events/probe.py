"""The state of a quiet cluster, for which Events have no bookmarks."""

import logging
import threading
import time
from collections.abc import Callable

from sidecar.errors import KubernetesError
from sidecar.events.following import Position

log = logging.getLogger(__name__)

_LATE_SECONDS = 2.0
"""So much later than another request's answer a change may be shown."""


class Probe:
    """Asks once, after some seconds, for the state of the cluster.

    A watch that was silent from before the question until well after the answer, and then ended in order, has shown
    all that is older than the answer: the next one may go on from there. Without this the resourceVersion of a quiet
    cluster would be compacted away, and each watch end in a list. Who was stopped or starved in between can't tell.
    """

    def __init__(self, ask: Callable[[], Position], seconds: float) -> None:
        self._ask_head = ask
        self._head: Position | None = None
        self._asked = self._answered = 0.0
        self._timer = threading.Timer(seconds, self._ask)
        self._timer.daemon = True
        self._timer.start()

    def head(self, silent_since: float, ended: float) -> Position | None:
        """The state, if a watch that was silent between these two (monotonic seconds) has shown all of it."""
        head = self._head
        return head if head and self._asked >= silent_since and self._answered <= ended - _LATE_SECONDS else None

    def cancel(self) -> None:
        """Don't ask any more."""
        self._timer.cancel()

    def _ask(self) -> None:
        self._asked = time.monotonic()
        try:
            head = self._ask_head()
        except KubernetesError as error:
            log.debug("no fresh resourceVersion: %s", error)
        else:
            self._answered = time.monotonic()
            self._head = head

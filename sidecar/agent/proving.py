"""Whether what is in force has worked with Fluent Bit; what has is kept for the next start."""

import logging
import time
from pathlib import Path

from sidecar.agent.configfile import Loaded
from sidecar.agent.fluentbit import FluentBit
from sidecar.agent.laststate import LastState
from sidecar.agent.opens import Opens
from sidecar.agent.probation import Probation
from sidecar.render.layout import Layout

log = logging.getLogger(__name__)


class Proving:
    """Watches a Fluent Bit that is to start with something new.

    Args:
        state: Has what worked before.
        fluent_bit: The Fluent Bit; None where there is none, and everything is taken to work.
    """

    def __init__(self, state: LastState, fluent_bit: FluentBit | None) -> None:
        self._state = state
        self._fluent_bit = fluent_bit
        self._loaded: Loaded | None = None
        self._probation: Probation | None = None
        self._opens: Opens | None = None

    @property
    def proven(self) -> bool:
        """Whether what is in force has worked."""
        return self._probation is None

    def begin(self, loaded: Loaded) -> None:
        """Another configuration is in force; its files are where Fluent Bit reads them."""
        self.stop()
        self._loaded = loaded
        if self._fluent_bit is None:
            self._keep()
        elif self._state.good() != loaded.text:
            self._probation = Probation()
            self._opens = Opens(Path(Layout.of(loaded.config).fluent_bit_file))

    def reworded(self, loaded: Loaded) -> None:
        """The file is another one, and means the same."""
        self._loaded = loaded
        if self.proven:
            self._keep()

    def done(self) -> None:
        """It works."""
        self.stop()
        self._keep()

    def failure(self) -> str:
        """Look once: why Fluent Bit does not work with it, once that is clear; else empty."""
        if self._probation is None or self._fluent_bit is None:
            return ""
        read = self._opens is not None and self._opens.seen()
        self._probation.take(time.monotonic(), self._fluent_bit.look(), read=read)
        reason = self._probation.reason
        if self._probation.well:
            self.done()
        return reason

    def stop(self) -> None:
        """Look no more."""
        self._probation = None
        if self._opens:
            self._opens.close()
            self._opens = None

    def _keep(self) -> None:
        assert self._loaded is not None
        try:
            self._state.keep_good(self._loaded.text)
        except OSError as error:
            log.warning("the configuration that works can't be kept for the next start: %s", error)

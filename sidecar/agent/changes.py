"""What becomes of a changed pipeline.yaml: it takes effect, or the last one that worked stays, or comes back."""

import logging
import shutil
import threading
import time

from sidecar.agent.configfile import Loaded, digest, pinned, same
from sidecar.agent.first import INSTEAD, First, note_unused, usable
from sidecar.agent.inforce import InForce
from sidecar.agent.laststate import LastState
from sidecar.agent.proving import Proving
from sidecar.agent.reloads import Reloads
from sidecar.agent.switch import switch
from sidecar.agent.telling import Telling
from sidecar.agent.trial import verify
from sidecar.agent.verdict import Verdict
from sidecar.errors import ConfigError, SidecarError

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 30.0
_FLUENT_BIT = "fluent-bit"


class Changes:
    """Takes one content of the file after the other; all from one thread.

    Args:
        file: Its path, for messages.
        now: What is in force.
        telling: Says what happened.
        state: Has the last one that worked.
        reloads: Reloads Fluent Bit; None where there is none.
        stopping: Ends whatever takes time.
    """

    def __init__(
        self,
        file: str,
        now: InForce,
        telling: Telling,
        state: LastState,
        reloads: Reloads | None,
        *,
        stopping: threading.Event,
    ) -> None:
        self._name = file
        self._now = now
        self._telling = telling
        self._state = state
        self._reloads = reloads
        self._stopping = stopping
        self.proving = Proving(state, reloads.fluent_bit if reloads else None)
        self._bad = state.rejected()
        self._again: tuple[float, str] | None = None

    def start(self, first: First) -> None:
        """Begin.

        Raises:
            SidecarError: It can't begin, nor with the last one that worked.
        """
        loaded = first.loaded
        try:
            self._now.begin(loaded, self._now.parts(loaded.config))
        except SidecarError as error:
            good = self._other_good(loaded)
            if good is None:
                raise
            try:
                self._now.begin(good, self._now.parts(good.config))
            except SidecarError:
                raise error from None  # what is wrong is not in pipeline.yaml
            self._postpone(loaded.text, error)
        if first.problem:
            self._telling.bad(first.kind, first.problem)
        self.proving.begin(self._now.loaded)

    def _other_good(self, bad: Loaded) -> Loaded | None:
        """The last one that worked, if it is another one and can be used, as far as it can take effect in this pod."""
        text = self._state.good()
        if text is None or text == bad.text:
            return None
        try:
            config, _ = pinned(usable(text, "the last configuration that worked").config, bad.config)
        except SidecarError as error:
            log.warning("the last configuration that worked can't be used: %s", error)
            return None
        return Loaded(text, config)

    def try_again(self) -> None:
        """Try what could not be applied again, when it is time."""
        if self._again is not None and time.monotonic() >= self._again[0]:
            text, self._again = self._again[1], None
            self._consider(text)

    def take(self, found: str | ConfigError) -> None:
        """Take in what the file says now, or why it can't be read."""
        self._again = None
        self._telling.fresh()
        if isinstance(found, ConfigError):
            self._refuse("invalid", str(found))
        elif found == self._now.loaded.text:
            self._telling.valid()
        elif (known := self._bad.get(digest(found))) is not None:
            self._telling.bad("rejected", known)
        else:
            self._consider(found)

    def _consider(self, text: str) -> None:
        try:
            wanted = usable(text, self._name)
        except SidecarError as error:
            self._refuse("invalid", str(error))
            return
        present = self._now.loaded.config
        config, waiting = pinned(wanted.config, present)
        if waiting:
            self._telling.waiting(waiting)
        loaded = Loaded(text, config)
        if same(config, present):
            self._now.loaded = loaded
            self.proving.reworded(loaded)
            self._telling.valid()
            return
        try:
            self._change(loaded)
        except SidecarError as error:
            if not self._now.runs:
                raise
            self._postpone(text, error)

    def _change(self, loaded: Loaded) -> None:
        began = time.monotonic()
        before, proven = self._now.loaded, self.proving.proven
        parts = self._now.parts(loaded.config)
        note_unused(loaded.config)
        verdict: Verdict | None = None
        if self._reloads:
            if not self._passes(loaded):
                return
            verdict = switch(parts[1], self._now.node, self._reloads)
            if verdict is Verdict.STOPPED:
                return
            if verdict and not verdict.well:
                self._reject(loaded, f"Fluent Bit does not work with it: {self._reloads.reason}; its log says why")
                return
        try:
            self._now.begin(loaded, parts)
        except SidecarError:
            self._now.begin(before, self._now.parts(before.config))
            self._now.node.load()
            raise
        self.proving.begin(loaded)
        if verdict is Verdict.DONE or (verdict is None and proven):
            self.proving.done()
        seconds = time.monotonic() - began
        self._telling.applied(f"{self._name} was changed, and is in force ({seconds:.1f} s after it was seen)")

    def _passes(self, loaded: Loaded) -> bool:
        """Whether a Fluent Bit starts with it, where one is at hand to try."""
        if shutil.which(_FLUENT_BIT) is None:
            return True
        try:
            verify(loaded.config, stop=self._stopping.is_set)
        except SidecarError as error:
            if not self._stopping.is_set():
                self._reject(loaded, str(error))
            return False
        return True

    def _postpone(self, text: str, error: SidecarError) -> None:
        """A Secret that isn't mounted yet, a full disk: what the file says may be right."""
        self._again = (time.monotonic() + _AGAIN_SECONDS, text)
        self._refuse("failed", f"{self._name}: can't be applied, tried again every {_AGAIN_SECONDS:.0f} s: {error}")

    def _refuse(self, result: str, why: str) -> str:
        text = f"{why}\n{INSTEAD}"
        self._telling.bad(result, text)
        return text

    def _reject(self, loaded: Loaded, why: str) -> None:
        text = self._refuse("rejected", f"{self._name}: {why}")
        self._bad = {loaded.digest: text}
        try:
            self._state.keep_rejected(loaded.digest, text)
        except OSError as error:
            log.warning("that it does not work can't be noted: %s", error)

    # What Fluent Bit does not work with

    def check_running(self) -> None:
        """Have a Fluent Bit that was running before this sidecar read what is new at once."""
        if not (self._reloads and self._reloads.fluent_bit.is_running()):
            return
        verdict = self._now.node.load()
        if verdict is Verdict.DONE:
            self.proving.done()
        elif verdict and not verdict.well and verdict is not Verdict.STOPPED and not self.proving.proven:
            self.fall_back(f"Fluent Bit does not work with it: {self._reloads.reason}")

    def fall_back(self, why: str) -> None:
        """Go back to the last one that worked."""
        bad = self._now.loaded
        good = self._other_good(bad)
        if good is None:
            log.error("%s: see its log; no other configuration is known that worked", why)
            self.proving.begin(bad)
            return
        try:
            parts = self._now.parts(good.config)
            parts[1].prepare()  # at once: it may be started again at any moment
            self._now.begin(good, parts)
            parts[1].load()
        except SidecarError as error:
            if not self._now.runs:
                raise
            log.error("%s, and the last configuration that worked can't be used: %s", why, error)  # noqa: TRY400 - no bug
            self.proving.begin(bad)
            return
        self.proving.begin(good)
        self._reject(bad, why)

"""Real parts that take a while to start: begun in the background, waited for by who needs them, closed at the end."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

T = TypeVar("T")


class SessionOver(Exception):  # noqa: N818 - it is a state, and reads better so
    """Raised inside a part's start by its progress callback: nobody needs the part any more."""


class Background(Generic[T]):
    """A context manager that is entered, held and left by a thread of its own.

    One thread from start to end, because a process may be tied to the thread that started it.

    Args:
        name: Of the part, for messages.
        opener: Makes the context manager; is given a callback to tell what it is doing.
        look: Looks at the machine as it is now, before a test gives it another PATH.
    """

    def __init__(
        self,
        name: str,
        opener: Callable[[Callable[[str], None]], AbstractContextManager[T]],
        *,
        look: Callable[[], object] = bool,
    ) -> None:
        self.name = name
        self._look = look
        self.doing = "starting"
        self.seconds = 0.0
        self._opener = opener
        self._opened = threading.Event()
        self._over = threading.Event()
        self._value: T | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin, unless that was done before."""
        with self._lock:
            if self._thread is None:
                self._look()
                # A daemon: a session that is interrupted doesn't wait for a build of minutes.
                self._thread = threading.Thread(target=self._hold, name=self.name, daemon=True)
                self._thread.start()

    def _hold(self) -> None:
        began = time.monotonic()
        try:
            with self._opener(self._progress) as self._value:
                self.seconds = time.monotonic() - began
                self._opened.set()
                self._over.wait()
        except BaseException as error:  # noqa: BLE001 - whatever it is, who needs the part gets it
            self._error = error
        finally:
            self._opened.set()

    def _progress(self, doing: str) -> None:
        if self._over.is_set():
            raise SessionOver
        self.doing = doing

    def wait(self, timeout: float) -> bool:
        """Wait for the end of the start, good or bad; says whether it has come."""
        self.start()
        return self._opened.wait(timeout)

    def get(self, timeout: float = 3600) -> T:
        """The part, once it is started.

        Raises:
            AssertionError: Not within `timeout` seconds.
            Exception: Whatever its start raised.
        """
        assert self.wait(timeout), f"{self.name}: still {self.doing} after {timeout:g} s"
        if self._error is not None:
            raise self._error
        assert self._value is not None
        return self._value

    def close(self, timeout: float = 30) -> None:
        """End the part, if it was begun.

        Raises:
            Exception: What its end raised, if its start was good.
        """
        if self._thread is None:
            return
        good = self._opened.is_set() and self._error is None
        self._over.set()
        self._thread.join(timeout)
        if good and self._error is not None:
            raise self._error

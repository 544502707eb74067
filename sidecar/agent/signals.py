"""Signals that ask the process to stop. It imports nothing dear: they must be heard while the rest is being loaded."""

import signal
import threading
from types import FrameType


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, from now on, instead of ending the process.

    As the first process of a container without a handler, SIGTERM would not even be heard.
    """
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping

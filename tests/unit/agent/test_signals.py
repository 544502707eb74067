import os
import signal
from collections.abc import Iterator

import pytest

from sidecar.agent.signals import stop_on_signals


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_and_ends_nothing(number: signal.Signals) -> None:
    stopping = stop_on_signals()
    assert not stopping.is_set()
    os.kill(os.getpid(), number)
    assert stopping.wait(1)

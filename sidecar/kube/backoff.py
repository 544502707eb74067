"""Waiting longer after each failure, at random, so that many sidecars don't come back at once."""

import random


class Backoff:
    """Delays in seconds: at random between half and the whole of first, twice that, ... up to `most`."""

    def __init__(self, *, first: float = 0.5, most: float = 30.0) -> None:
        self._first = first
        self._most = most
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many there were since the last success."""
        return self._failures

    def failed(self) -> float:
        """How long to wait now."""
        ceiling = min(self._first * 2.0 ** min(self._failures, 30), self._most)
        self._failures += 1
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the load, keeps no secret

    def succeeded(self) -> None:
        """Begin anew."""
        self._failures = 0

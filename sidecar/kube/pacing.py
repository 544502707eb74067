"""How often the API server is asked, and how long it is waited for. Pure: the time is handed in, in seconds."""


class TokenBucket:
    """So many requests a second, and more for a moment after a pause."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = self._tokens = burst
        self._at = 0.0

    def take(self, now: float, *, within: float) -> float | None:
        """Reserve a request: seconds until it may be sent; None, and nothing reserved, where that is too late."""
        self._fill(now)
        delay = max(0.0, 1.0 - self._tokens) / self._rate
        if delay > within:
            return None
        self._tokens -= 1.0
        return delay

    def spare(self, now: float) -> bool:
        """Whether half of the burst is there: enough for what can wait."""
        self._fill(now)
        return self._tokens > self._burst / 2

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)


class Breaker:
    """Stops asking a server that fails: after some failures in a row, for some time, after which one more is enough."""

    def __init__(self, *, failures: int = 3, seconds: float = 30.0) -> None:
        self._most = failures
        self._seconds = seconds
        self._failures = 0
        self._until = float("-inf")

    def open(self, now: float) -> bool:
        """Whether not to ask."""
        return now < self._until

    def failed(self, now: float) -> bool:
        """Count a failure; True where this one stops the asking."""
        self._failures += 1
        if self._failures < self._most or self.open(now):
            return False
        self._until = now + self._seconds
        return True

    def succeeded(self) -> None:
        """Begin to count anew."""
        self._failures = 0


class Patience:
    """Waiting that never makes its caller fall behind: a fifth of the time at most."""

    _SHARE = 0.2

    def __init__(self) -> None:
        self._credit = float("inf")  # the first may wait for all of its budget
        self._at = 0.0

    def allow(self, now: float, budget: float) -> float:
        """Seconds of the budget that may be waited for."""
        self._credit = min(self._credit + max(0.0, now - self._at) * self._SHARE, budget)
        self._at = now
        return self._credit

    def waited(self, seconds: float) -> None:
        """Say how long it took."""
        self._credit = max(0.0, self._credit - seconds)

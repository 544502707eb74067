from sidecar.kube.backoff import Backoff


def test_delays_double_up_to_the_most_and_are_spread() -> None:
    backoff = Backoff(first=1, most=8)
    for ceiling in (1, 2, 4, 8, 8, 8):
        assert ceiling / 2 <= backoff.failed() <= ceiling
    first = {Backoff().failed() for _ in range(20)}
    assert len(first) > 10, "many sidecars don't come back at once"
    assert all(0.25 <= delay <= 0.5 for delay in first)


def test_success_begins_anew() -> None:
    backoff = Backoff(first=1, most=100)
    for _ in range(5):
        backoff.failed()
    backoff.succeeded()
    assert backoff.failed() <= 1


def test_a_year_of_failures_is_no_overflow() -> None:
    backoff = Backoff()
    for _ in range(5000):
        assert backoff.failed() <= 30

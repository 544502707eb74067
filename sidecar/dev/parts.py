"""What the parts of a demonstration share: how they are described, waited for and cleared away."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3

from sidecar.agent import child
from sidecar.errors import DemoError

# Told what happens now, in a few words, and the fraction that is done: 0 to 1, or None where nobody can know.
Progress = Callable[[str, float | None], None]

LOG_LINES = 12
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Part:
    """A running part.

    Args:
        name: What it is, e.g. "OpenSearch".
        description: What was taken and where it came from, in one line.
        url: Where it answers, without a slash at the end and without credentials.
        stop_command: Shell command that stops it, for a part that stays; else empty.
    """

    name: str
    description: str
    url: str
    stop_command: str = ""


@contextmanager
def hold(
    start: Callable[[], Part], *, stop: Callable[[], None], last_will: Sequence[str], keep: bool
) -> Iterator[Part]:
    """Start a part, and stop it when the block is left, when the start fails, and when this process is killed.

    Args:
        start: Waits until the part answers.
        stop: Stops the part and clears away what it left; also after a failed start.
        last_will: The command that does the same from outside, for when this process is killed.
        keep: Leave a part that has started running, whatever comes after.
    """
    kept = False
    try:
        with when_killed(last_will):
            part = start()
            if not keep:
                yield part
                return
        kept = True
        yield part
    finally:
        if not kept:
            stop()


@contextmanager
def when_killed(command: Sequence[str]) -> Iterator[None]:
    """Run `command` if this process ends, by whatever signal, before the block is left.

    A shell waits at the other end of a pipe: the kernel closes it with this process. The kernel's own parent-death
    signal would be simpler, but it is sent as soon as the *thread* that started the child ends, and knows Linux only.
    """
    guard = subprocess.Popen(  # noqa: S603 - the command is ours
        ["/bin/sh", "-c", 'read -r _ || exec "$@"', "guard", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,  # a Ctrl+C that ends this process must not end its guard
    )
    try:
        yield
    finally:
        guard.communicate(b"done\n")


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block is left or this process is killed, with its output in a file."""
    with child.running(command, log) as process, when_killed(["kill", str(process.pid)]):
        yield process


def wait_until_healthy(
    find_url: Callable[[], str | None],
    *,
    name: str,
    lives: Callable[[], bool],
    log: Callable[[], str],
    progress: Progress,
    limit: float = 180.0,
) -> str:
    """Wait until a starting OpenSearch says that it is healthy.

    Args:
        find_url: Where it answers; None as long as that is not known.
        name: What to call it in messages.
        lives: Whether it still runs.
        log: What it has written so far.
        progress: Told about once a second.
        limit: Seconds to wait.

    Returns:
        Its URL.

    Raises:
        DemoError: It ended, or the time is up; with the end of its log.
    """
    begun = time.monotonic()
    while (waited := time.monotonic() - begun) < limit:
        progress(f"{name} starts: {waited:.0f} s", None)
        alive = lives()
        url = find_url()
        if url and _is_healthy(url):
            return url
        if not alive:
            raise DemoError(f"{name} ended before it answered; the end of its log:\n{log_end(log())}")
        time.sleep(POLL_SECONDS)
    raise DemoError(f"{name} did not answer within {limit:.0f} s; the end of its log:\n{log_end(log())}")


def log_end(text: str) -> str:
    """The last lines of a log that say something: the frames of Java's stack traces don't."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not line.lstrip().startswith(("at ", "... "))]
    return "\n".join(f"  {line}" for line in telling[-LOG_LINES:]) or "  (empty)"


def _is_healthy(url: str) -> bool:
    try:
        # urllib3 itself asks no proxy from the environment: the node is on this machine.
        answer = urllib3.request(
            "GET", f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s", timeout=5, retries=False
        )
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200  # noqa: PLR2004 - HTTP's OK; a status not reached in time is a 408

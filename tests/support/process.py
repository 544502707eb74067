"""Processes that tests start: their output is kept, and none outlives the session."""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

# Asks Linux to kill the process when its parent dies, also by SIGKILL; then becomes the command. Without `preexec_fn`,
# which is not safe beside threads. The parent may be gone already when the question is asked.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != parent:
    os._exit(125)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.stderr.write(f"{sys.argv[2]}: {error.strerror}\\n")
    os._exit(127)
"""

# "Parent" means the *thread* that started the process: one thread that lives as long as the interpreter starts all.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")
_running: "set[Process]" = set()


def _spawn(command: list[str], log: Path, env: Mapping[str, str] | None, cwd: Path | None) -> subprocess.Popen[bytes]:
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
    with log.open("ab") as output:
        return subprocess.Popen(  # the caller waits for it
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,  # Ctrl-C in the terminal is for pytest alone, which then stops its processes
        )


class Process:
    """A command that runs, its output in a file; use it as a context manager or call `close()`.

    Args:
        command: The program and its arguments.
        log: Where stdout and stderr are appended, over restarts too.
        env: The whole environment; the session's own by default.
        cwd: Where it runs.
        name: What messages call it; the program's name by default.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        name: str = "",
    ) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self.env = env
        self.cwd = cwd
        self.name = name or Path(self.command[0]).name
        self._process: subprocess.Popen[bytes] | None = None
        self._left_over = False
        self.start()

    def __repr__(self) -> str:
        code = self.returncode
        return f"<{self.name} {'runs' if code is None else f'ended with {code}'}>"

    def start(self) -> None:
        """Start it (again); it must not be running."""
        assert not self.running, f"{self.name} runs already"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = _spawner.submit(_spawn, self.command, self.log, self.env, self.cwd).result()
        self._left_over = True
        _running.add(self)

    @property
    def _popen(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    @property
    def pid(self) -> int:
        """The process id of the latest start."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """How it ended: negative for a signal, None while it runs."""
        code = self._popen.poll()
        if code is not None and self._left_over:
            # Once it and all its children have ended, its id may become somebody else's: never signal that.
            self._left_over = _group_exists(self.pid)
        return code

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self.returncode is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, not to its children."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for its end: a crash. Its children are left as a crash leaves them."""
        self.send(signal.SIGKILL)
        self._wait(None)

    def terminate(self, timeout: float = 10) -> int:
        """SIGTERM, and wait for its end.

        Returns:
            How it ended, as `returncode`.

        Raises:
            AssertionError: It still ran after `timeout` seconds, and was killed.
        """
        self.send(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout: float) -> int:
        """Wait for its end; kills it and raises AssertionError if that takes longer than `timeout` seconds."""
        try:
            return self._wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {timeout:g} s\n{self.tail()}") from None

    def _wait(self, timeout: float | None) -> int:
        self._popen.wait(timeout)
        code = self.returncode
        assert code is not None
        return code

    def restart(self, timeout: float = 10) -> None:
        """Terminate it if it runs, and start it again."""
        if self.running:
            self.terminate(timeout)
        self.start()

    def check(self) -> None:
        """Raise AssertionError, with the end of its output, if it doesn't run."""
        assert self.running, f"{self.name} ended with {self.returncode}\n{self.tail()}"

    def output(self) -> str:
        """All that it has written."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines: int = 30) -> str:
        """The last lines of its output, under a heading: for messages."""
        last = self.output().splitlines()[-lines:]
        return "\n".join([f"--- the end of {self.log} ---", *last])

    def close(self) -> None:
        """End it, and whatever it left running; no complaint if it ended before."""
        if self.running:
            self.send(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._wait(5)
        if self._left_over:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._wait(None)
        _running.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _group_exists(pid: int) -> bool:
    """Whether anything is left of the process group that a process led; a zombie counts."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def close_all() -> None:
    """End every process that is still open: the last net under forgotten ones."""
    for process in list(_running):
        process.close()


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    timeout: float,
    cwd: Path | None = None,
    tick: Callable[[], object] = bool,
    **env: str,
) -> str:
    """Run a command to its end and return its output.

    Args:
        command: The program and its arguments.
        log: Where its output goes; emptied before.
        timeout: Seconds; it is killed after that.
        cwd: Where it runs.
        tick: Called several times a second; what it raises ends the command.
        env: Added to the environment.

    Raises:
        AssertionError: It failed or took too long; the message has the end of its output.
    """
    log.unlink(missing_ok=True)
    deadline = time.monotonic() + timeout
    with Process(command, log=log, cwd=cwd, env={**os.environ, **env}) as process:
        while process.running and time.monotonic() < deadline:
            tick()
            time.sleep(0.1)
        code = process.wait(0)
    assert code == 0, f"{' '.join(process.command)} ended with {code}\n{process.tail()}"
    return process.output()


atexit.register(close_all)

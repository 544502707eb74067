"""The process that writes pod logs: `python -m tests.support.podlogs.generate SPEC`; SIGTERM ends it.

What it has written is in the folder `truth` of its spec once it has ended.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from tests.support.podlogs.kubelet import Kubelet
from tests.support.podlogs.spec import Log, Spec
from tests.support.podlogs.writer import Writer

TICK = 0.005


class Node:
    """The containers of a node, from the first one's start to the last one's end."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._waiting = sorted(spec.logs, key=lambda log: log.begins, reverse=True)
        self._alive: list[Writer] = []
        self._ends: dict[str, float] = {}
        self._removals: list[tuple[float, Path]] = []
        self._done: list[Writer] = []
        self._kubelet = Kubelet(spec, self._alive)
        self._over = False
        self._began = time.monotonic()

    def stop(self) -> None:
        """Begin no more records."""
        self._over = True

    def run(self) -> None:
        """Write until there is nothing more to write."""
        spec = self._spec
        self._began = time.monotonic()
        self._kubelet.start()
        written = 0
        turn = 0
        while not self._over:
            elapsed = time.monotonic() - self._began
            self._manage(elapsed)
            if (spec.seconds and elapsed >= spec.seconds) or (spec.size and written >= spec.size):
                break
            if not self._alive and not self._waiting:
                break
            owed = spec.rate * elapsed - written if spec.rate else float(2**18)
            step = 0
            if owed > 0 and self._alive:
                least = max(1, min(int(owed) // len(self._alive), 2**18))
                for _ in range(len(self._alive)):
                    turn += 1
                    step += self._alive[turn % len(self._alive)].write(least)
            written += step
            if spec.rate or not step:
                time.sleep(TICK)
        self._kubelet.stop()
        finishing = [threading.Thread(target=writer.finish) for writer in self._alive]
        for thread in finishing:
            thread.start()
        for thread in finishing:
            thread.join()
        self._done += self._alive
        while self._removals:
            self._manage(time.monotonic() - self._began)
            time.sleep(TICK)

    def save(self) -> None:
        """Write the truth."""
        folder = Path(self._spec.truth)
        for writer in self._done:
            for what, numbers in (("offsets", writer.offsets), ("times", writer.times)):
                with (folder / f"{writer.log.key}.{what}").open("wb") as target:
                    numbers.tofile(target)
        content = {
            "seconds": time.monotonic() - self._began,
            "cpu": time.process_time(),
            "rotations": self._kubelet.rotations,
            "removed": self._kubelet.removed,
            "logs": {writer.log.key: writer.truth() for writer in self._done},
        }
        temporary = folder / "truth.json.tmp"
        temporary.write_text(json.dumps(content))
        temporary.rename(folder / "truth.json")

    def _manage(self, elapsed: float) -> None:
        """Start and end containers, and remove the folders of pods that are gone."""
        while self._waiting and self._waiting[-1].begins <= elapsed:
            log = self._waiting.pop()
            self._link(log)
            self._alive.append(Writer(log, self._spec))
            if log.lives is not None:
                self._ends[log.key] = log.begins + log.lives
        for writer in [each for each in self._alive if self._ends.get(each.log.key, elapsed) < elapsed]:
            self._alive.remove(writer)
            writer.finish()
            self._done.append(writer)
            if writer.log.removed is not None:
                self._removals.append((elapsed + writer.log.removed, writer.path.parents[1]))
        for moment, folder in [each for each in self._removals if each[0] <= elapsed]:
            self._removals.remove((moment, folder))
            shutil.rmtree(folder)

    def _link(self, log: Log) -> None:
        """What /var/log/containers has for it."""
        folder = Path(self._spec.root).parent / "containers"
        folder.mkdir(exist_ok=True)
        link = folder / f"{log.pod}_{log.namespace}_{log.container}-{log.container_id}.log"
        link.unlink(missing_ok=True)
        link.symlink_to(Path(self._spec.root) / log.path)


def main() -> None:
    os.umask(0o027)
    spec = Spec.read(Path(sys.argv[1]))
    Path(spec.truth).mkdir(parents=True, exist_ok=True)
    node = Node(spec)
    signal.signal(signal.SIGTERM, lambda *_: node.stop())
    node.run()
    node.save()


if __name__ == "__main__":
    main()

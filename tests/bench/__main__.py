"""Run the benchmarks: all, or those that are named."""

import os
import platform
import sys

from tests.bench import (
    applying,
    backlog,
    controlplane,
    delay,
    journaling,
    logs,
    losses,
    memory,
    onnode,
    peersevents,
    peerslogs,
    reloading,
    reporting,
    startup,
)

BENCHMARKS = {
    "startup": startup.run,
    "applying": applying.run,
    "journaling": journaling.run,
    "backlog": backlog.run,
    "memory": memory.run,
    "delay": delay.run,
    "logs": logs.run,
    "losses": losses.run,
    "onnode": onnode.run,
    "reloading": reloading.run,
    "controlplane": controlplane.run,
    "reporting": reporting.run,
    "peers-events": peersevents.run,
    "peers-logs": peerslogs.run,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    for name in names or BENCHMARKS:
        print(f"## {name}", flush=True)
        BENCHMARKS[name]()
        print(flush=True)
    return 0


sys.exit(main(sys.argv[1:]))

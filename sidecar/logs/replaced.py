"""Pods of our own DaemonSet that this one has replaced on its node.

What Fluent Bit says as it ends goes with its pod, so that these lose some lines whenever there is another pod.
"""

import os
import re
from collections.abc import Callable, Mapping

from sidecar.kube.podevents import NAME, NAMESPACE


def replaced(environment: Mapping[str, str] = os.environ) -> Callable[[str], bool]:
    """Whether a container, as `<namespace>/<pod>/<container>`, is of such a pod; none is where nothing says who we are.

    A DaemonSet's pods differ in the last five letters of their names, and have one node for each.
    """
    namespace, pod = environment.get(NAMESPACE, ""), environment.get(NAME, "")
    start, dash, _ = pod.rpartition("-")
    if not (namespace and dash):
        return lambda _: False
    pattern = re.compile(f"{re.escape(f'{namespace}/{start}-')}[a-z0-9]{{5}}/.*")
    ours = f"{namespace}/{pod}/"
    return lambda container: bool(pattern.fullmatch(container)) and not container.startswith(ours)
